import { isAgreed, type ToolPin } from '../../../proxy/contract/tool-pin.ts';
import type { Tone } from '../../kit/badge.tsx';

/** `new` and `changed` are quarantined: nobody can call them. */
export type ToolState = 'new' | 'changed' | 'agreed' | 'rejected';

export function stateOf(pin: ToolPin): ToolState {
  if (pin.rejected) return 'rejected';
  if (isAgreed(pin, pin.offered)) return 'agreed';
  return pin.approved === null ? 'new' : 'changed';
}

export function isQuarantined(pin: ToolPin): boolean {
  const state = stateOf(pin);
  return state === 'new' || state === 'changed';
}

export const stateWords: Readonly<Record<ToolState, readonly [tone: Tone, word: string, means: string]>> = {
  new: ['wait', 'New', 'Nobody agreed to it yet: callers neither see it nor can they call it.'],
  changed: ['warn', 'Changed', 'It is no longer what was agreed to: callers neither see it nor can they call it.'],
  agreed: ['good', 'Agreed', 'Callers whom policies let in see it, exactly as it is shown here.'],
  rejected: ['bad', 'Refused', 'It stays hidden, and is asked about again when it changes.'],
};

/** The instructions of a server have no name of their own. */
export function nameOf({ kind, name }: Pick<ToolPin, 'kind' | 'name'>): string {
  return kind === 'server' ? 'Instructions of the server' : name;
}

/** What waits first, then by server and name. */
export function inOrder(pins: readonly ToolPin[]): readonly ToolPin[] {
  const rank = (pin: ToolPin): number => (isQuarantined(pin) ? 0 : 1);
  return pins.toSorted((a, b) => rank(a) - rank(b) || compare(a.resource, b.resource) || compare(a.kind, b.kind) || compare(a.name, b.name));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export interface ServerCount {
  readonly server: string;
  readonly all: number;
  readonly waiting: number;
}

export function serversOf(pins: readonly ToolPin[]): readonly ServerCount[] {
  const groups = Map.groupBy(pins, ({ resource }) => resource);
  return [...groups]
    .map(([server, of]) => ({ server, all: of.length, waiting: of.filter(isQuarantined).length }))
    .toSorted((a, b) => compare(a.server, b.server));
}
