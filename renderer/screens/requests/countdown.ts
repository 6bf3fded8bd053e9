import type { ApprovalRequest } from '../../../proxy/contract/approval-request.ts';
import { span } from './sentence.ts';

export interface Countdown {
  /** whole seconds, never negative */
  readonly seconds: number;
  readonly text: string;
  readonly urgency: 'calm' | 'soon' | 'over';
}

/** below this people hurry */
const soonSeconds = 60;

/** Time left until an instant in RFC 3339; one that cannot be read is over. */
export function countdownTo(expiresAt: string, nowMs: number): Countdown {
  const left = Math.floor((Date.parse(expiresAt) - nowMs) / 1_000);
  if (!(left > 0)) return { seconds: 0, text: 'Expired', urgency: 'over' };
  return { seconds: left, text: `Expires in ${span(left)}`, urgency: left < soonSeconds ? 'soon' : 'calm' };
}

/** Whether it can still be decided or used, as far as this screen's clock knows. */
export function isOpen({ status, canonical }: Pick<ApprovalRequest, 'status' | 'canonical'>, nowMs: number): boolean {
  return (status === 'pending' || status === 'approved') && countdownTo(canonical.expiresAt, nowMs).urgency !== 'over';
}

const steps = [60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200] as const;

/** What an access of `asked` seconds may be cut down to, the longest first; never longer than asked for. */
export function shorterThan(asked: number): readonly number[] {
  return [asked, ...steps.filter((seconds) => seconds < asked).toReversed()];
}
