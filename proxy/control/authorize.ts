import type { AnyRoute, Role } from '../contract/api-route.ts';
import type { Actor } from '../contract/audit-event.ts';
import { asAppError, fail } from '../contract/errors.ts';
import type { AppError } from '../lib/errors.ts';
import { Secret } from '../lib/secret.ts';
import type { ControlCaller } from './context.ts';
import type { Dispatching } from './dispatch.ts';

const unknownActor: Actor = { issuer: 'none', subject: 'none', name: 'none', kind: 'unknown', credential: 'none' };
const bearer = /^Bearer ([A-Za-z0-9._~+/=-]{8,512})$/i;

/** The one place where a call is let in. Null: the route is public. Refusals are recorded, bounded per address. */
export async function authorize(
  call: { route: AnyRoute; header: string | undefined; address: string },
  dispatching: Dispatching,
): Promise<ControlCaller | null> {
  const { route, address } = call;
  if (route.roles === 'public') return null;
  const token = bearer.exec(call.header ?? '')?.[1];
  const caller = token === undefined ? null : dispatching.authenticate(new Secret(token), address);
  if (caller === null) return refuse({ code: 'ERR_UNAUTHENTICATED', event: 'authentication.failed', actor: unknownActor, route, address }, dispatching);
  if (!mayCall(route.roles, caller.roles)) return refuse({ code: 'ERR_FORBIDDEN', event: 'control.denied', actor: caller.actor, route, address }, dispatching);
  return { ...caller, actor: actingAs(caller, route.roles) };
}

/** People have several roles: the log says in which of them they made this call. */
function actingAs({ actor, roles }: ControlCaller, wanted: readonly Role[]): Actor {
  if (!roles.includes('approver')) return actor;
  const kind = (['administrator', 'auditor', 'approver'] as const).find((role) => wanted.includes(role) && roles.includes(role));
  return kind === undefined ? actor : { ...actor, kind };
}

/** Public routes prove an identity in their body: a failed proof is recorded like a failed token. Throws, always. */
export async function refuseProof(error: unknown, { route, address }: { route: AnyRoute; address: string }, dispatching: Dispatching): Promise<never> {
  const said = asAppError(error);
  const { code } = said;
  if (code !== 'ERR_UNAUTHENTICATED' && code !== 'ERR_VERIFICATION_FAILED') throw error;
  return refuse({ code, event: 'authentication.failed', actor: unknownActor, route, address, said }, dispatching);
}

function mayCall(wanted: readonly Role[], has: readonly Role[]): boolean {
  return wanted.some((role) => has.includes(role));
}

interface Refusing {
  readonly code: 'ERR_UNAUTHENTICATED' | 'ERR_FORBIDDEN' | 'ERR_VERIFICATION_FAILED';
  readonly event: 'authentication.failed' | 'control.denied';
  readonly actor: Actor;
  readonly route: AnyRoute;
  readonly address: string;
  /** in its own words; default: those of the table */
  readonly said?: AppError;
}

async function refuse({ code, event, actor, route, address, said }: Refusing, { failures, changes }: Dispatching): Promise<never> {
  const stands = failures.count(address);
  if (stands === null) throw fail('ERR_TOO_MANY_CONNECTIONS', { message: 'Too many failed calls from this address.' });
  const fields = { affected: `control:${route.method} ${route.path}`, outcome: 'failure' as const, error: code, ...(stands > 1 && { count: stands }) };
  await changes.record(event, { actor, origin: address }, fields);
  throw said ?? fail(code);
}
