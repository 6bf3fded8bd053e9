import { asAppError, fail } from '../../contract/errors.ts';
import type { TargetAccess } from '../../wire/web/target-access.ts';
import type { UpstreamReply } from '../../wire/web/upstream.ts';
import { Channel } from './channel.ts';
import { discard, quiet } from './discard.ts';
import { maxMessageBytes } from './envelope.ts';
import { EventReader } from './server-events.ts';
import type { McpUpstream } from './upstream.ts';

const openDeadlineMs = 15_000;
const sendDeadlineMs = 30_000;

/** HTTP+SSE of 2024-11-05 towards a server: one stream down, requests up, one session for each of the caller's. */
export async function openSse(access: TargetAccess, version: number): Promise<McpUpstream> {
  const stop = new AbortController();
  const { upstream, headers } = await access.use();
  const reply = await upstream.request({
    method: 'GET',
    path: upstream.base === '' ? '/' : upstream.base,
    headers: ['accept', 'text/event-stream', 'accept-encoding', 'identity', 'user-agent', 'postern', ...headers],
    body: null,
    signal: stop.signal,
    headersTimeoutMs: openDeadlineMs,
  });
  quiet(reply.body);
  checkStream(access, reply);
  const endpoint = Promise.withResolvers<string>();
  const late = setTimeout(() => {
    endpoint.reject(fail('ERR_TIMEOUT', { message: 'The server did not say where to send messages.' }));
  }, openDeadlineMs);
  const channel = new Channel(
    {
      send: async (message) => post(access, await endpoint.promise, message),
      stop: () => {
        stop.abort(fail('ERR_SESSION_ENDED'));
        reply.body.destroy();
        return Promise.resolve();
      },
    },
    version,
  );
  void follow(reply, channel, (path) => {
    endpoint.resolve(sameOrigin(path, upstream.origin, upstream.base));
  }).catch((error: unknown) => {
    endpoint.reject(asAppError(error));
    channel.ended(asAppError(error));
    reply.body.destroy();
  });
  try {
    await endpoint.promise;
  } catch (error) {
    await channel.close('it did not open');
    throw error;
  } finally {
    clearTimeout(late);
  }
  return channel;
}

function checkStream(access: TargetAccess, { status, headers, body }: UpstreamReply): void {
  const type = headers.find(([name]) => name === 'content-type')?.[1] ?? '';
  const coding = headers.find(([name]) => name === 'content-encoding')?.[1] ?? 'identity';
  if (status === 200 && type.startsWith('text/event-stream') && coding === 'identity') return;
  body.destroy();
  if (status === 401 || status === 403) access.refused();
  throw fail('ERR_TARGET_UNREACHABLE', { message: `The server answered with status ${status} and no stream of events.` });
}

async function follow({ body }: UpstreamReply, channel: Channel, found: (path: string) => void): Promise<void> {
  const reader = new EventReader(maxMessageBytes);
  let hasEndpoint = false;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    for (const { event, data } of reader.push(chunk)) {
      if (event === 'endpoint' && !hasEndpoint) {
        hasEndpoint = true;
        found(Buffer.from(data).toString());
      } else if ((event === '' || event === 'message') && data.length > 0) {
        const taken = channel.receive(data);
        if (taken !== true) await taken;
      }
    }
  }
  throw fail('ERR_TARGET_UNREACHABLE', { message: 'The server closed its stream.' });
}

/** The credential goes to the server that was registered and to no other. Throws ERR_TARGET_UNREACHABLE. */
function sameOrigin(path: string, origin: string, base: string): string {
  const url = URL.parse(path, `${origin}${base}`);
  if (url?.origin !== origin) throw fail('ERR_TARGET_UNREACHABLE', { message: 'The server wants its messages sent to another host.' });
  return `${url.pathname}${url.search}`;
}

async function post(access: TargetAccess, path: string, message: Uint8Array): Promise<void> {
  const { upstream, headers } = await access.use();
  const { status, body } = await upstream.request({
    method: 'POST',
    path,
    headers: ['content-type', 'application/json', 'accept-encoding', 'identity', 'user-agent', 'postern', ...headers],
    body: message,
    signal: AbortSignal.timeout(sendDeadlineMs),
  });
  discard(body);
  if (status < 300) return;
  if (status === 401 || status === 403) access.refused();
  throw fail('ERR_TARGET_UNREACHABLE', { message: `The server refused a message with status ${status}.` });
}
