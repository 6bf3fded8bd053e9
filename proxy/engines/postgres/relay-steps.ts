import type { Masker, Permit } from '../../pipeline/engine.ts';
import type { Change } from './relay-names.ts';
import type { Classifier, Statement } from './statement.ts';
import type { Span } from '../../contract/operation.ts';

/** A prepared statement of the client. */
export interface Prepared {
  statement: Statement;
  /** the classifier it was classified with: another one means another catalogue */
  classifier: Classifier;
  readonly sql: Buffer;
  /** made by SQL's PREPARE: `sql` is the whole PREPARE and `statement` the one inside it */
  readonly inner: boolean;
  /** parameter type OIDs as far as known */
  types: readonly number[];
  /** the text cut into syntax and literals, made when first shown */
  spans: readonly Span[] | null;
  /** its results in binary were once found to hold no masked column */
  binaryVerified: boolean;
  /** the application_name its execution gives the client; null: none */
  readonly renames: string | null;
}

/** A bound portal. */
export interface Portal {
  readonly prepared: Prepared;
  /** raw, for our own Describe */
  readonly name: Buffer;
  /** Bind's payload from the parameter formats on */
  readonly values: Buffer;
  readonly binaryResults: boolean;
  /** a Describe of it was forwarded: its answer comes before the rows */
  described: boolean;
  /** how many operations had been forwarded then */
  describedAt: number;
  /** and was answered */
  answered: boolean;
  /** RowDescription as the target sent it; null: not yet, or no rows */
  description: Buffer | null;
  /** wakes who waits for the description */
  onDescribed: (() => void) | null;
}

export type StepKind = 'query' | 'parse' | 'bind' | 'describe-statement' | 'describe-portal' | 'execute' | 'close' | 'sync' | 'poison-query' | 'poison';

/** Something the target owes an answer for; the queue of steps tells what its next frame belongs to. */
export class Step {
  readonly kind: StepKind;
  readonly segment: number;
  /** the statement whose facts and lineage count: for EXECUTE the prepared one */
  statement: Statement | null = null;
  /** the text's own statement: PREPARE, DEALLOCATE, DDL */
  outer: Statement | null = null;
  permit: Permit | null = null;
  masker: Masker | null = null;
  /** columns of the current result */
  columns = 0;
  rows = 0;
  /** masked text of the target's error */
  error: string | null = null;
  /** the text of SQL's PREPARE */
  sql: Buffer | null = null;
  /** the application_name the client has after it; null: the one before */
  renames: string | null = null;
  portal: Portal | null = null;
  prepared: Prepared | null = null;
  change: { commit(): void; drop(): void } | null = null;
  /** our own error in place of the target's */
  replacement: Buffer | null = null;
  /** the client's own name for what does not exist, in place of the one that was asked for instead */
  unknown: string | null = null;
  /** asked by us: the client never sees the answer */
  hidden = false;
  /** a Describe of ours goes before it */
  describeFirst = false;
  /** the caller cancelled it before it was forwarded */
  withdrawn = false;

  constructor(kind: StepKind, segment: number) {
    this.kind = kind;
    this.segment = segment;
  }

  changes<T>(change: Change<T>): this {
    this.change = {
      commit: () => {
        change.names.commit(change);
      },
      drop: () => {
        change.names.drop(change);
      },
    };
    return this;
  }
}

/** The target is asked in the simple protocol, or the step ends a segment: an error is followed by ReadyForQuery. */
export function endsWithReady(step: Step): boolean {
  return step.kind === 'query' || step.kind === 'sync' || step.kind === 'poison-query';
}
