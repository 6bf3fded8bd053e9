import { createHash } from 'node:crypto';
import { fail } from '../../contract/errors.ts';
import type { Credential } from '../../pipeline/engine.ts';
import { targetRefused } from './client-refusal.ts';
import { Cursor, headerBytes } from './frames.ts';
import { authentication, backend, cstring, int32 } from './messages.ts';
import { mechanism, ScramClient, type ScramKeys } from './scram.ts';

export interface AuthenticationPeer {
  readonly credential: Credential;
  readonly scramKeys: ScramKeys;
  /** the way to the target cannot be listened to */
  readonly mayClear: boolean;
  read(): Promise<Buffer>;
  write(data: Uint8Array): void;
}

/** Answers the target until AuthenticationOk. Every other method (Kerberos, SSPI, …) is refused. */
export async function answerAuthentication(peer: AuthenticationPeer): Promise<void> {
  const request = await readRequest(peer);
  switch (request.kind) {
    case authentication.ok:
      return;
    case authentication.cleartext:
      if (!peer.mayClear) throw fail('ERR_TARGET_UNREACHABLE', { detail: 'the target asks for the password in clear without TLS' });
      peer.write(cstring(peer.credential.password.reveal()));
      break;
    case authentication.md5:
      peer.write(cstring(md5(peer.credential, request.data)));
      break;
    case authentication.sasl:
      await answerSasl(peer, request.data);
      break;
    default:
      throw fail('ERR_TARGET_UNREACHABLE', { detail: `the target asks for authentication method ${String(request.kind)}` });
  }
  expect(await readRequest(peer), authentication.ok);
}

interface Request {
  readonly kind: number;
  readonly data: Buffer;
}

async function readRequest(peer: AuthenticationPeer): Promise<Request> {
  const bytes = await peer.read();
  if (bytes[0] === backend.error) throw targetRefused(bytes);
  if (bytes[0] === backend.notice) return readRequest(peer);
  if (bytes[0] !== backend.authentication || bytes.length < headerBytes + 4) {
    throw fail('ERR_TARGET_UNREACHABLE', { detail: `message type ${String(bytes[0])} instead of an authentication request` });
  }
  return { kind: bytes.readInt32BE(headerBytes), data: bytes.subarray(headerBytes + 4) };
}

function expect(request: Request, kind: number): Buffer {
  if (request.kind !== kind) throw fail('ERR_TARGET_UNREACHABLE', { detail: `authentication step ${String(request.kind)} instead of ${String(kind)}` });
  return request.data;
}

async function answerSasl(peer: AuthenticationPeer, offered: Buffer): Promise<void> {
  const cursor = new Cursor(offered, 0, offered.length, 'AuthenticationSASL');
  const mechanisms: string[] = [];
  for (let name = cursor.cstring(); name.length > 0; name = cursor.cstring()) mechanisms.push(name.toString('latin1'));
  if (!mechanisms.includes(mechanism)) throw fail('ERR_TARGET_UNREACHABLE', { detail: 'the target does not offer SCRAM-SHA-256' });
  const scram = new ScramClient(peer.credential.password, peer.scramKeys);
  const first = Buffer.from(scram.first());
  peer.write(Buffer.concat([cstring(mechanism), int32(first.length), first]));
  const challenge = expect(await readRequest(peer), authentication.saslContinue);
  peer.write(Buffer.from(await scram.respond(challenge.toString('utf8'))));
  // AuthenticationOk without the target's own proof would be somebody else's
  scram.finish(expect(await readRequest(peer), authentication.saslFinal).toString('utf8'));
}

/** `md5` + md5(md5(password + account) + salt); the salt has 4 bytes */
function md5(credential: Credential, salt: Buffer): string {
  if (salt.length !== 4) throw fail('ERR_TARGET_UNREACHABLE', { detail: 'an md5 salt of the wrong length' });
  const inner = createHash('md5').update(`${credential.password.reveal()}${credential.account}`, 'utf8').digest('hex');
  return `md5${createHash('md5').update(inner, 'latin1').update(salt).digest('hex')}`;
}
