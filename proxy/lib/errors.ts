/** One fault of an input: where (member path or file) and what. */
export interface InputFault {
  readonly path: string;
  readonly line?: number;
  readonly column?: number;
  readonly message: string;
}

/**
 * The product's only error. `code` is a key of the table in `contract/errors.ts`; `message` is safe to show to the
 * caller; `detail` is for the operator's log and never leaves the machine.
 */
export class AppError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly faults: readonly InputFault[] | undefined;

  constructor(code: Code, message: string, more: { detail?: string; hint?: string; faults?: readonly InputFault[]; cause?: unknown } = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'AppError';
    this.code = code;
    this.detail = more.detail;
    this.hint = more.hint;
    this.faults = more.faults;
  }
}

/** The text of an unknown thrown value. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
