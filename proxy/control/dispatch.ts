import type { Request, Response } from 'express';
import type { RouteName } from '../contract/api.ts';
import type { AnyRoute } from '../contract/api-route.ts';
import type { Actor, EventCode } from '../contract/audit-event.ts';
import { fail } from '../contract/errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Secret } from '../lib/secret.ts';
import type { Changes } from './changes.ts';
import type { Commit, ControlCaller, EventFields, Handlers } from './context.ts';
import type { Failures } from './failures.ts';
import { authorize, refuseProof } from './authorize.ts';
import { assertCardFree } from './card-free.ts';
import { stream } from './stream.ts';

export interface Dispatching {
  readonly handlers: Handlers;
  readonly changes: Changes;
  readonly failures: Failures;
  readonly clock: Clock;
  /** Null when nobody has this token, or it is expired, revoked, or not for this address. */
  readonly authenticate: (token: Secret<string>, address: string) => ControlCaller | null;
  /** a line for the operator; never sent to a caller */
  readonly log: (line: string) => void;
  /** the detector over free text */
  readonly mask: (text: string) => string;
}

export interface Call {
  readonly name: RouteName;
  readonly route: AnyRoute;
  /** reads the unparsed input; after authorization only */
  readonly members: () => Promise<unknown>;
  readonly request: Request;
  readonly response: Response;
}

/** A call without its HTTP form. */
export interface Asked {
  readonly name: RouteName;
  readonly route: AnyRoute;
  /** `Authorization` */
  readonly header: string | undefined;
  /** the client's address */
  readonly address: string;
  readonly gone: AbortController;
  /** Gives the unparsed input; after authorization only. Null caller: nobody is known. */
  readonly members: (caller: ControlCaller | null) => Promise<unknown>;
}

/** What one handler looks like when its types are forgotten: the route table has checked them. */
type AnyHandler = (input: unknown, context: unknown) => unknown;

/** what somebody unknown may send */
const maxPublicBytes = 8_192;

/** Authorize, parse, run, prove that the event was recorded, answer. */
export async function dispatch(call: Call, dispatching: Dispatching): Promise<void> {
  const { name, route, request, response } = call;
  const gone = new AbortController();
  response.once('close', () => {
    gone.abort();
  });
  const members = async (caller: ControlCaller | null): Promise<unknown> => {
    if (caller === null) assertSmall(request);
    return resumed(call, await call.members());
  };
  const { caller, result } = await perform({ name, route, header: request.headers.authorization, address: addressOf(request), gone, members }, dispatching);
  if (route.stream) await stream({ route, response, caller, gone }, result as AsyncIterable<unknown>, dispatching.log);
  else response.json(route.output.parse(result));
}

/** The same without its HTTP form: everything but the answer. */
export async function perform(asked: Asked, dispatching: Dispatching): Promise<{ caller: ControlCaller | null; result: unknown }> {
  const { name, route, header, address, gone } = asked;
  const caller = await authorize({ route, header, address }, dispatching);
  const parsed = route.input.safeParse(await asked.members(caller));
  if (!parsed.success) {
    throw fail('ERR_INVALID_INPUT', { faults: parsed.error.issues.slice(0, 20).map(({ path, message }) => ({ path: path.join('.'), message })) });
  }
  assertCardFree(route, parsed.data, dispatching.mask);
  const recorded = new Set<EventCode>();
  const context = contextOf({ route, caller, address, gone, recorded }, dispatching);
  const result = await running(() => (dispatching.handlers[name] as AnyHandler)(parsed.data, context)).catch((error: unknown) => {
    if (caller === null && route.event !== null) return refuseProof(error, { route, address }, dispatching);
    throw error;
  });
  if (route.event && recorded.size === 0) throw fail('ERR_INTERNAL', { detail: `route ${name} recorded none of its events` });
  return { caller, result };
}

const nobody: Actor = { issuer: 'none', subject: 'none', name: 'none', kind: 'unknown', credential: 'none' };

function contextOf(
  call: { route: AnyRoute; caller: ControlCaller | null; address: string; gone: AbortController; recorded: Set<EventCode> },
  { changes }: Dispatching,
): unknown {
  const { route, address, recorded, gone } = call;
  const caller = call.caller ?? { actor: nobody, roles: [], revoked: () => null };
  // an identity proven in the body counts where nobody could be known before
  const who = ({ actor }: { actor?: Actor }) => ({ actor: call.caller === null && actor !== undefined ? actor : caller.actor, origin: address });
  const assertDeclared = (code: EventCode): void => {
    if (route.event?.includes(code) !== true) throw fail('ERR_INTERNAL', { detail: `${code} is no event of ${route.path}` });
  };
  const commit: Commit<EventCode> = async (code, change) => {
    assertDeclared(code);
    await changes.commit(code, who(change), change);
    recorded.add(code);
  };
  return {
    caller,
    origin: address,
    signal: gone.signal,
    ...(route.event && {
      record: async (code: EventCode, fields: EventFields) => {
        assertDeclared(code);
        const position = await changes.record(code, who(fields), fields);
        recorded.add(code);
        return position;
      },
      exclusive: <T>(work: (commit: Commit<EventCode>) => Promise<T>) => changes.exclusive(() => work(commit)),
    }),
  };
}

/** What is thrown at once is a rejection, too. */
async function running(handler: () => unknown): Promise<unknown> {
  return await handler();
}

/** A browser's EventSource says where it was in a header; it knows better than the address it was opened with. */
function resumed({ route, request }: Call, members: unknown): unknown {
  const last = request.headers['last-event-id'];
  return route.stream === 'events' && last !== undefined && typeof members === 'object' ? { ...members, after: last } : members;
}

function assertSmall({ headers }: Request): void {
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > maxPublicBytes) {
    throw fail('ERR_INVALID_INPUT', { message: `The body is longer than ${String(maxPublicBytes)} bytes.` });
  }
}

/** The socket's own address: no header may say another. */
export function addressOf(request: Request): string {
  return (request.socket.remoteAddress ?? 'unknown').replace(/^::ffff:(?=\d)/, '');
}
