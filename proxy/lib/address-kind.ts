/** What an IP address stands for, as far as it decides whether a target may be there. */
export type AddressKind = 'public' | 'private' | 'loopback' | 'link-local' | 'unspecified' | 'multicast' | 'reserved' | 'metadata';

type Range = readonly [kind: AddressKind, address: string, bits: number];

/** The first range that holds the address counts. */
const v4Ranges: readonly Range[] = [
  ['metadata', '169.254.169.254', 32],
  ['metadata', '169.254.170.2', 32],
  ['metadata', '169.254.170.23', 32],
  ['metadata', '100.100.100.200', 32],
  ['metadata', '192.0.0.192', 32],
  ['metadata', '168.63.129.16', 32],
  ['unspecified', '0.0.0.0', 8],
  ['loopback', '127.0.0.0', 8],
  ['link-local', '169.254.0.0', 16],
  ['private', '10.0.0.0', 8],
  ['private', '100.64.0.0', 10],
  ['private', '172.16.0.0', 12],
  ['private', '192.168.0.0', 16],
  ['private', '198.18.0.0', 15],
  ['reserved', '192.0.0.0', 24],
  ['reserved', '192.88.99.0', 24],
  ['multicast', '224.0.0.0', 4],
  ['reserved', '240.0.0.0', 4],
];

const v6Ranges: readonly Range[] = [
  ['metadata', 'fd00:ec2::254', 128],
  ['metadata', 'fd20:ce::254', 128],
  ['metadata', 'fd00:ec2::23', 128],
  ['unspecified', '::', 128],
  ['loopback', '::1', 128],
  ['link-local', 'fe80::', 10],
  ['reserved', 'fec0::', 10],
  ['private', 'fc00::', 7],
  ['multicast', 'ff00::', 8],
  ['reserved', '100::', 64],
  // where this one keeps the IPv4 address is a local matter
  ['reserved', '64:ff9b:1::', 48],
];

/** Forms of IPv6 that only carry an IPv4 address: prefix, its bits, and where the address begins. */
const carriers: readonly (readonly [prefix: string, bits: number, at: number])[] = [
  ['::ffff:0:0', 96, 12],
  ['::ffff:0:0:0', 96, 12],
  ['64:ff9b::', 96, 12],
  ['2002::', 16, 2],
  ['::', 96, 12],
];

/** Kind of an address in its usual notation (a zone is ignored); null: that is no IP address. */
export function addressKind(address: string): AddressKind | null {
  const v4 = v4Bytes(address);
  if (v4 !== null) return kindIn(v4Ranges, v4, v4Bytes) ?? 'public';
  const v6 = v6Bytes(address);
  if (v6 === null) return null;
  const own = kindIn(v6Ranges, v6, v6Bytes);
  if (own !== null) return own;
  for (const [prefix, bits, at] of carriers) {
    if (isWithin(v6, v6Bytes(prefix), bits)) return kindIn(v4Ranges, v6.subarray(at, at + 4), v4Bytes) ?? 'public';
  }
  // Teredo: the client's address stands there inverted
  if (isWithin(v6, v6Bytes('2001::'), 32))
    return (
      kindIn(
        v4Ranges,
        v6.subarray(12).map((byte) => byte ^ 0xff),
        v4Bytes,
      ) ?? 'public'
    );
  return 'public';
}

/** The same address in one notation, for comparing: 16 bytes in hexadecimal; null: no IP address. */
export function addressKey(address: string): string | null {
  const v4 = v4Bytes(address);
  const bytes = v4 === null ? v6Bytes(address) : Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...v4);
  return bytes === null ? null : [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export interface AddressRules {
  /** loopback, link-local and this machine's own addresses may be targets, because an administrator said so */
  readonly allowLocal: boolean;
  /** this machine's own addresses, as `addressKey` */
  readonly own: ReadonlySet<string>;
}

/** Why a target must not be at this address; null: it may. Metadata services, multicast and reserved addresses never may. */
export function addressFault(address: string, { allowLocal, own }: AddressRules): string | null {
  const kind = addressKind(address);
  if (kind === null) return 'that is no IP address';
  if (kind === 'metadata') return 'a metadata service of a cloud is never a target';
  if (never.has(kind)) return `a ${kind} address is never a target`;
  if (allowLocal) return null;
  if (local.has(kind)) return `a ${kind} address may be a target only where the resource allows local addresses`;
  return own.has(addressKey(address) ?? '') ? "this machine's own address may be a target only where the resource allows local addresses" : null;
}

const never: ReadonlySet<AddressKind> = new Set(['unspecified', 'multicast', 'reserved']);
const local: ReadonlySet<AddressKind> = new Set(['loopback', 'link-local']);

/** The IP address a host of a URL stands for, however it is written (`0x7f.1`, `2130706433`, `[::1]`); null: it is a name. */
export function literalHost(host: string): string | null {
  const url = `http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}/`;
  if (!URL.canParse(url)) return null;
  const { hostname } = new URL(url);
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return addressKind(bare) === null ? null : bare;
}

function kindIn(ranges: readonly Range[], bytes: Uint8Array, parse: (text: string) => Uint8Array | null): AddressKind | null {
  return ranges.find(([, network, bits]) => isWithin(bytes, parse(network), bits))?.[0] ?? null;
}

function isWithin(bytes: Uint8Array, network: Uint8Array | null, bits: number): boolean {
  if (network === null) return false;
  for (let bit = 0; bit < bits; bit += 8) {
    const mask = bits - bit >= 8 ? 0xff : 0xff << (8 - (bits - bit));
    if (((bytes[bit >> 3] ?? 0) & mask) !== ((network[bit >> 3] ?? 0) & mask)) return false;
  }
  return true;
}

const octet = '(0|[1-9]\\d{0,2})';
const dotted = new RegExp(`^${[octet, octet, octet, octet].join('\\.')}$`);

/** Leading zeros are refused: some read them as octal. */
function v4Bytes(text: string): Uint8Array | null {
  const match = dotted.exec(text);
  if (match === null) return null;
  const parts = match.slice(1).map(Number);
  return parts.every((part) => part <= 255) ? Uint8Array.from(parts) : null;
}

function v6Bytes(text: string): Uint8Array | null {
  const [address = ''] = text.split('%', 1);
  if (!/^[0-9a-fA-F:.]{2,45}$/.test(address) || !address.includes(':')) return null;
  const [before = '', after, more] = address.split('::');
  const head = groups(before);
  const tail = groups(after ?? '');
  if (head === null || tail === null || more !== undefined) return null;
  const known = head.length + tail.length;
  if (after === undefined ? known !== 16 : known > 14) return null;
  return Uint8Array.from([...head, ...new Array<number>(16 - known).fill(0), ...tail]);
}

/** Bytes of the groups between colons; the last may be an IPv4 address. */
function groups(text: string): number[] | null {
  if (text === '') return [];
  const bytes: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    const v4 = index === parts.length - 1 ? v4Bytes(part) : null;
    if (v4 !== null) bytes.push(...v4);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) bytes.push(Number.parseInt(part, 16) >> 8, Number.parseInt(part, 16) & 0xff);
    else return null;
  }
  return bytes;
}
