import { useCallback } from 'react';
import { useHashLocation } from 'wouter/use-hash-location';
import { useApplianceOrNull } from './outside.tsx';

export interface Place {
  /** empty: none chosen */
  readonly appliance: string;
  readonly screen: string;
  /** what comes behind the screen, decoded */
  readonly path: readonly string[];
}

/** `#/a/<appliance>/<screen>/…` */
export function addressOfPlace({ appliance, screen, path }: Place): string {
  return `/a/${[appliance, screen, ...path].map(encodeURIComponent).join('/')}`;
}

export function placeOf(location: string): Place {
  const [, a = '', appliance = '', screen = '', ...path] = location.split('/').map(decoded);
  return a === 'a' ? { appliance, screen, path: path.filter((part) => part !== '') } : { appliance: '', screen: '', path: [] };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export interface Here extends Place {
  /** opens `path` of this screen, as a new step in the history */
  readonly open: (...path: readonly string[]) => void;
  readonly replace: (...path: readonly string[]) => void;
}

export function usePlace(): Here {
  const [location, go] = useHashLocation();
  const place = placeOf(location);
  const { appliance, screen } = place;
  const open = useCallback((...path: readonly string[]) => go(addressOfPlace({ appliance, screen, path })), [appliance, go, screen]);
  const replace = useCallback((...path: readonly string[]) => go(addressOfPlace({ appliance, screen, path }), { replace: true }), [appliance, go, screen]);
  return { ...place, open, replace };
}

/** Addresses of this appliance's screens, for `href`. */
export function useLink(): (screen: string, ...path: readonly string[]) => string {
  const { appliance: shown } = usePlace();
  const appliance = useApplianceOrNull()?.id ?? shown;
  return useCallback((screen, ...path) => `#${addressOfPlace({ appliance, screen, path })}`, [appliance]);
}

/** Goes to another screen of this or another appliance. */
export function useGo(): (screen: string, path?: readonly string[], appliance?: string) => void {
  const [location, go] = useHashLocation();
  const { appliance: here } = placeOf(location);
  return useCallback((screen, path = [], appliance = here) => go(addressOfPlace({ appliance, screen, path })), [go, here]);
}
