import { BlockList, isIP, isIPv4 } from 'node:net';
import { fail } from '../contract/errors.ts';

/** Source networks of a token, compiled. */
export interface Networks {
  /** `address`: of the peer, as the socket gives it. What is no IP address is in no network. */
  includes(address: string): boolean;
}

const everywhere: Networks = { includes: () => true };

/** Empty means everywhere; an entry that is no network admits nobody, so that a damaged list fails closed. */
export function compileNetworks(networks: readonly string[]): Networks {
  if (networks.length === 0) return everywhere;
  // apart, because one BlockList would let `::/0` match IPv4
  const v4 = new BlockList();
  const v6 = new BlockList();
  for (const network of networks) {
    const parsed = parseNetwork(network);
    if (parsed?.family === 'ipv4') v4.addSubnet(parsed.address, parsed.prefix, 'ipv4');
    if (parsed?.family === 'ipv6') v6.addSubnet(parsed.address, parsed.prefix, 'ipv6');
  }
  return {
    includes(address) {
      const plain = plainAddress(address);
      if (plain === null) return false;
      return isIPv4(plain) ? v4.check(plain, 'ipv4') : v6.check(plain, 'ipv6');
    },
  };
}

/** Throws ERR_INVALID_INPUT naming the entry. */
export function assertNetworks(networks: readonly string[]): void {
  for (const network of networks) {
    if (parseNetwork(network) === null) throw fail('ERR_INVALID_INPUT', { message: `\`${network.slice(0, 64)}\` is not a network in CIDR form.` });
  }
}

interface Network {
  readonly family: 'ipv4' | 'ipv6';
  readonly address: string;
  readonly prefix: number;
}

function parseNetwork(network: string): Network | null {
  const match = /^([0-9a-fA-F:.]{2,45})(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(network);
  if (match === null) return null;
  const given = match[1] ?? '';
  const family = isIP(given);
  if (family === 0) return null;
  const bits = family === 4 ? 32 : 128;
  const prefix = match[2] === undefined ? bits : Number(match[2]);
  if (prefix > bits) return null;
  const address = plainAddress(given);
  if (address === null) return null;
  if (family === 4) return { family: 'ipv4', address, prefix };
  // `::ffff:10.0.0.0/104` is 10.0.0.0/8; shorter prefixes would cover more than the mapped range
  if (isIPv4(address)) return prefix >= 96 ? { family: 'ipv4', address, prefix: prefix - 96 } : null;
  return { family: 'ipv6', address, prefix };
}

// without zone, and an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) as IPv4
function plainAddress(address: string): string | null {
  const bare = address.split('%', 1)[0] ?? '';
  const family = isIP(bare);
  if (family === 0) return null;
  if (family === 4) return bare;
  // the URL parser is the platform's normaliser of IPv6 text
  const canonical = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (mapped === null) return canonical;
  const [high, low] = [Number.parseInt(mapped[1] ?? '', 16), Number.parseInt(mapped[2] ?? '', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
