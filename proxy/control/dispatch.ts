import type { Request, Response } from 'express';
import type { RouteName } from '../contract/api.ts';
import type { AnyRoute } from '../contract/api-route.ts';
import type { Actor, EventCode } from '../contract/audit-event.ts';
import { asAppError, fail } from '../contract/errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Secret } from '../lib/secret.ts';
import type { Changes } from './changes.ts';
import type { Commit, ControlCaller, EventFields, Handlers } from './context.ts';
import type { Failures } from './failures.ts';
import { authorize } from './authorize.ts';
import { errorBody } from './error-body.ts';

export interface Dispatching {
  readonly handlers: Handlers;
  readonly changes: Changes;
  readonly failures: Failures;
  readonly clock: Clock;
  /** Null when nobody has this token, or it is expired, revoked, or not for this address. */
  readonly authenticate: (token: Secret<string>, address: string) => ControlCaller | null;
  /** a line for the operator; never sent to a caller */
  readonly log: (line: string) => void;
}

export interface Call {
  readonly name: RouteName;
  readonly route: AnyRoute;
  /** reads the unparsed input; after authorization only */
  readonly members: () => Promise<unknown>;
  readonly request: Request;
  readonly response: Response;
}

/** What one handler looks like when its types are forgotten: the route table has checked them. */
type AnyHandler = (input: unknown, context: unknown) => unknown;

const revocationCheckMs = 500;
const maxStreams = 64;
let streams = 0;

/** Authorize, parse, run, prove that the event was recorded, answer. */
export async function dispatch(call: Call, dispatching: Dispatching): Promise<void> {
  const { route, response } = call;
  const address = addressOf(call.request);
  const caller = await authorize({ route, header: call.request.headers.authorization, address }, dispatching);
  const parsed = route.input.safeParse(await call.members());
  if (!parsed.success) {
    throw fail('ERR_INVALID_INPUT', { faults: parsed.error.issues.slice(0, 20).map(({ path, message }) => ({ path: path.join('.'), message })) });
  }
  const gone = new AbortController();
  response.once('close', () => {
    gone.abort();
  });
  const recorded = new Set<EventCode>();
  const context = contextOf({ route, caller, address, gone, recorded }, dispatching);
  const result = await (dispatching.handlers[call.name] as AnyHandler)(parsed.data, context);
  if (route.event && recorded.size === 0) throw fail('ERR_INTERNAL', { detail: `route ${call.name} recorded none of its events` });
  if (route.stream) await stream({ call, caller, gone }, result as AsyncIterable<unknown>, dispatching);
  else response.json(route.output.parse(result));
}

const nobody: Actor = { issuer: 'none', subject: 'none', name: 'none', kind: 'unknown', credential: 'none' };

function contextOf(
  call: { route: AnyRoute; caller: ControlCaller | null; address: string; gone: AbortController; recorded: Set<EventCode> },
  { changes }: Dispatching,
): unknown {
  const { route, address, recorded, gone } = call;
  const caller = call.caller ?? { actor: nobody, roles: [], revoked: () => null };
  const who = { actor: caller.actor, origin: address };
  const assertDeclared = (code: EventCode): void => {
    if (route.event?.includes(code) !== true) throw fail('ERR_INTERNAL', { detail: `${code} is no event of ${route.path}` });
  };
  const commit: Commit<EventCode> = async (code, change) => {
    assertDeclared(code);
    await changes.commit(code, who, change);
    recorded.add(code);
  };
  return {
    caller,
    signal: gone.signal,
    ...(route.event && {
      record: async (code: EventCode, fields: EventFields) => {
        assertDeclared(code);
        const position = await changes.record(code, who, fields);
        recorded.add(code);
        return position;
      },
      exclusive: <T>(work: (commit: Commit<EventCode>) => Promise<T>) => changes.exclusive(() => work(commit)),
    }),
  };
}

/** JSON lines with back-pressure. A fault after the first line is told in a last line, and the answer breaks off. */
async function stream(
  open: { call: Call; caller: ControlCaller | null; gone: AbortController },
  lines: AsyncIterable<unknown>,
  { log }: Dispatching,
): Promise<void> {
  const { call, caller, gone } = open;
  const { response, route } = call;
  if (streams >= maxStreams) throw fail('ERR_TOO_MANY_CONNECTIONS');
  streams++;
  const watch = setInterval(() => {
    if (caller?.revoked() !== null) gone.abort();
  }, revocationCheckMs);
  try {
    response.status(200).type('application/jsonl');
    response.flushHeaders();
    for await (const line of lines) {
      if (gone.signal.aborted) break;
      if (!response.write(`${JSON.stringify(route.output.parse(line))}\n`)) await drained(response, gone.signal);
    }
    if (caller?.revoked() === null) response.end();
    else response.destroy();
  } catch (error) {
    const fault = asAppError(error);
    if (fault.detail !== undefined) log(`${fault.code}: ${fault.detail}`);
    response.write(`${JSON.stringify(errorBody(fault))}\n`, () => response.destroy());
  } finally {
    clearInterval(watch);
    streams--;
  }
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

/** The socket's own address: no header may say another. */
export function addressOf(request: Request): string {
  return (request.socket.remoteAddress ?? 'unknown').replace(/^::ffff:(?=\d)/, '');
}
