import { errorTable, type ErrorCode } from '../contract/errors.ts';
import type { AppError } from '../lib/errors.ts';

/** What a caller sees of a fault: never its detail. */
export function errorBody(error: AppError<ErrorCode>): { error: Record<string, unknown> } {
  return {
    error: { code: error.code, message: error.message, hint: error.hint ?? errorTable[error.code].remedy, ...(error.faults && { faults: error.faults }) },
  };
}
