import type { Response } from 'express';
import type { AnyRoute } from '../contract/api-route.ts';
import { asAppError, fail } from '../contract/errors.ts';
import type { ControlCaller } from './context.ts';
import { errorBody } from './error-body.ts';

export interface Open {
  readonly route: AnyRoute;
  readonly response: Response;
  readonly caller: ControlCaller | null;
  /** aborted here when the caller's token is no longer good */
  readonly gone: AbortController;
}

/** How items become text. */
interface Format {
  readonly type: string;
  readonly item: (value: unknown) => string;
  readonly fault: (body: unknown) => string;
  /** sent so often that nobody takes the connection for dead; null: never */
  readonly heartbeat: string | null;
}

const revocationCheckMs = 500;
const heartbeatMs = 15_000;
/** watchers stay for days: they must not use up what short reads need */
const maxOpen = { lines: 64, events: 256 };
/** of one caller: nobody shuts the others out */
const maxOpenPerCaller = 16;
const open = { lines: 0, events: 0 };
const openBy = new Map<string, number>();

const lines: Format = {
  type: 'application/jsonl',
  item: (value) => `${JSON.stringify(value)}\n`,
  fault: (body) => `${JSON.stringify(body)}\n`,
  heartbeat: null,
};

/** The server-sent events of the HTML standard; JSON has no line breaks of its own. */
const events: Format = {
  type: 'text/event-stream',
  item: (value) => `id: ${idOf(value)}\ndata: ${JSON.stringify(value)}\n\n`,
  fault: (body) => `event: error\ndata: ${JSON.stringify(body)}\n\n`,
  heartbeat: ': still here\n\n',
};

/** With back-pressure. A fault after the first item is told in a last one, and the answer breaks off. */
export async function stream(opened: Open, items: AsyncIterable<unknown>, log: (line: string) => void): Promise<void> {
  const { route, response, caller, gone } = opened;
  const kind = route.stream === 'events' ? 'events' : 'lines';
  const format = kind === 'events' ? events : lines;
  const leave = enter(kind, caller?.actor.subject ?? '');
  const timers = [
    setInterval(() => {
      if (caller?.revoked() !== null) gone.abort();
    }, revocationCheckMs),
    setInterval(() => {
      if (format.heartbeat !== null && !response.writableNeedDrain) response.write(format.heartbeat);
    }, heartbeatMs),
  ];
  try {
    response.status(200).set('content-type', format.type);
    response.flushHeaders();
    for await (const item of items) {
      if (gone.signal.aborted) break;
      if (!response.write(format.item(route.output.parse(item)))) await drained(response, gone.signal);
    }
    if (caller?.revoked() === null) response.end();
    else response.destroy();
  } catch (error) {
    response.write(format.fault(told(error, log)), () => response.destroy());
  } finally {
    for (const timer of timers) clearInterval(timer);
    leave();
  }
}

function told(error: unknown, log: (line: string) => void): unknown {
  const fault = asAppError(error);
  if (fault.detail !== undefined) log(`${fault.code}: ${fault.detail}`);
  return errorBody(fault);
}

/** Throws ERR_TOO_MANY_CONNECTIONS; gives what to call at the end. */
function enter(kind: keyof typeof open, caller: string): () => void {
  const own = openBy.get(caller) ?? 0;
  if (open[kind] >= maxOpen[kind] || own >= maxOpenPerCaller) throw fail('ERR_TOO_MANY_CONNECTIONS');
  open[kind]++;
  openBy.set(caller, own + 1);
  return () => {
    open[kind]--;
    const left = (openBy.get(caller) ?? 1) - 1;
    if (left === 0) openBy.delete(caller);
    else openBy.set(caller, left);
  };
}

function idOf(value: unknown): string {
  return typeof value === 'object' && value !== null && 'id' in value ? String(value.id) : '';
}

function drained(response: Response, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    response.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
