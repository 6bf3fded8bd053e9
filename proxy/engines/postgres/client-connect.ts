import { isIP } from 'node:net';
import { fail } from '../../contract/errors.ts';
import type { PostgresResource } from '../../contract/resource.ts';
import type { Credential } from '../../pipeline/engine.ts';
import { dial, over, type Connection } from '../../wire/connection.ts';
import { startTls } from '../../wire/tls.ts';
import { answerAuthentication } from './client-auth.ts';
import { targetRefused } from './client-refusal.ts';
import { headerBytes, parseParameterStatus } from './frames.ts';
import { backend, cancelRequest, frontend, frame, idle, startup, tlsRequest } from './messages.ts';
import type { ScramKeys } from './scram.ts';

/** What a connection to a target needs. Structs all the way: nothing is put together as text. */
export interface TargetOptions {
  readonly resource: Pick<PostgresResource, 'host' | 'port' | 'tls'>;
  readonly database: string;
  readonly credential: Credential;
  /** further startup parameters, by name */
  readonly parameters: ReadonlyMap<string, string>;
  readonly scramKeys: ScramKeys;
  readonly maxMessageBytes: number;
  readonly deadlineMs: number;
}

/** A target that is ready for queries. */
export interface Target {
  readonly connection: Connection;
  /** BackendKeyData: process id and secret; empty when the target gave none */
  readonly key: Buffer;
  readonly parameters: ReadonlyMap<string, string>;
  /** raw NoticeResponse frames sent before it was ready */
  readonly notices: readonly Buffer[];
}

const bufferBytes = 65_536;
/** far above what a server says before it is ready; a hostile one must not keep us here */
const maxGreetingFrames = 512;
const maxHandshakeFrame = 65_536;

/** Rejects with ERR_TARGET_UNREACHABLE; the target's own words stay in the private detail. */
export async function connectTarget(options: TargetOptions): Promise<Target> {
  const abort = new AbortController();
  const timer = setTimeout(() => {
    abort.abort();
  }, options.deadlineMs);
  let connection: Connection | null = null;
  try {
    connection = await openConnection(options.resource, abort.signal);
    return await handshake(connection, options);
  } catch (error) {
    connection?.socket.destroy();
    abort.abort();
    throw unreachable(error);
  } finally {
    clearTimeout(timer);
  }
}

function unreachable(error: unknown): Error {
  if (error instanceof Error && 'code' in error && error.code === 'ERR_TARGET_UNREACHABLE') return error;
  return fail('ERR_TARGET_UNREACHABLE', { detail: error instanceof Error ? error.message : String(error), cause: error });
}

/** TCP, then TLS verify-full where the resource says so. */
export async function openConnection(resource: Pick<PostgresResource, 'host' | 'port' | 'tls'>, signal: AbortSignal): Promise<Connection> {
  const plain = await dial(resource, { size: bufferBytes, limit: maxHandshakeFrame }, signal);
  const { tls } = resource;
  if (tls.mode === 'disable') return plain;
  try {
    plain.socket.write(tlsRequest);
    const answer = await plain.reader.bytes(1);
    if (answer[0] !== 0x53) throw fail('ERR_TARGET_UNREACHABLE', { detail: 'the target offers no TLS' });
    // what came before TLS is nobody's (CVE-2021-23222)
    if (plain.reader.unread > 0) throw fail('ERR_TARGET_UNREACHABLE', { detail: 'unencrypted bytes after the answer to the TLS request' });
    const secure = await startTls(plain.socket, { host: resource.host, serverName: tls.serverName, ca: tls.ca, alpn: 'postgresql' });
    return over(secure, bufferBytes, maxHandshakeFrame);
  } catch (error) {
    plain.socket.destroy();
    throw error;
  }
}

async function handshake(connection: Connection, options: TargetOptions): Promise<Target> {
  const { credential, database, resource } = options;
  const parameters = new Map([...options.parameters, ['user', credential.account], ['database', database]]);
  for (const value of parameters.values()) if (value.includes('\0')) throw fail('ERR_INVALID_INPUT', { message: 'A NUL in a startup parameter.' });
  connection.socket.write(startup(parameters));
  const mayClear = resource.tls.mode !== 'disable' || isLoopback(resource.host);
  await answerAuthentication({
    credential,
    scramKeys: options.scramKeys,
    mayClear,
    read: () => readFrame(connection),
    write: (data) => connection.socket.write(frame(frontend.password, data)),
  });
  return greeting(connection);
}

/** A password in clear may only go where nobody can listen. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

async function greeting(connection: Connection): Promise<Target> {
  const parameters = new Map<string, string>();
  const notices: Buffer[] = [];
  let key = Buffer.alloc(0);
  for (let count = 0; count < maxGreetingFrames; count++) {
    const bytes = await readFrame(connection);
    switch (bytes[0]) {
      case backend.parameterStatus: {
        const { name, value } = parseParameterStatus(bytes, 0, bytes.length);
        parameters.set(name, value);
        break;
      }
      case backend.backendKey:
        key = Buffer.from(bytes.subarray(headerBytes));
        break;
      case backend.notice:
        notices.push(bytes);
        break;
      case backend.ready:
        if (bytes[headerBytes] !== idle) throw fail('ERR_TARGET_UNREACHABLE', { detail: 'the target begins inside a transaction' });
        return { connection, key, parameters, notices };
      case backend.error:
        throw targetRefused(bytes);
      default:
        throw fail('ERR_TARGET_UNREACHABLE', { detail: `unexpected message type ${String(bytes[0])} before the target was ready` });
    }
  }
  throw fail('ERR_TARGET_UNREACHABLE', { detail: 'the target never became ready' });
}

/** One whole frame, copied; an ErrorResponse is a frame like any other. */
export async function readFrame(connection: Connection, max = maxHandshakeFrame): Promise<Buffer> {
  const header = await connection.reader.bytes(headerBytes);
  const length = header.readInt32BE(1);
  if (length < 4 || length > max) throw fail('ERR_TARGET_UNREACHABLE', { detail: `a message of ${String(length)} bytes from the target` });
  return Buffer.concat([header, await connection.reader.bytes(length - 4)]);
}

const cancelDeadlineMs = 5000;

/** Asks the target to stop what it runs; it never answers, and nobody waits for it. */
export async function cancelAtTarget(resource: Pick<PostgresResource, 'host' | 'port' | 'tls'>, key: Buffer): Promise<void> {
  if (key.length === 0) return;
  const abort = new AbortController();
  const timer = setTimeout(() => {
    abort.abort();
  }, cancelDeadlineMs);
  try {
    const { socket, reader } = await openConnection(resource, abort.signal);
    socket.end(cancelRequest(key));
    // the target closes when it has sent the signal
    await reader.bytes(1).catch(() => undefined);
    socket.destroy();
  } catch {
    // the target is gone or busy: nothing is left to cancel, or the caller tries again
  } finally {
    clearTimeout(timer);
  }
}
