import type { ErrorCode } from '../contract/errors.ts';
import { AppError } from '../lib/errors.ts';
import type { Masked, Walker } from './engine.ts';
import type { CompiledMasker } from './ports.ts';

const binary: ErrorCode = 'ERR_MASKED_BINARY';
const star = 0x2a;

/** For a caller who may see whole values: the recording holds them masked all the same (DESIGN §1, invariant 2). */
export class RecordedMasked implements CompiledMasker {
  readonly #shown: CompiledMasker;
  /** null: masked columns in binary, of which nothing can be kept */
  readonly #kept: CompiledMasker | null;
  readonly #copies: WeakMap<Uint8Array, Uint8Array>;

  /** `copies` gets the masked copy of each chunk, under the chunk that is released */
  constructor(shown: CompiledMasker, kept: () => CompiledMasker, copies: WeakMap<Uint8Array, Uint8Array>) {
    this.#shown = shown;
    this.#kept = unlessBinary(kept);
    this.#copies = copies;
  }

  rows(chunk: Uint8Array, walk: Walker): Masked {
    const copy = Buffer.from(chunk);
    const masked = this.#kept?.rows(copy, walk) ?? hidden(copy, walk);
    const shown = this.#shown.rows(chunk, walk);
    this.#copies.set(shown, masked);
    return shown;
  }

  ledger(): Record<string, number> {
    return this.#shown.ledger();
  }
}

function unlessBinary(compile: () => CompiledMasker): CompiledMasker | null {
  try {
    return compile();
  } catch (error) {
    if (error instanceof AppError && error.code === binary) return null;
    throw error;
  }
}

function hidden(copy: Buffer, walk: Walker): Uint8Array {
  walk(copy, (_column, start, end) => {
    copy.fill(star, start, end);
  });
  return copy;
}
