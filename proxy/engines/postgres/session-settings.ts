import { hash } from 'node:crypto';
import type { Facts } from '../../contract/operation.ts';

/** Reported by the target whenever they change, and decisive for what a text means. */
const decisive = ['search_path', 'DateStyle', 'IntervalStyle', 'TimeZone', 'standard_conforming_strings'] as const;

const plainActions: ReadonlySet<string> = new Set(['connect', 'sql:select', 'sql:insert', 'sql:update', 'sql:delete']);
const plainKinds: ReadonlySet<string> = new Set(['select', 'insert', 'update', 'delete', 'merge', 'begin', 'start']);
/** these end SET LOCAL, and undo SET: nothing, where nothing was set */
const transactionEnds: ReadonlySet<string> = new Set(['commit', 'rollback', 'savepoint', 'release', 'rollback_to']);

/**
 * What decides how the target reads a command besides its text: settings as the target reports them, those of the startup,
 * and a running hash of every command forwarded since that could have changed others. The hash stays in memory.
 */
export class SessionSettings {
  readonly #startup: string;
  readonly #reported = new Map<string, string>();
  #changes = '';
  /** a command that may change settings was forwarded, and not everything is answered yet */
  #unsettled = false;

  constructor(startup: ReadonlyMap<string, string>, reported: ReadonlyMap<string, string>) {
    this.#startup = JSON.stringify([...startup].filter(([name]) => name !== 'application_name').sort());
    for (const [name, value] of reported) this.report(name, value);
  }

  /** as the target reports it (PostgreSQL 18 and later); null: it does not, or it may be another one by now */
  get searchPath(): string | null {
    return this.#unsettled ? null : (this.#reported.get('search_path') ?? null);
  }

  /** for people */
  get shown(): string {
    if (this.#unsettled) return 'uncertain: a command sent right before this one may change it';
    return this.#reported.get('search_path') ?? 'not reported by this target';
  }

  /** Equal only for sessions in which a text means the same; never equal while that is not certain. */
  key(session: string, operations: number): Uint8Array {
    const uncertain = this.#unsettled ? `${session} ${String(operations)}` : '';
    return Buffer.from(JSON.stringify([this.#startup, decisive.map((name) => this.#reported.get(name) ?? null), this.#changes, uncertain]));
  }

  report(name: string, value: string): void {
    if (decisive.some((one) => one === name)) this.#reported.set(name, value);
  }

  /** `parts`: text and values of what was just forwarded */
  forwarded(facts: Facts | null, parts: readonly Uint8Array[]): void {
    if (facts !== null && isPlain(facts)) return;
    if (facts !== null && transactionEnds.has(facts.context.kind) && this.#changes === '') return;
    this.#unsettled = true;
    this.#changes = hash(
      'sha256',
      Buffer.concat([Buffer.from(this.#changes), ...parts.flatMap((part) => [Buffer.from(`${String(part.length)} `), part])]),
      'base64url',
    );
  }

  /** The target has answered everything: what it reports is how it is. */
  settled(): void {
    this.#unsettled = false;
  }
}

function isPlain({ effect, acts, context }: Facts): boolean {
  return effect !== 'unknown' && plainKinds.has(context.kind) && context.statements === 1 && acts.every(({ action }) => plainActions.has(action));
}
