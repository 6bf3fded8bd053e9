import { fail } from '../contract/errors.ts';
import type { Shape } from '../contract/shape.ts';
import type { OperationId } from '../lib/ids.ts';
import type { DocumentKind, DocumentMasker, Masked, Masker, Outcome, Permit } from './engine.ts';
import type { CompiledDocumentMasker, CompiledMasker } from './ports.ts';

/** What a permit needs of its session; the session is the only one that makes permits. */
export interface PermitOwner {
  compile(shape: Shape): CompiledMasker;
  document(kind: DocumentKind): CompiledDocumentMasker;
  release(operation: OperationId, ticket: number, chunk: Uint8Array): true | Promise<void>;
  note(operation: OperationId, record: Uint8Array): true | Promise<void>;
  input(operation: OperationId, ticket: number, chunk: Uint8Array): true | Promise<void>;
  settle(permit: OperationPermit, outcome: Outcome): void;
}

/** Leave to forward one operation once. */
export class OperationPermit implements Permit {
  readonly operation: OperationId;
  readonly forwardable: true | Promise<void>;
  readonly seq: number;
  readonly ticket: number;
  readonly startedAt = performance.now();
  bytes = 0;
  readonly #owner: PermitOwner;
  readonly #maskers: (CompiledMasker | CompiledDocumentMasker)[] = [];
  #exact: readonly Uint8Array[] | null;
  #settled = false;

  constructor(
    owner: PermitOwner,
    admitted: { operation: OperationId; seq: number; ticket: number; forwardable: true | Promise<void>; exact: readonly Uint8Array[] },
  ) {
    this.#owner = owner;
    this.operation = admitted.operation;
    this.seq = admitted.seq;
    this.ticket = admitted.ticket;
    this.forwardable = admitted.forwardable;
    // a caller that never waits for it must not bring the process down
    if (admitted.forwardable !== true) admitted.forwardable.catch(() => undefined);
    // what waits must not change under the caller's hands
    this.#exact = admitted.forwardable === true ? admitted.exact : admitted.exact.map((bytes) => new Uint8Array(bytes));
  }

  spend(): readonly Uint8Array[] {
    const exact = this.#exact;
    if (exact === null) throw fail('ERR_PERMIT_SPENT');
    this.#exact = null;
    return exact;
  }

  masker(shape: Shape): Masker {
    const compiled = this.#owner.compile(shape);
    if (!this.#maskers.includes(compiled)) this.#maskers.push(compiled);
    return compiled;
  }

  document(kind: DocumentKind): DocumentMasker {
    const compiled = this.#owner.document(kind);
    this.#maskers.push(compiled);
    return compiled;
  }

  note(record: Masked): true | Promise<void> {
    return this.#owner.note(this.operation, record);
  }

  input(chunk: Uint8Array): true | Promise<void> {
    return this.#owner.input(this.operation, this.ticket, chunk);
  }

  release(chunk: Masked): true | Promise<void> {
    this.bytes += chunk.length;
    return this.#owner.release(this.operation, this.ticket, chunk);
  }

  settle(outcome: Outcome): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#owner.settle(this, outcome);
  }

  /** masking ledger of the operation: rule → values */
  ledger(): Record<string, number> {
    const total: Record<string, number> = {};
    for (const masker of this.#maskers) for (const [rule, count] of Object.entries(masker.ledger())) total[rule] = (total[rule] ?? 0) + count;
    return total;
  }
}
