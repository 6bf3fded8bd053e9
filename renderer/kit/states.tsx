import { CircleAlert, CircleCheck, Info, Inbox, Lock, TriangleAlert, type LucideIcon } from 'lucide-react';
import type { ReactNode } from 'react';
import type { AppError } from '../../proxy/lib/errors.ts';
import type { Call } from '../data/calls.ts';
import type { Tone } from './badge.tsx';
import { Button } from './button.tsx';
import { cx } from './css.ts';
import styles from './states.module.css';

interface EmptyProps {
  readonly title: string;
  /** what would be here, and how it gets here */
  readonly children?: ReactNode;
  readonly icon?: LucideIcon;
  readonly actions?: ReactNode;
}

/** Nothing is here, and that is fine. */
export function Empty({ title, children, icon: Icon = Inbox, actions }: EmptyProps): ReactNode {
  return (
    <div className={styles['state']}>
      <Icon size={24} aria-hidden />
      <p className={styles['title']}>{title}</p>
      {children !== undefined && <div className={styles['text']}>{children}</div>}
      {actions !== undefined && <div className={styles['actions']}>{actions}</div>}
    </div>
  );
}

/** Grey bars where the answer will be. */
export function Loading({ lines = 6, label = 'Loading' }: { lines?: number; label?: string }): ReactNode {
  return (
    <div className={styles['skeleton']} role="status" aria-label={label}>
      {Array.from({ length: lines }, (_, line) => (
        <div key={line} className={styles['bar']} />
      ))}
    </div>
  );
}

/** What went wrong and what to do: message, hint, faults, retry. A missing permission is a state of its own. */
export function Fault({ of, again }: { of: AppError; again?: (() => void) | undefined }): ReactNode {
  if (of.code === 'ERR_FORBIDDEN' || of.code === 'ERR_ACCESS_DENIED') {
    return (
      <Empty icon={Lock} title="You may not see or do this">
        {of.message} {of.hint}
      </Empty>
    );
  }
  return (
    <div className={styles['fault']} role="alert">
      <CircleAlert size={16} aria-hidden />
      <div className={styles['grow']}>
        <p className={styles['message']}>{of.message}</p>
        {of.hint !== undefined && of.hint !== '' && <p className={styles['hint']}>{of.hint}</p>}
        {of.faults !== undefined && of.faults.length > 0 && (
          <ul className={styles['faults']}>
            {of.faults.slice(0, 20).map(({ path, line, column, message }) => (
              <li key={`${path} ${line ?? 0} ${column ?? 0} ${message}`}>
                {path}
                {line !== undefined && `:${line}:${column ?? 1}`} {message}
              </li>
            ))}
          </ul>
        )}
        <code className={styles['code']}>{of.code}</code>
      </div>
      {again && (
        <Button small onPress={again}>
          Try again
        </Button>
      )}
    </div>
  );
}

/** Draws what a read gave; until then bars, or what went wrong. */
export function Loaded<T>({
  call,
  lines,
  children,
}: {
  call: Omit<Call<T>, 'again'> & { again?: () => void };
  lines?: number;
  children: (data: T) => ReactNode;
}): ReactNode {
  if (call.fault) return <Fault of={call.fault} again={call.again} />;
  if (call.data === undefined) return <Loading {...(lines !== undefined && { lines })} />;
  return children(call.data);
}

const noticeIcons = { good: CircleCheck, warn: TriangleAlert, bad: CircleAlert, wait: Info, quiet: Info } as const;

/** A sentence above a screen that must not be overlooked. */
export function Notice({ tone, children, action }: { tone: Tone; children: ReactNode; action?: ReactNode }): ReactNode {
  const Icon = noticeIcons[tone];
  return (
    <div className={cx(styles['notice'], styles[tone])} role={tone === 'bad' ? 'alert' : 'status'}>
      <Icon size={15} aria-hidden />
      <div>{children}</div>
      {action}
    </div>
  );
}
