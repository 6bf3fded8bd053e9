import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { forwarder, type Forwarder } from './mcp-forwarder.ts';

describe('the forwarder of the conformance tests', () => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  async function before(serve: (asked: IncomingMessage, answer: ServerResponse) => void): Promise<Forwarder & { readonly target: string }> {
    const server = createServer(serve).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const target = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const way = await forwarder({ target: `http://${target}/mcp`, token: 'secret' });
    closing.push(
      () => way.close(),
      async () => {
        server.closeAllConnections();
        server.close();
      },
    );
    return { ...way, target };
  }

  /** As a client whose headers are forged: fetch would not let us. */
  async function get(url: string, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
    const sent = request(url, { headers, agent: false });
    sent.end();
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    return answer;
  }

  it('adds the token; its own name becomes the target’s, a forged one reaches the target', async () => {
    const seen: (string | undefined)[][] = [];
    const way = await before(({ headers, url }, answer) => {
      seen.push([headers.host, headers.origin, headers.authorization, url]);
      answer.end();
    });
    const own = new URL(way.url).host;
    (await get(way.url, { Host: own, Origin: `http://${own}` })).resume();
    (await get(way.url, { Host: 'evil.example.com', Origin: 'http://evil.example.com' })).resume();
    expect(seen).toEqual([
      [way.target, `http://${way.target}`, 'Bearer secret', '/mcp'],
      ['evil.example.com', 'http://evil.example.com', 'Bearer secret', '/mcp'],
    ]);
  });

  it('gives each part at once, and ends the target’s side when the client goes', async () => {
    const gone = Promise.withResolvers<boolean>();
    const way = await before((_asked, answer) => {
      answer.writeHead(200, { 'Content-Type': 'text/event-stream' });
      answer.write('data: 1\n\n');
      answer.on('close', () => {
        gone.resolve(answer.writableFinished);
      });
    });
    const answer = await get(way.url, {});
    const [first] = (await once(answer, 'data')) as [Buffer];
    expect(first.toString()).toBe('data: 1\n\n');
    answer.destroy();
    expect(await gone.promise).toBe(false);
  });
});
