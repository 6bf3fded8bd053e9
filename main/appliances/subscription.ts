import { api, type Input, type Output, type StreamName } from '../../proxy/contract/api.ts';
import { followed } from '../../proxy/contract/server-events.ts';
import { asAppError, fail } from '../../proxy/contract/errors.ts';
import { reasonOf } from '../../proxy/lib/errors.ts';
import type { StreamListener, Unsubscribe } from '../contract/bridge.ts';
import type { ClockPort } from '../ports.ts';
import { passes } from './connection-fault.ts';
import type { ControlClient } from './control-client.ts';
import { isUnauthenticated, type KeyHolder } from './key-holder.ts';

interface Following<K extends StreamName> {
  readonly client: ControlClient;
  readonly keys: KeyHolder;
  readonly clock: ClockPort;
  readonly listener: StreamListener<K>;
  /** aborted when the service is forgotten */
  readonly ended: AbortSignal;
}

/** Tells a listener every item until it is ended. Server-sent events resume after a lost connection; JSON lines end with it. */
export function follow<K extends StreamName>(name: K, input: Input<K>, { client, keys, clock, listener, ended }: Following<K>): Unsubscribe {
  const gone = new AbortController();
  const { signal } = gone;
  const forgotten = (): void => {
    gone.abort();
    listener.fault?.(fail('ERR_NOT_FOUND', { message: 'This service is no longer known here.' }));
  };
  ended.addEventListener('abort', forgotten, { once: true, signal });
  const connect = (after: number | undefined): AsyncIterable<Output<K>> =>
    renewing(keys, (token) => {
      const opened = (): void => {
        if (!signal.aborted) listener.state?.({ state: 'open' });
      };
      return client.stream(name, input, { token, signal, after, opened });
    });
  const items = api[name].stream === 'events' ? resuming<K>(connect, { signal, clock, listener }) : connect(undefined);
  void told(items, signal, listener);
  return () => gone.abort();
}

async function told<K extends StreamName>(items: AsyncIterable<Output<K>>, signal: AbortSignal, listener: StreamListener<K>): Promise<void> {
  try {
    for await (const item of items) {
      if (signal.aborted) return;
      listener.item(item);
    }
    if (!signal.aborted) listener.end?.();
  } catch (error) {
    if (!signal.aborted) listener.fault?.(asAppError(error));
  }
}

/** One try with a new token when the old one is no longer good; that shows before the first item. */
async function* renewing<T>(keys: KeyHolder, open: (token: NonNullable<KeyHolder['token']>) => AsyncIterable<T>): AsyncGenerator<T> {
  const stream = await keys.withToken(async (token) => {
    const items = open(token)[Symbol.asyncIterator]();
    return { items, first: await items.next() };
  });
  try {
    for (let next = stream.first; next.done !== true; next = await stream.items.next()) yield next.value;
  } finally {
    await stream.items.return?.();
  }
}

/** What resumes is told apart by the id that the contract gives every event. */
async function* resuming<K extends StreamName>(
  connect: (after: number | undefined) => AsyncIterable<Output<K>>,
  { signal, clock, listener }: { signal: AbortSignal; clock: ClockPort; listener: StreamListener<K> },
): AsyncGenerator<Output<K>> {
  type Event = Output<K> & { readonly id: number };
  yield* followed<Event>({
    connect: (after) => connect(after) as AsyncIterable<Event>,
    // whoever signs in again goes on where it broke
    passes: (error) => !signal.aborted && (passes(error) || isUnauthenticated(error)),
    pause: (milliseconds) => paused(milliseconds, clock, signal),
    lost: (error) => {
      if (signal.aborted) throw asAppError(error);
      listener.state?.({ state: 'lost', why: error === null ? 'The service ended the connection.' : reasonOf(error) });
    },
  });
}

function paused(milliseconds: number, clock: ClockPort, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.after(milliseconds, end);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
  });
}
