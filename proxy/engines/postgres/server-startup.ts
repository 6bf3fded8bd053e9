import { requestCodes, versions } from './messages.ts';

/** The first packet of a connection: int32 length, int32 code or version, rest. Pure: never throws, never allocates by a claimed length. */
export type FirstPacket =
  | { readonly kind: 'tls' }
  | { readonly kind: 'gss' }
  | { readonly kind: 'cancel'; readonly key: Buffer }
  | { readonly kind: 'startup'; readonly version: number; readonly parameters: ReadonlyMap<string, string>; readonly options: readonly string[] }
  | Rejection;

/** Why a client is turned away, in PostgreSQL's words. */
export interface Rejection {
  readonly kind: 'rejected';
  readonly sqlstate: string;
  readonly message: string;
  readonly hint?: string;
}

export function reject(sqlstate: string, message: string, hint?: string): Rejection {
  return { kind: 'rejected', sqlstate, message, ...(hint === undefined ? {} : { hint }) };
}

const maxParameters = 64;
const maxName = 128;
const maxValue = 1024;
const decoder = new TextDecoder('utf-8', { fatal: true });

/** `packet` without its length */
export function parseFirstPacket(packet: Buffer): FirstPacket {
  if (packet.length < 4) return reject('08P01', 'invalid length of startup packet');
  const code = packet.readInt32BE(0);
  if (code === requestCodes.tls) return packet.length === 4 ? { kind: 'tls' } : reject('08P01', 'invalid length of startup packet');
  if (code === requestCodes.gss) return packet.length === 4 ? { kind: 'gss' } : reject('08P01', 'invalid length of startup packet');
  if (code === requestCodes.cancel) {
    // protocol 3.2 allows longer keys; ours have 8 bytes, any other fits none
    return packet.length >= 12 && packet.length <= 4 + 4 + 256
      ? { kind: 'cancel', key: packet.subarray(4) }
      : reject('08P01', 'invalid length of cancel request');
  }
  if (code >> 16 !== versions.oldest >> 16) {
    return reject('0A000', `unsupported frontend protocol ${String(code >>> 16)}.${String(code & 0xffff)}: server supports 3.0 to 3.2`);
  }
  return parseParameters(packet, code);
}

function parseParameters(packet: Buffer, version: number): FirstPacket {
  const parameters = new Map<string, string>();
  const options: string[] = [];
  let at = 4;
  for (let count = 0; ; count++) {
    const name = text(packet, at, maxName);
    if (name === null || count > maxParameters) return reject('08P01', 'invalid startup packet layout');
    at = name.next;
    if (name.value === '') break;
    const value = text(packet, at, maxValue);
    if (value === null) return reject('08P01', 'invalid startup packet layout', 'Values have at most 1024 bytes of UTF-8.');
    at = value.next;
    if (name.value.startsWith('_pq_.')) options.push(name.value);
    // two values for one name: whoever reads the other one is fooled
    else if (parameters.has(name.value)) return reject('08P01', `startup parameter "${name.value}" is given twice`);
    else parameters.set(name.value, value.value);
  }
  return at === packet.length
    ? { kind: 'startup', version, parameters, options }
    : reject('08P01', 'invalid startup packet layout: expected terminator as last byte');
}

function text(packet: Buffer, at: number, max: number): { value: string; next: number } | null {
  const nul = packet.indexOf(0, at);
  if (nul < 0 || nul - at > max) return null;
  try {
    return { value: decoder.decode(packet.subarray(at, nul)), next: nul + 1 };
  } catch {
    return null;
  }
}
