import type { Input } from '../../../proxy/contract/api.ts';
import type { TokenView } from '../../../proxy/contract/api-views.ts';

export const lifetimes = [
  { value: '3600', label: '1 hour' },
  { value: '28800', label: '8 hours' },
  { value: '86400', label: '24 hours' },
  { value: '604800', label: '7 days' },
  { value: '2592000', label: '30 days' },
  { value: 'custom', label: 'Other…' },
] as const;
export type Lifetime = (typeof lifetimes)[number]['value'];

export type TokenRole = TokenView['roles'][number];

export interface TokenForm {
  readonly lifetime: Lifetime;
  readonly days: string;
  readonly resources: readonly string[];
  readonly networks: readonly string[];
  readonly roles: readonly TokenRole[];
}

export const emptyTokenForm: TokenForm = { lifetime: '86400', days: '90', resources: [], networks: [], roles: [] };

const daySeconds = 86_400;
const maxDays = 366;

/** Of the token; null: not a number of days from 1 to 366. */
export function secondsOf({ lifetime, days }: TokenForm): number | null {
  if (lifetime !== 'custom') return Number(lifetime);
  const count = Number(days);
  return /^\d{1,3}$/.test(days.trim()) && count >= 1 && count <= maxDays ? count * daySeconds : null;
}

export function daysFault(form: TokenForm): string | undefined {
  return secondsOf(form) === null ? `A number of days from 1 to ${maxDays}.` : undefined;
}

/** Null: something is wrong. */
export function tokenInput(serviceAccount: string, form: TokenForm): Input<'createToken'> | null {
  const expiresInSeconds = secondsOf(form);
  const { resources, networks, roles } = form;
  return expiresInSeconds === null ? null : { serviceAccount, expiresInSeconds, resources: [...resources], networks: [...networks], roles: [...roles] };
}

/** Why this is no network in CIDR form; undefined: it is one. A mask is needed: an address alone is easily meant otherwise. */
export function networkFault(text: string): string | undefined {
  const [address = '', prefix = '', ...more] = text.split('/');
  const bits = isIpv4(address) ? 32 : isIpv6(address) ? 128 : 0;
  const right = more.length === 0 && bits > 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits;
  return right ? undefined : 'A network in CIDR form: 10.0.0.0/8, 192.168.1.7/32 or fd00::/8.';
}

function isIpv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}

function isIpv6(text: string): boolean {
  if (!text.includes(':') || text.length > 45) return false;
  const halves = text.split('::');
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  const counted = halves.length === 1 ? groups.length === 8 : halves.length === 2 && groups.length < 8;
  return counted && groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group));
}

export type TokenState = 'live' | 'expired' | 'revoked';

export function tokenState({ revokedAt, expiresAt }: Pick<TokenView, 'revokedAt' | 'expiresAt'>, nowMs: number): TokenState {
  if (revokedAt !== null) return 'revoked';
  return Date.parse(expiresAt) <= nowMs ? 'expired' : 'live';
}
