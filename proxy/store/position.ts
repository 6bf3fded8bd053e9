declare const logPosition: unique symbol;

/**
 * The place of a durable event in the audit log. Every state write takes one, so a write without an event does not
 * compile. Minted only where the log's answer is received: the import rules allow `positionOf` in audit and processes alone.
 */
export type LogPosition = number & { readonly [logPosition]: true };

export function positionOf(index: number): LogPosition {
  if (!Number.isSafeInteger(index) || index < 0) throw new RangeError('a log position is a whole number from 0');
  // the one place where a number becomes a position
  return index as LogPosition;
}
