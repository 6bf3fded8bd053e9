import { errorTable } from '../../contract/errors.ts';
import { member } from '../../lib/json/node.ts';
import { written } from '../../lib/json/serialise.ts';
import type { Admission, Denial, Operation, Permit } from '../../pipeline/engine.ts';
import { comeBack, notification } from './answers.ts';
import type { Call } from './call.ts';
import { metaOf, type RequestMessage } from './envelope.ts';
import type { Round } from './request-state.ts';

/** How it ended; `answered`: the caller was told something else, or is gone. */
export type Admitted =
  | { readonly verdict: 'forward'; readonly permit: Permit }
  | { readonly verdict: 'refused'; readonly denial: Denial; readonly request?: string }
  | { readonly verdict: 'answered' };

type Waiting = Extract<Admission, { verdict: 'held' | 'waiting' }>;

/** a client gives up after 60 s, whatever is sent to it (mcp.md 1.6) */
const roundMs = 45_000;
const holdMs = 50_000;
const progressMs = 10_000;
/** of a state: people have their own, shorter deadline */
const stateMs = 86_400_000;
const returning: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);

/** Submits the operation and, when people must decide, waits in the way this caller can: mcp.md 1.6. */
export async function askForApproval(call: Call, operation: Operation): Promise<Admitted> {
  let asked: string | undefined;
  let admission = await call.link.session.submit(operation);
  for (;;) {
    if (admission.verdict === 'forward') return admission;
    if (admission.verdict === 'refused') return { verdict: 'refused', denial: admission.denial, ...(asked !== undefined && { request: asked }) };
    asked = admission.request;
    const decided = await waited(call, admission, decidedOf(admission));
    if ('answer' in decided) return decided.answer;
    // only who still waits submits again: an approval that comes later is for the caller who comes back
    admission = decided.admission ?? (await call.link.session.submit(operation));
  }
}

/** Null: it is to be submitted again. */
function decidedOf(admission: Waiting): Promise<Admission | null> {
  const next = admission.verdict === 'held' ? admission.decided : admission.decided.then(() => null);
  next.catch(() => undefined);
  return next;
}

type Decided = { readonly admission: Admission | null } | { readonly answer: Admitted };

async function waited(call: Call, admission: Waiting, next: Promise<Admission | null>): Promise<Decided> {
  const { link, message } = call;
  if (link.era === 'legacy' && progressToken(message) !== undefined) return withProgress(call, admission, next);
  const isReturning = link.era === 'modern' && admission.verdict === 'waiting' && returning.has(message.method);
  const decided = await call.stop.race(next, isReturning ? roundMs : holdMs);
  if (decided === 'stopped') return left(admission);
  if (decided !== 'late') return { admission: decided };
  const state = isReturning ? sealed(call, admission) : null;
  if (state === null) return { answer: pending(admission) };
  call.answer(comeBack(message.id, state));
  return { answer: { verdict: 'answered' } };
}

/** The caller hears every ten seconds that it is still waited for. */
async function withProgress(call: Call, admission: Waiting, next: Promise<Admission | null>): Promise<Decided> {
  const { writer, message } = call;
  writer.stream();
  for (let step = 1; ; step++) {
    // far below 1: what the server reports later must still be progress
    const params = {
      progressToken: tokenOf(message),
      progress: step / 1_000_000,
      message: `Waiting for the approval of ${admission.by}: request ${admission.request}.`,
    };
    void writer.message(notification('notifications/progress', params));
    writer.comment();
    const decided = await call.stop.race(next, progressMs);
    if (decided === 'stopped') return left(admission);
    if (decided !== 'late') return { admission: decided };
  }
}

function tokenOf(message: Call['message']): string | number | null {
  const token = progressToken(message);
  if (token?.kind === 'string') return token.text;
  return token?.kind === 'number' ? Number(token.text) : null;
}

/** Nobody is there any more to get the answer: it must not run afterwards. */
function left(admission: Waiting): Decided {
  admission.withdraw('The caller went away.');
  return { answer: { verdict: 'answered' } };
}

/** Refuse-and-request: the same call runs once it is approved. */
function pending(admission: Waiting): Admitted {
  if (admission.verdict === 'held') admission.withdraw('The caller could not wait any longer.');
  const denial: Denial = {
    code: 'ERR_APPROVAL_REQUIRED',
    message: `This needs the approval of ${admission.by}: request ${admission.request}.`,
    hint: errorTable.ERR_APPROVAL_REQUIRED.remedy,
    policies: [],
  };
  return { verdict: 'refused', denial, request: admission.request };
}

function sealed(call: Call, { request }: Waiting): string | null {
  const { shared, message } = call;
  const expiresAt = shared.clock.now() + stateMs;
  return shared.states.seal({ request, owner: call.owner, digest: call.digestAnyway(), expiresAt, ...ownRound(message) });
}

/** What the caller came with of a round with the server itself. */
function ownRound({ params }: RequestMessage): Pick<Round, 'requestState' | 'inputResponses'> {
  const [state, responses] = [member(params, 'requestState'), member(params, 'inputResponses')];
  return { requestState: state === undefined ? null : written(state), inputResponses: responses === undefined ? null : written(responses) };
}

/** The caller wants to hear of the progress of this call. */
function progressToken({ params }: RequestMessage): ReturnType<typeof member> {
  return member(metaOf(params), 'progressToken');
}
