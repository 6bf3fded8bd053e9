import { CircleCheck, CircleDashed, CircleX, Clock, TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import { cx } from './css.ts';
import styles from './badge.module.css';

export type Tone = 'good' | 'warn' | 'bad' | 'wait' | 'quiet';

const icons = { good: CircleCheck, warn: TriangleAlert, bad: CircleX, wait: Clock, quiet: CircleDashed } as const;

/** A state: icon and word; the colour only repeats them. */
export function Badge({ tone, children }: { tone: Tone; children: ReactNode }): ReactNode {
  const Icon = icons[tone];
  return (
    <span className={cx(styles['badge'], styles[tone])}>
      <Icon size={13} aria-hidden />
      {children}
    </span>
  );
}

/** A plain word with a frame: a group, a role, a kind. */
export function Tag({ children }: { children: ReactNode }): ReactNode {
  return <span className={cx(styles['badge'], styles['tag'])}>{children}</span>;
}

const words: Readonly<Record<string, readonly [Tone, string]>> = {
  up: ['good', 'Up'],
  degraded: ['warn', 'Degraded'],
  down: ['bad', 'Down'],
  live: ['good', 'Live'],
  ended: ['quiet', 'Ended'],
  pending: ['wait', 'Waiting'],
  approved: ['good', 'Approved'],
  denied: ['bad', 'Denied'],
  expired: ['quiet', 'Expired'],
  withdrawn: ['quiet', 'Withdrawn'],
  used: ['good', 'Used'],
  success: ['good', 'Success'],
  failure: ['bad', 'Failure'],
  indeterminate: ['warn', 'Unknown'],
  forward: ['good', 'Forward'],
  refuse: ['bad', 'Refuse'],
  hold: ['wait', 'Hold'],
  permit: ['good', 'Permit'],
  forbid: ['bad', 'Forbid'],
  passed: ['good', 'Passed'],
  failed: ['bad', 'Failed'],
  enabled: ['good', 'Enabled'],
  disabled: ['quiet', 'Disabled'],
  revoked: ['quiet', 'Revoked'],
  consistent: ['good', 'Consistent'],
  alarm: ['bad', 'Alarm'],
  waiting: ['wait', 'Waiting'],
};

/** The states of the contract: of parts, sessions, requests, outcomes, decisions, witnesses. Unknown ones are shown as they are. */
export function State({ of }: { of: string }): ReactNode {
  const [tone, word] = Object.hasOwn(words, of) ? (words[of] ?? ['quiet', of]) : (['quiet', of] as const);
  return <Badge tone={tone}>{word}</Badge>;
}
