/** Message layouts: https://www.postgresql.org/docs/18/protocol-message-formats.html. A frame is `type int8, length int32 (with itself), payload`. */

/** Types of messages from the client. */
export const frontend = {
  bind: 0x42,
  close: 0x43,
  describe: 0x44,
  execute: 0x45,
  functionCall: 0x46,
  flush: 0x48,
  parse: 0x50,
  query: 0x51,
  sync: 0x53,
  terminate: 0x58,
  copyDone: 0x63,
  copyData: 0x64,
  copyFail: 0x66,
  password: 0x70,
} as const;

/** Types of messages from the target. */
export const backend = {
  parseComplete: 0x31,
  bindComplete: 0x32,
  closeComplete: 0x33,
  notification: 0x41,
  commandComplete: 0x43,
  dataRow: 0x44,
  error: 0x45,
  copyIn: 0x47,
  copyOut: 0x48,
  emptyQuery: 0x49,
  backendKey: 0x4b,
  notice: 0x4e,
  authentication: 0x52,
  parameterStatus: 0x53,
  rowDescription: 0x54,
  functionResult: 0x56,
  copyBoth: 0x57,
  ready: 0x5a,
  noData: 0x6e,
  portalSuspended: 0x73,
  parameterDescription: 0x74,
  negotiate: 0x76,
} as const;

/** Codes in the place of a protocol version. */
export const requestCodes = { cancel: 80_877_102, tls: 80_877_103, gss: 80_877_104 } as const;

/** Protocol versions, major << 16 | minor. */
export const versions = { oldest: 196_608, newest: 196_610 } as const;

export const authentication = { ok: 0, cleartext: 3, md5: 5, sasl: 10, saslContinue: 11, saslFinal: 12 } as const;

/** Status byte of ReadyForQuery: no transaction block is open. */
export const idle = 0x49;

/** One frame of `type` with the given parts as payload. */
export function frame(type: number, ...parts: readonly Uint8Array[]): Buffer {
  let length = 4;
  for (const part of parts) length += part.length;
  const bytes = Buffer.allocUnsafe(1 + length);
  bytes.writeUInt8(type, 0);
  bytes.writeInt32BE(length, 1);
  let at = 5;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(value, 0);
  return bytes;
}

/** The text and its NUL. Callers never pass a text with a NUL inside: a cut text would change its meaning. */
export function cstring(text: string): Buffer {
  return Buffer.from(`${text.replaceAll('\0', '')}\0`, 'utf8');
}

/** Fields of an ErrorResponse or NoticeResponse of our own. */
export interface Report {
  readonly severity: 'ERROR' | 'FATAL' | 'NOTICE';
  readonly sqlstate: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
}

export function report(fields: Report): Buffer {
  const { severity, sqlstate, message, detail, hint } = fields;
  const parts = [`S${severity}`, `V${severity}`, `C${sqlstate}`, `M${message}`];
  if (detail !== undefined && detail !== '') parts.push(`D${detail}`);
  if (hint !== undefined && hint !== '') parts.push(`H${hint}`);
  return frame(severity === 'NOTICE' ? backend.notice : backend.error, ...parts.map(cstring), Buffer.from([0]));
}

export function authenticationRequest(kind: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
  return frame(backend.authentication, int32(kind), data);
}

export function parameterStatus(name: string, value: string): Buffer {
  return frame(backend.parameterStatus, cstring(name), cstring(value));
}

/** `status`: I, T or E as a byte */
export function readyForQuery(status: number): Buffer {
  return frame(backend.ready, Buffer.from([status]));
}

/** `newest`: the version we speak; `options`: the `_pq_.` options we do not know */
export function negotiateProtocol(newest: number, options: readonly string[]): Buffer {
  return frame(backend.negotiate, int32(newest), int32(options.length), ...options.map(cstring));
}

/** StartupMessage, protocol 3.0. */
export function startup(parameters: ReadonlyMap<string, string>): Buffer {
  const parts: Buffer[] = [int32(0), int32(versions.oldest)];
  for (const [name, value] of parameters) parts.push(cstring(name), cstring(value));
  const bytes = Buffer.concat([...parts, Buffer.from([0])]);
  bytes.writeInt32BE(bytes.length, 0);
  return bytes;
}

export const tlsRequest = Buffer.concat([int32(8), int32(requestCodes.tls)]);

/** `key`: process id and secret, as in BackendKeyData */
export function cancelRequest(key: Uint8Array): Buffer {
  return Buffer.concat([int32(8 + key.length), int32(requestCodes.cancel), key]);
}

export const flushFrame = frame(frontend.flush);
export const terminateFrame = frame(frontend.terminate);

export function queryFrame(sql: string): Buffer {
  return frame(frontend.query, cstring(sql));
}

/** Execute of all rows of a portal. */
export function executeFrame(portal: string): Buffer {
  return frame(frontend.execute, cstring(portal), int32(0));
}

/** `name`: the raw name, without its NUL */
export function describePortalFrame(name: Uint8Array): Buffer {
  return frame(frontend.describe, Buffer.from('P'), name, Buffer.from([0]));
}
