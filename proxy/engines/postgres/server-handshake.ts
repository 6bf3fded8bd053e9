import { fail } from '../../contract/errors.ts';
import type { Caller } from '../../contract/principal.ts';
import type { Gate } from '../../pipeline/engine.ts';
import { over, type Connection } from '../../wire/connection.ts';
import { acceptTls } from '../../wire/tls.ts';
import { Cursor, headerBytes } from './frames.ts';
import { authentication, authenticationRequest, frontend, int32, negotiateProtocol, report, versions } from './messages.ts';
import { mechanism, ScramServer } from './scram.ts';
import { acceptParameters, type Accepted } from './server-parameters.ts';
import { parseFirstPacket, reject, type FirstPacket, type Rejection } from './server-startup.ts';

export const alpn = 'postgresql';
const tlsHandshakeByte = 0x16;
const clientBufferBytes = 16_384;

/** A client that has said what it wants; TLS is up if it asked for it. */
export interface Greeted {
  readonly connection: Connection;
  readonly wants: Accepted;
}

/** Null: nothing more to do (cancel request, refused client). The caller destroys the socket and keeps the deadline. */
export async function greet(first: Connection, gate: Gate): Promise<Greeted | null> {
  let connection = first;
  const seen = { tls: false, gss: false };
  for (;;) {
    const head = await connection.reader.bytes(1);
    const direct = head[0] === tlsHandshakeByte && connection === first ? gate.tls : null;
    if (direct !== null) {
      connection = await startDirectTls(connection, direct, head);
      seen.tls = true;
      continue;
    }
    const packet = await readPacket(connection, head, gate);
    switch (packet.kind) {
      case 'tls':
      case 'gss':
        // each at most once, or a client could go on for ever
        if (seen[packet.kind]) return turnAway(connection, reject('08P01', 'unexpected encryption request'));
        seen[packet.kind] = true;
        if (packet.kind === 'tls') connection = await answerTls(connection, gate.tls);
        else connection.socket.write('N');
        break;
      case 'cancel':
        gate.cancel(packet.key);
        connection.socket.end();
        return null;
      case 'startup':
        return begin(connection, packet);
      case 'rejected':
        return turnAway(connection, packet);
    }
  }
}

async function readPacket(connection: Connection, head: Buffer, gate: Gate): Promise<FirstPacket> {
  const rest = await connection.reader.bytes(3);
  const length = Buffer.concat([head, rest]).readInt32BE(0);
  if (length < 8 || length > gate.limits.maxHandshakeBytes) return reject('08P01', 'invalid length of startup packet');
  return parseFirstPacket(await connection.reader.bytes(length - 4));
}

async function startDirectTls(connection: Connection, tls: NonNullable<Gate['tls']>, head: Buffer): Promise<Connection> {
  const waiting = Buffer.concat([head, connection.reader.takeAll()]);
  const secure = await acceptTls(connection.socket, tls, [alpn], waiting);
  // direct TLS without ALPN is open to cross-protocol attacks; PostgreSQL requires it, too
  if (secure.alpnProtocol !== alpn) throw fail('ERR_PROTOCOL_VIOLATION', { message: 'Direct TLS needs ALPN.' });
  return over(secure, clientBufferBytes, connection.reader.limit);
}

async function answerTls(connection: Connection, tls: Gate['tls']): Promise<Connection> {
  if (tls === null) {
    connection.socket.write('N');
    return connection;
  }
  // bytes sent before TLS must never count as sent inside it (CVE-2021-3935)
  if (connection.reader.unread > 0) throw fail('ERR_PROTOCOL_VIOLATION', { message: 'Unencrypted data after the TLS request.' });
  connection.socket.write('S');
  return over(await acceptTls(connection.socket, tls, [alpn]), clientBufferBytes, connection.reader.limit);
}

function begin(connection: Connection, packet: FirstPacket & { kind: 'startup' }): Greeted | null {
  const accepted = acceptParameters(packet.parameters);
  if (accepted.kind === 'rejected') return turnAway(connection, accepted);
  if (packet.version > versions.newest || packet.options.length > 0) {
    connection.socket.write(negotiateProtocol(Math.min(packet.version, versions.newest), packet.options));
  }
  return { connection, wants: accepted };
}

function turnAway(connection: Connection, rejection: Rejection): null {
  connection.socket.end(report({ severity: 'FATAL', ...rejection }));
  return null;
}

/** Proves who is calling, SCRAM-SHA-256. Null: refused, and the client knows. */
export async function authenticate(connection: Connection, user: string, gate: Gate): Promise<Caller | null> {
  const { socket } = connection;
  const server = new ScramServer(gate.identify, user);
  socket.write(authenticationRequest(authentication.sasl, Buffer.from(`${mechanism}\0\0`)));
  const initial = await readPassword(connection, gate);
  const cursor = new Cursor(initial, headerBytes, initial.length, 'SASLInitialResponse');
  if (cursor.cstring().toString('latin1') !== mechanism) throw fail('ERR_PROTOCOL_VIOLATION', { message: 'Only SCRAM-SHA-256 is offered.' });
  const clientFirst = cursor.bytes(cursor.int32()).toString('utf8');
  cursor.done();
  socket.write(authenticationRequest(authentication.saslContinue, Buffer.from(server.challenge(clientFirst))));
  const final = await readPassword(connection, gate);
  const verified = await server.verify(final.subarray(headerBytes).toString('utf8'));
  if (verified === null) {
    socket.end(report({ severity: 'FATAL', sqlstate: '28P01', message: `password authentication failed for user "${user}"` }));
    return null;
  }
  socket.write(Buffer.concat([authenticationRequest(authentication.saslFinal, Buffer.from(verified.final)), authenticationRequest(authentication.ok)]));
  return verified.caller;
}

async function readPassword(connection: Connection, gate: Gate): Promise<Buffer> {
  const header = await connection.reader.bytes(headerBytes);
  const length = header.readInt32BE(1);
  if (header[0] !== frontend.password || length < 4 || length > gate.limits.maxHandshakeBytes) {
    throw fail('ERR_PROTOCOL_VIOLATION', { message: 'Expected a SASL response.' });
  }
  return Buffer.concat([header, await connection.reader.bytes(length - 4)]);
}

/** BackendKeyData of ours: the client's cancel requests come to us. */
export function backendKey(key: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('K'), int32(4 + key.length), key]);
}
