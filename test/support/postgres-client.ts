import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A raw PostgreSQL client: it shows every frame exactly as it came. */
export interface Frame {
  readonly type: string;
  /** without type and length */
  readonly payload: Buffer;
}

export interface Login {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly parameters?: Readonly<Record<string, string>>;
}

export function message(type: string, ...parts: readonly (Uint8Array | string | number)[]): Buffer {
  const payload = Buffer.concat(parts.map(bytesOf));
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(payload.length + 4, 1);
  return Buffer.concat([head, payload]);
}

/** A text gets its NUL; a number is an int16. */
function bytesOf(part: Uint8Array | string | number): Uint8Array {
  if (typeof part === 'string') return Buffer.from(`${part}\0`);
  if (typeof part !== 'number') return part;
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(part);
  return bytes;
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export const query = (sql: string): Buffer => message('Q', sql);
export const parse = (name: string, sql: string, ...types: number[]): Buffer => message('P', name, sql, types.length, ...types.map(int32));
export const describe = (kind: 'S' | 'P', name: string): Buffer => message('D', Buffer.from(kind), name);
export const close = (kind: 'S' | 'P', name: string): Buffer => message('C', Buffer.from(kind), name);
export const execute = (portal: string, rows = 0): Buffer => message('E', portal, int32(rows));
export const sync = message('S');
export const flush = message('H');

export function bind(
  portal: string,
  statement: string,
  values: readonly (string | Buffer | null)[] = [],
  formats: { parameters?: readonly number[]; results?: readonly number[] } = {},
): Buffer {
  const parameters = formats.parameters ?? [];
  const results = formats.results ?? [];
  const encoded = values.flatMap((value) => (value === null ? [int32(-1)] : [int32(Buffer.byteLength(value)), Buffer.from(value)]));
  return message('B', portal, statement, parameters.length, ...parameters, values.length, ...encoded, results.length, ...results);
}

export class RawClient {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  /** every byte received, when recording */
  raw: Buffer[] | null = null;
  closed = false;
  /** from BackendKeyData */
  key: Buffer = Buffer.alloc(8);
  #address: { host: string; port: number } | null = null;
  #tail = Buffer.alloc(0);
  #wake: (() => void) | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.raw?.push(chunk);
      this.#tail = Buffer.concat([this.#tail, chunk]);
      while (this.#tail.length >= 5 && this.#tail.length > this.#tail.readInt32BE(1)) {
        const end = 1 + this.#tail.readInt32BE(1);
        this.frames.push({ type: this.#tail.toString('latin1', 0, 1), payload: this.#tail.subarray(5, end) });
        this.#tail = this.#tail.subarray(end);
      }
      this.#wake?.();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      this.#wake?.();
    });
  }

  static async open(host: string, port: number): Promise<RawClient> {
    const socket = connect(port, host);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawClient(socket);
  }

  static async login(login: Login): Promise<RawClient> {
    const client = await RawClient.open(login.host, login.port);
    client.send(startup({ user: login.user, database: login.database, ...login.parameters }));
    await client.authenticate(login.password);
    const frames = await client.until('Z', 1);
    client.#address = login;
    client.key = frames.find(({ type }) => type === 'K')?.payload ?? client.key;
    if (frames.at(-1)?.type !== 'Z') throw new Error(`login failed: ${frames.map(show).join(' ')}`);
    return client;
  }

  send(...frames: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** Takes frames up to the `count`-th of `type`; ends early at a FATAL error or the end of the connection. */
  async until(type: string, count = 1): Promise<Frame[]> {
    for (;;) {
      let seen = 0;
      const at = this.frames.findIndex((frame) => frame.type === type && ++seen === count);
      if (at >= 0) return this.frames.splice(0, at + 1);
      if (this.closed) return this.frames.splice(0);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async ask(...frames: readonly Uint8Array[]): Promise<Frame[]> {
    this.send(...frames);
    return this.until('Z');
  }

  async authenticate(password: string): Promise<void> {
    const nonce = randomBytes(12).toString('base64');
    const bare = `n=,r=${nonce}`;
    const first = await this.until('R');
    if (first.at(-1)?.payload.readInt32BE(0) !== 10) throw new Error(`no SASL: ${first.map(show).join(' ')}`);
    this.send(message('p', 'SCRAM-SHA-256', int32(bare.length + 3), Buffer.from(`n,,${bare}`)));
    const challenge = (await this.until('R')).at(-1)?.payload.toString('utf8', 4) ?? '';
    const [r, s, i] = challenge.split(',').map((part) => part.slice(2));
    const salted = pbkdf2Sync(password, Buffer.from(s ?? '', 'base64'), Number(i), 32, 'sha256');
    const hmac = (key: Uint8Array, text: string): Buffer => createHmac('sha256', key).update(text).digest();
    const key = hmac(salted, 'Client Key');
    const withoutProof = `c=biws,r=${r ?? ''}`;
    const signature = hmac(createHash('sha256').update(key).digest(), `${bare},${challenge},${withoutProof}`);
    const proof = Buffer.from(key.map((byte, at) => byte ^ (signature[at] ?? 0)));
    this.send(message('p', Buffer.from(`${withoutProof},p=${proof.toString('base64')}`)));
  }

  end(): void {
    this.socket.end(message('X'));
  }

  /** What Ctrl-C does in psql. */
  async cancel(): Promise<void> {
    if (this.#address === null) throw new Error('not logged in');
    const other = await RawClient.open(this.#address.host, this.#address.port);
    other.send(Buffer.concat([int32(8 + this.key.length), int32(80_877_102), this.key]));
    await once(other.socket, 'close');
  }

  /** without a goodbye */
  destroy(): void {
    this.socket.destroy();
  }

  onClose(listener: () => void): void {
    this.socket.once('close', listener);
  }
}

export function startup(parameters: Readonly<Record<string, string>>, version = 196_608): Buffer {
  const payload = Buffer.concat([
    int32(version),
    ...Object.entries(parameters).flatMap(([name, value]) => [Buffer.from(`${name}\0`), Buffer.from(`${value}\0`)]),
    Buffer.from([0]),
  ]);
  return Buffer.concat([int32(payload.length + 4), payload]);
}

/** Fields of an ErrorResponse or NoticeResponse, by letter. */
export function fields(frame: Frame | undefined): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const part of (frame?.payload.toString('utf8') ?? '').split('\0')) if (part !== '') found[part.charAt(0)] = part.slice(1);
  return found;
}

/** One frame for a comparison: type and payload, exact. */
export function show(frame: Frame): string {
  return `${frame.type}:${frame.payload.toString('latin1')}`;
}

/** Text values of the DataRows. */
export function rows(frames: readonly Frame[]): (string | null)[][] {
  return frames
    .filter((frame) => frame.type === 'D')
    .map(({ payload }) => {
      const row: (string | null)[] = [];
      let at = 2;
      for (let left = payload.readInt16BE(0); left > 0; left--) {
        const length = payload.readInt32BE(at);
        at += 4;
        row.push(length < 0 ? null : payload.toString('utf8', at, at + length));
        at += Math.max(length, 0);
      }
      return row;
    });
}
