import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asAppError } from '../../contract/errors.ts';
import { BodyRoom } from './body-room.ts';
import { readBody } from './request-body.ts';

const room = new BodyRoom({ total: 1_000, perOwner: 1_000 });
let server: Server;

/** Answers with what it read, or with the code of what it refused; `/late`: a while after the head came. */
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const share = room.share('somebody');
  try {
    if (request.url === '/late') await sleep(30);
    const bytes = await readBody(request, response, { maxBytes: 10, deadlineMs: 200, signal: new AbortController().signal, room: share });
    response.end(`${room.taken}:${bytes.toString()}`);
  } catch (error) {
    response.end(asAppError(error).code);
  } finally {
    share.release();
  }
}

beforeAll(async () => {
  server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** The answers to bytes that are sent one after the other. */
async function sent(...pieces: string[]): Promise<string> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  for (const piece of pieces) {
    socket.write(piece);
    await sleep(60);
  }
  await sleep(200);
  socket.destroy();
  return text.split('\r\n').at(-1) ?? '';
}

const head = (path: string, more: string): string => `POST ${path} HTTP/1.1\r\nhost: a\r\n${more}\r\n\r\n`;

describe.each(['/', '/late'])('a body of a caller, read at %s', (path) => {
  it.each([
    { name: 'with its head', pieces: [`${head(path, 'content-length: 5')}hello`], read: '5:hello' },
    { name: 'behind its head', pieces: [head(path, 'content-length: 5'), 'hel', 'lo'], read: '5:hello' },
    { name: 'in chunks', pieces: [`${head(path, 'transfer-encoding: chunked')}2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n`], read: '5:hello' },
    { name: 'of no bytes', pieces: [head(path, 'content-length: 0')], read: '0:' },
    { name: 'that nobody announced', pieces: [head(path, 'x-a: b')], read: '0:' },
    { name: 'that is too long', pieces: [`${head(path, 'content-length: 11')}hello hello`], read: 'ERR_STATEMENT_TOO_LARGE' },
    {
      name: 'that is too long, in chunks',
      pieces: [`${head(path, 'transfer-encoding: chunked')}b\r\nhello hello\r\n0\r\n\r\n`],
      read: 'ERR_STATEMENT_TOO_LARGE',
    },
    { name: 'that does not come', pieces: [`${head(path, 'content-length: 5')}he`], read: 'ERR_TIMEOUT' },
    { name: 'that is compressed', pieces: [`${head(path, 'content-encoding: gzip\r\ncontent-length: 5')}hello`], read: 'ERR_BODY_REFUSED' },
  ])('$name: $read', async ({ pieces, read }) => {
    expect(await sent(...pieces)).toBe(read);
    expect(room.taken).toBe(0);
  });
});
