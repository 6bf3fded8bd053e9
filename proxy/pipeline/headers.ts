import type { Actor, EventCode, EventHeader } from '../contract/audit-event.ts';
import type { Act, Facts } from '../contract/operation.ts';
import type { Caller } from '../contract/principal.ts';
import { canonicalJson } from '../proof/canonical.ts';
import type { Outcome } from './engine.ts';
import type { Decision } from './ports.ts';

/** What every event of one session shares. */
export interface SessionIdentity {
  readonly actor: Actor;
  readonly origin: string;
  readonly affected: string;
  readonly session: string;
  readonly account: string;
  readonly database: string;
}

const maxActs = 64;

export function actorOf({ issuer, subject, name, credential, run }: Caller): Actor {
  return { issuer, subject, name, kind: 'service-account', credential, ...(run !== undefined && { run }) };
}

/** What the shadow policies would have done, as headers say it. */
export function shadowFields({ shadow }: Pick<Decision, 'shadow'>): Pick<EventHeader, 'shadow' | 'shadowVersion'> {
  return shadow === undefined ? {} : { shadow: shadow.would, shadowVersion: shadow.version };
}

/** `sql:select public.orders`, at most 64, masked: object names are the client's words. */
export function actLabels(acts: readonly Act[], mask: (text: string) => string): string[] {
  const labels = acts.slice(0, maxActs).map(({ action, object }) =>
    mask(`${action} ${object.path.join('.')}${placeOf(object)}`)
      .slice(0, 200)
      .toWellFormed(),
  );
  if (acts.length > maxActs) labels.push(`and ${String(acts.length - maxActs)} more`);
  return labels;
}

/** Empty: on the session's own resource. */
function placeOf({ on }: Act['object']): string {
  return on === undefined ? '' : ` of ${on.resource}/${on.database}`;
}

let lastMillis = 0;
let lastText = '';

/** RFC 3339 UTC with milliseconds; the text is kept for the rest of its millisecond. */
export function timestamp(millis: number): string {
  if (millis !== lastMillis) {
    lastMillis = millis;
    lastText = new Date(millis).toISOString();
  }
  return lastText;
}

/** Canonical JSON of a header outside the hot path. */
export function header(code: EventCode, fields: Omit<EventHeader, 'v' | 'code'>): string {
  return canonicalJson({ v: 1, code, ...fields } as unknown as Parameters<typeof canonicalJson>[0]);
}

/**
 * Headers of a session's operations, assembled from canonical fragments: members stand in RFC 8785 order, so the text
 * equals `header(…)` of the same fields (held by a test) at a tenth of its cost.
 */
export class OperationHeaders {
  readonly #account: string;
  readonly #affected: string;
  readonly #database: string;
  readonly #origin: string;
  readonly #session: string;
  readonly #actor: string;
  readonly #fragments = new WeakMap<Facts, { decision: Decision; text: readonly [string, string, string] }>();
  readonly #mask: (text: string) => string;

  constructor(identity: SessionIdentity, mask: (text: string) => string) {
    this.#mask = mask;
    this.#account = canonicalJson(identity.account);
    this.#actor = canonicalJson({ ...identity.actor });
    this.#affected = canonicalJson(identity.affected);
    this.#database = canonicalJson(identity.database);
    this.#origin = canonicalJson(identity.origin);
    this.#session = canonicalJson(identity.session);
  }

  intended(facts: Facts, decision: Decision, at: { millis: number; operation: string; seq: number; body: string; request: string | undefined }): string {
    const [acts, policies, shadow] = this.#decided(facts, decision);
    return (
      `{"account":${this.#account},"actor":${this.#actor},${acts}"affected":${this.#affected},"at":"${timestamp(at.millis)}","body":"${at.body}",` +
      `"code":"operation.intended","database":${this.#database},"operation":"${at.operation}","origin":${this.#origin},"outcome":"pending",` +
      `${policies}${at.request === undefined ? '' : `"request":"${at.request}",`}"seq":${String(at.seq)},"session":${this.#session},${shadow}"v":1}`
    );
  }

  settled(at: {
    millis: number;
    operation: string;
    seq: number;
    rows: number;
    bytes: number;
    micros: number;
    masked: string;
    outcome: Outcome['status'];
    error: string | undefined;
  }): string {
    const error = at.error === undefined ? '' : `"error":${canonicalJson(at.error.toWellFormed())},`;
    return (
      `{"actor":${this.#actor},"affected":${this.#affected},"at":"${timestamp(at.millis)}","bytes":${String(at.bytes)},"code":"operation.settled",` +
      `"durationMicros":${String(at.micros)},${error}"masked":${at.masked},"operation":"${at.operation}","origin":${this.#origin},` +
      `"outcome":"${at.outcome}","rows":${String(at.rows)},"seq":${String(at.seq)},"session":${this.#session},"v":1}`
    );
  }

  #decided(facts: Facts, decision: Decision): readonly [string, string, string] {
    const known = this.#fragments.get(facts);
    if (known?.decision === decision) return known.text;
    const text = [
      `"acts":${canonicalJson(actLabels(facts.acts, this.#mask))},`,
      `"policies":${canonicalJson([...decision.policies])},"policyVersion":${canonicalJson(decision.policyVersion)},`,
      decision.shadow === undefined ? '' : `"shadow":"${decision.shadow.would}","shadowVersion":${canonicalJson(decision.shadow.version)},`,
    ] as const;
    this.#fragments.set(facts, { decision, text });
    return text;
  }
}
