import { maxShownChars, type ApprovalTerms } from '../contract/approval-request.ts';
import { asAppError } from '../contract/errors.ts';
import type { Facts, Span } from '../contract/operation.ts';
import { canonicalJson } from '../proof/canonical.ts';
import type { Admission, Denial, Operation, Session, Sink } from './engine.ts';
import { actLabels, type SessionIdentity } from './headers.ts';
import type { ApprovalWanted, Decision, PolicyScope, Ports } from './ports.ts';

type ToApprove = Decision & { readonly approve: ApprovalTerms };

/** What waits for people, as it was when they were asked. */
interface Held {
  readonly facts: Facts;
  readonly decision: ToApprove;
  readonly command: string;
  readonly spans: readonly Span[];
  readonly exact: readonly Uint8Array[];
  readonly sink: Sink | undefined;
}

/** What of a session the asking needs. */
export interface Asking {
  readonly session: Session;
  readonly identity: SessionIdentity;
  readonly origin: string;
  readonly ports: Ports;
  readonly scope: PolicyScope;
  readonly stray: (facts: Facts, decision: Decision) => Decision | null;
  readonly admit: (facts: Facts, decision: Decision, held: Pick<Held, 'command' | 'spans' | 'exact' | 'sink'> & { request: string }) => Admission;
  readonly deny: (denial: Omit<Denial, 'hint'> & { request?: string }, command: string) => Denial;
}

const maxHidden = 10_000;
const maxContextChars = 1_000;
/** what waits is kept in memory */
const maxExactBytes = 524_288;

/** What the shadow policies would have done is on record with the request. */
function withoutShadow({ shadow: _, ...decision }: Decision): Decision {
  return decision;
}

/** The approve step of one session: operations that wait for people. */
export class AskedPeople {
  readonly #asking: Asking;

  constructor(asking: Asking) {
    this.#asking = asking;
  }

  /** What people are asked must be shown to them whole. */
  ask(operation: Operation, decision: ToApprove, spans: readonly Span[]): Admission | Promise<Admission> {
    const { facts } = operation;
    const { ports, session, identity, origin, deny } = this.#asking;
    const { command, hidden } = ports.masking.rendering(session.resource.name, facts, spans);
    const context = ports.masking.text(operation.context ?? '').toWellFormed();
    const exact = operation.bound ?? operation.exact;
    const exactBytes = exact.reduce((bytes, part) => bytes + part.length, 0);
    if (command.length > maxShownChars || hidden.length > maxHidden || context.length > maxContextChars || exactBytes > maxExactBytes) {
      const message = 'The command, or the search path, is too long to be shown whole to an approver.';
      return { verdict: 'refused', denial: deny({ code: 'ERR_STATEMENT_TOO_LARGE', message, policies: decision.policies }, command) };
    }
    const held: Held = { facts, decision, command, spans, exact: operation.exact.map((bytes) => new Uint8Array(bytes)), sink: operation.sink };
    const wanted: ApprovalWanted = {
      session: session.id,
      caller: session.caller,
      terms: decision.approve,
      policies: decision.policies,
      policyVersion: decision.policyVersion,
      resource: session.resource.name,
      account: identity.account,
      database: identity.database,
      searchPath: context,
      origin,
      command: command.toWellFormed(),
      hidden,
      exact: (operation.bound ?? held.exact).map((bytes) => new Uint8Array(bytes)),
      acts: actLabels(facts.acts, (text) => ports.masking.text(text)),
      ...(decision.shadow && { shadow: decision.shadow }),
      ...(operation.returns && { returns: true }),
      estimate: () => operation.estimate?.() ?? Promise.resolve(null),
    };
    if (decision.approve.mode === 'retry' || operation.returns === true) return this.#claim(wanted, held);
    return this.#hold(wanted, held);
  }

  /** Runs now if the same command was approved; else says which request it waits for. */
  async #claim(wanted: ApprovalWanted, held: Held): Promise<Admission> {
    const { approval } = this.#asking.ports;
    let claimed: Awaited<ReturnType<typeof approval.claim>>;
    try {
      claimed = await approval.claim(wanted);
    } catch (error) {
      const { code, message } = asAppError(error);
      return this.#denied(held, { code, message });
    }
    const { request, approved, denied } = claimed;
    if (approved) return this.#approved(request, held);
    if (denied !== undefined) return this.#denied(held, { code: 'ERR_NOT_APPROVED', message: this.#told(denied), request });
    const { group, needed, mode } = wanted.terms;
    if (mode === 'hold') return this.#waiting(request, wanted);
    const message = `This needs the approval of ${String(needed)} of group ${group}: request ${request}.`;
    return this.#denied(held, { code: 'ERR_APPROVAL_REQUIRED', message, request });
  }

  #waiting(request: string, wanted: ApprovalWanted): Admission {
    const { approval } = this.#asking.ports;
    return {
      verdict: 'waiting',
      request,
      by: askedOf(wanted),
      decided: approval.whenDecided(request),
      withdraw: (reason) => {
        approval.withdraw(request, reason);
      },
    };
  }

  /** Waits for people; the end of the session withdraws, and a withdrawn operation never gets a permit. */
  #hold(wanted: ApprovalWanted, held: Held): Admission {
    const { ports, session } = this.#asking;
    const hold = ports.approval.hold(wanted);
    const withdraw = (): void => {
      hold.withdraw('The session ended.');
    };
    session.ended.addEventListener('abort', withdraw, { once: true });
    const decided = hold.decided.then((outcome): Admission => {
      session.ended.removeEventListener('abort', withdraw);
      if (outcome.approved) return this.#approved(hold.request, held);
      return this.#denied(held, { code: 'ERR_NOT_APPROVED', message: this.#told(outcome.why), request: hold.request });
    });
    return {
      verdict: 'held',
      request: hold.request,
      by: askedOf(wanted),
      decided,
      withdraw: (reason) => {
        hold.withdraw(reason);
      },
    };
  }

  /** The decision must still be the one that people were asked about. */
  #approved(request: string, held: Held): Admission {
    const { scope, session, stray, admit } = this.#asking;
    const { facts, decision, command, spans, exact, sink } = held;
    const now = withoutShadow(scope.decide(facts));
    const stands = now.permitted && now.policyVersion === decision.policyVersion && canonicalJson(now.approve ?? null) === canonicalJson(decision.approve);
    if (stands && !session.ended.aborted && stray(facts, now) === null) return admit(facts, now, { command, spans, exact, sink, request });
    const message = 'What the approval rests on has changed.';
    return this.#denied({ ...held, decision: { ...decision, policies: now.policies } }, { code: 'ERR_NOT_APPROVED', message, request });
  }

  #denied({ decision, command }: Held, denial: Omit<Denial, 'hint' | 'policies'> & { request?: string }): Admission {
    return { verdict: 'refused', denial: this.#asking.deny({ ...denial, policies: decision.policies }, command) };
  }

  #told(why: string): string {
    return this.#asking.ports.masking.text(why).slice(0, 500).toWellFormed();
  }
}

/** `2 of group dba` */
function askedOf({ terms }: ApprovalWanted): string {
  return `${String(terms.needed)} of group ${terms.group}`;
}
