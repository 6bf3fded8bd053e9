import { createHash, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { asAppError, fail } from '../../contract/errors.ts';
import type { DocumentMasker, Permit, Sink } from '../../pipeline/engine.ts';
import { flat, headerPairs, single, type HeaderList } from '../../wire/web/header-rules.ts';
import { CallOperation, forwardedOf } from './call.ts';
import { admitted, understood } from './exchange.ts';
import type { Served } from './index.ts';
import { note } from './reply.ts';
import { headerRecord } from './reply-headers.ts';
import { noBody } from './request-body.ts';
import { webSocketFrame, WebSocketReader, type WebSocketMessage } from './websocket-frames.ts';

const magic = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const protocolHeader = 'sec-websocket-protocol';
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}(?:\s*,\s*[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}){0,15}$/;
const handshakeMs = 15_000;
const closeGraceMs = 1_000;
const normalClosure = 1000;
const protocolError = 1002;
const policyViolation = 1008;

/** What goes to the client: each release is one message, since its record was durable before any of them. */
class MessageSink implements Sink {
  readonly kinds: ('text' | 'binary')[] = [];
  socket: Duplex | null = null;

  write(bytes: Uint8Array): true | Promise<void> {
    const kind = this.kinds.shift() ?? 'binary';
    return this.send(kind, kind === 'text' ? Buffer.from(textOf(bytes)) : bytes);
  }

  send(opcode: WebSocketMessage['opcode'], payload: Uint8Array): true | Promise<void> {
    return this.socket === null ? true : written(this.socket, webSocketFrame(opcode, payload, false));
  }
}

interface Pair {
  readonly served: Served;
  readonly permit: Permit;
  readonly sink: MessageSink;
  readonly client: Duplex;
  readonly target: Duplex;
}

/** RFC 6455, message by message: what a caller sends is recorded masked, what the target sends is masked. No extensions. */
export async function serveUpgrade(served: Served, { socket, head }: { socket: Duplex; head: Buffer }): Promise<void> {
  const { exchange } = served;
  const all = headerPairs(exchange.request.rawHeaders);
  const key = single(all, 'sec-websocket-key') ?? '';
  if (exchange.request.method !== 'GET' || single(all, 'sec-websocket-version') !== '13' || !/^[A-Za-z0-9+/]{22}==$/.test(key)) {
    throw fail('ERR_PROTOCOL_VIOLATION', { message: 'The WebSocket handshake is not that of RFC 6455.' });
  }
  const sink = new MessageSink();
  const parts = understood(served, head.subarray(0, 0));
  const headers = [...parts.headers, ...subprotocols(all)];
  const operation = new CallOperation({ ...parts, headers, body: noBody, upgrade: true, returns: true, sink });
  const permit = await admitted(served, operation);
  if (permit === null) return;
  try {
    const target = await connected(served, permit);
    accept(served, { socket, key, protocol: target.protocol });
    if (head.length > 0) socket.unshift(head);
    sink.socket = socket;
    await relayed({ served, permit, sink, client: socket, target: target.socket });
    permit.settle({ status: 'success', rows: 0 });
  } catch (error) {
    permit.settle({ status: 'failure', rows: 0, error: asAppError(error).message });
    if (sink.socket === null) throw error;
  }
}

function subprotocols(all: HeaderList): HeaderList {
  const wanted = single(all, protocolHeader);
  return wanted !== null && token.test(wanted) ? [[protocolHeader, wanted]] : [];
}

async function connected({ access, exchange, session }: Served, permit: Permit): Promise<{ socket: Duplex; protocol: string | null }> {
  if (permit.forwardable !== true) await permit.forwardable;
  const { upstream, headers } = await access.use();
  const call = forwardedOf(permit.spend());
  await note(permit, { dir: 'request', method: call.method, path: call.path, headers: headerRecord(call.headers), bytes: 0 });
  const key = randomBytes(16).toString('base64');
  const started = performance.now();
  const path = `${upstream.base}${call.path}`;
  const reply = await upstream.upgrade({
    method: call.method,
    path: path.startsWith('/') ? path : `/${path}`,
    headers: [...flat(call.headers), 'x-request-id', permit.operation, 'sec-websocket-version', '13', 'sec-websocket-key', key, ...headers],
    signal: AbortSignal.any([exchange.gone, session.ended, AbortSignal.timeout(handshakeMs)]),
  });
  const { socket } = reply;
  const chosen = single(reply.headers, protocolHeader);
  const offered = single(call.headers, protocolHeader)?.split(/\s*,\s*/) ?? [];
  const isAgreed = single(reply.headers, 'sec-websocket-accept') === acceptOf(key) && single(reply.headers, 'sec-websocket-extensions') === null;
  if (!isAgreed || (chosen !== null && !offered.includes(chosen))) {
    socket.destroy();
    throw fail('ERR_TARGET_UNREACHABLE', { message: 'The target broke the WebSocket handshake.' });
  }
  await note(permit, { dir: 'response', status: 101, headers: {}, millis: Math.round(performance.now() - started) });
  return { socket, protocol: chosen };
}

/** From here on the connection carries messages, and no answer of HTTP any more. */
function accept({ exchange: { response } }: Served, { socket, key, protocol }: { socket: Duplex; key: string; protocol: string | null }): void {
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Node types it as any stream, and gives a socket
  response.detachSocket(socket as Socket);
  const lines = ['HTTP/1.1 101 Switching Protocols', 'upgrade: websocket', 'connection: Upgrade', `sec-websocket-accept: ${acceptOf(key)}`];
  if (protocol !== null) lines.push(`${protocolHeader}: ${protocol}`);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
}

async function relayed(pair: Pair): Promise<void> {
  const { client, target, served, sink } = pair;
  const { ended } = served.session;
  const end = (): void => {
    target.destroy();
    client.end();
    setTimeout(() => client.destroy(), closeGraceMs).unref();
  };
  const kill = (): void => {
    void sink.send('close', closePayload(policyViolation));
    end();
  };
  client.on('error', end);
  target.on('error', end);
  ended.addEventListener('abort', kill, { once: true });
  try {
    if (ended.aborted) throw ended.reason;
    await Promise.race([fromClient(pair), fromTarget(pair)]);
  } catch (error) {
    void sink.send('close', closePayload(protocolError));
    throw ended.aborted ? ended.reason : error;
  } finally {
    ended.removeEventListener('abort', kill);
    end();
  }
}

async function fromClient({ served, permit, sink, client, target }: Pair): Promise<void> {
  const { maxBytes } = served.resource.bodies;
  const reader = new WebSocketReader(true, maxBytes);
  for await (const chunk of piecesOf(client)) {
    for (const { opcode, payload } of reader.push(chunk)) {
      // who pings and does not read waits
      if (opcode === 'ping') await sink.send('pong', payload);
      if (opcode === 'ping' || opcode === 'pong') continue;
      if (opcode === 'close') {
        await written(target, webSocketFrame('close', closePayload(codeOf(payload)), true));
        return;
      }
      checkBinary(served, opcode);
      await note(permit, { dir: 'message', by: 'client', text: opcode === 'text' ? payload.toString('utf8') : null, bytes: payload.length });
      await written(target, webSocketFrame(opcode, payload, true));
    }
  }
}

async function fromTarget({ served, permit, sink, target }: Pair): Promise<void> {
  const reader = new WebSocketReader(false, served.resource.bodies.maxBytes);
  const texts = permit.document({ kind: 'json', media: 'drop' });
  for await (const chunk of piecesOf(target)) {
    for (const message of reader.push(chunk)) {
      const { opcode, payload } = message;
      if (opcode === 'ping') await written(target, webSocketFrame('pong', payload, true));
      if (opcode === 'ping' || opcode === 'pong') continue;
      if (opcode === 'close') {
        await sink.send('close', closePayload(codeOf(payload)));
        return;
      }
      checkBinary(served, opcode);
      await release(permit, { sink, texts }, { opcode, payload });
    }
  }
}

/** A text goes through the record of it, so that the client gets what was recorded. */
async function release(permit: Permit, { sink, texts }: { sink: MessageSink; texts: DocumentMasker }, { opcode, payload }: WebSocketMessage): Promise<void> {
  const record = { dir: 'message', by: 'target', text: payload.toString('utf8'), bytes: payload.length } as const;
  if (opcode === 'text') {
    sink.kinds.push('text');
    await permit.release(texts.push(Buffer.from(JSON.stringify(record))));
    return;
  }
  await note(permit, { ...record, text: null });
  sink.kinds.push('binary');
  await permit.release(permit.document({ kind: 'bytes', media: 'pass' }).push(payload));
}

function checkBinary({ resource }: Served, opcode: WebSocketMessage['opcode']): void {
  if (opcode === 'binary' && resource.bodies.other === 'refuse')
    throw fail('ERR_BODY_REFUSED', { message: 'Binary messages are refused: they cannot be searched.' });
}

function textOf(record: Uint8Array): string {
  const { text } = JSON.parse(Buffer.from(record).toString('utf8')) as { text?: unknown };
  return typeof text === 'string' ? text : '';
}

/** Ends of the loop do not destroy it: a last word follows. */
function piecesOf(socket: Duplex): AsyncIterable<Buffer> {
  return socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

/** `true`, or when a slow reader has caught up, or is gone. */
function written(socket: Duplex, bytes: Buffer): true | Promise<void> {
  if (!socket.writable || socket.write(bytes)) return true;
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}

/** Reasons are free text, so only the code passes. */
function codeOf(payload: Buffer): number {
  const code = payload.length >= 2 ? payload.readUInt16BE(0) : normalClosure;
  const isKnown = (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999);
  return isKnown ? code : protocolError;
}

function closePayload(code: number): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return payload;
}

/** RFC 6455 section 4.2.2. */
function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}${magic}`).digest('base64');
}
