import { createServer, type ServerResponse, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fail } from '../../contract/errors.ts';
import { readAll } from './read-all.ts';
import { Upstreams, type Upstream, type UpstreamReply } from './upstream.ts';

const calm = new AbortController().signal;
const answers: Readonly<Record<string, (response: ServerResponse) => void>> = {
  '/short': (response) => response.setHeader('X-Two', ['a', 'b']).end('short'),
  '/slow': (response) => {
    response.write('first ');
    setTimeout(() => response.end('second'), 50);
  },
  '/long': (response) => response.end('x'.repeat(3_000_000)),
  '/cut': (response) => {
    response.writeHead(200, { 'content-length': '100' }).write('half');
    setTimeout(() => response.destroy(), 20);
  },
  '/early': (response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' });
    response.end('late');
  },
};
const seen: string[] = [];
let server: Server;
let upstreams: Upstreams;
let upstream: Upstream;

beforeAll(async () => {
  // others are never answered
  server = createServer((request, response) => {
    seen.push(request.url ?? '');
    answers[request.url ?? '']?.(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  upstreams = new Upstreams({ connections: 1 });
  upstream = upstreams.for({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, allowLocal: true });
});

afterAll(async () => {
  await upstreams.close();
  server.closeAllConnections();
  server.close();
});

function get(path: string, signal = calm, more: { headersTimeoutMs?: number } = {}): Promise<UpstreamReply> {
  return upstream.request({ method: 'GET', path, headers: ['accept', '*/*'], body: null, signal, ...more });
}

const text = async ({ body }: UpstreamReply): Promise<string> => (await readAll(body, 10_000_000, calm)).toString();

describe('a request to a target', () => {
  it('gives status, headers in lower case and order, and the body, whole or as it comes', async () => {
    const reply = await get('/short');
    expect([reply.status, reply.headers.filter(([name]) => name === 'x-two')]).toEqual([
      200,
      [
        ['x-two', 'a'],
        ['x-two', 'b'],
      ],
    ]);
    expect(await text(reply)).toBe('short');
    expect(await text(await get('/slow'))).toBe('first second');
    expect((await text(await get('/long'))).length).toBe(3_000_000);
  });

  it('leaves out what is said before the answer', async () => {
    const reply = await get('/early');
    expect([reply.status, await text(reply)]).toEqual([200, 'late']);
  });

  it('whose answer is cut off gives none', async () => {
    const reply = await get('/cut');
    await expect(text(reply)).rejects.toThrow();
  });

  it('ends with the reason when nobody wants it any more: before, while it waits for a connection, and for an answer', async () => {
    const reason = fail('ERR_SESSION_ENDED');
    await expect(get('/never-sent', AbortSignal.abort(reason))).rejects.toBe(reason);
    const [first, second] = [new AbortController(), new AbortController()];
    const answered = get('/unanswered', first.signal);
    const waiting = get('/never-sent', second.signal);
    await sleep(50);
    second.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    first.abort(reason);
    await expect(answered).rejects.toBe(reason);
    expect(await text(await get('/short'))).toBe('short');
    expect([seen.includes('/unanswered'), seen.includes('/never-sent')]).toEqual([true, false]);
  });

  it('whose answer nobody wants any more stops in the middle of it', async () => {
    const gone = new AbortController();
    const { body } = await get('/slow', gone.signal);
    gone.abort(fail('ERR_SESSION_ENDED'));
    await expect(readAll(body, 100, calm)).rejects.toMatchObject({ code: 'ERR_TARGET_UNREACHABLE' });
    expect(body.destroyed).toBe(true);
  });

  it('fails in our words: no answer in time, no protocol, no server', async () => {
    await expect(get('/unanswered', calm, { headersTimeoutMs: 1_000 })).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
    await expect(get('no path')).rejects.toMatchObject({ code: 'ERR_TARGET_UNREACHABLE' });
    const nobody = upstreams.for({ url: 'http://127.0.0.1:1', allowLocal: true });
    await expect(nobody.request({ method: 'GET', path: '/', headers: [], body: null, signal: calm })).rejects.toMatchObject({ code: 'ERR_TARGET_UNREACHABLE' });
  });
});
