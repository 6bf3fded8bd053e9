import type { Session } from '../../pipeline/engine.ts';
import type { Step } from './relay-steps.ts';
import { hideReport } from './server-errors.ts';

/** An error or notice without what it could quote of tagged columns; null: it may go on as it is. `step`: what the target was doing. */
export function hiddenReport(session: Session, step: Step | undefined, frame: Buffer): Buffer | null {
  if (step !== undefined && looksAtTextOnly(step)) return null;
  const quotes = step?.statement?.quotes() ?? null;
  if (!session.hides(quotes)) return null;
  const asked = step?.outer ?? step?.statement;
  return hideReport(frame, asked?.evaluates === false);
}

/** Sync commits, and a deferred constraint quotes rows; other steps without a statement run nothing. */
function looksAtTextOnly(step: Step): boolean {
  return step.statement === null && step.kind !== 'sync';
}
