import type { ReactNode } from 'react';
import { Badge } from '../../kit/badge.tsx';
import { Fault } from '../../kit/states.tsx';
import styles from './policies.module.css';
import type { Checked } from './use-check.ts';

interface ProblemsProps {
  readonly checked: Checked;
  readonly onJump: (file: string, at: { line: number; column: number }) => void;
}

/** Every fault with file, line and column; a click goes there. */
export function Problems({ checked: { state, faults, fault }, onJump }: ProblemsProps): ReactNode {
  if (fault) return <Fault of={fault} />;
  return (
    <section className={styles['problems']} aria-label="Problems" tabIndex={0}>
      <div className={styles['problemsHead']} role="status">
        {faults.length > 0 ? (
          <Badge tone="bad">{faults.length === 1 ? '1 problem' : `${faults.length} problems`}</Badge>
        ) : state === 'checking' ? (
          <span className={styles['muted']}>Checking…</span>
        ) : (
          <Badge tone="good">No problems</Badge>
        )}
      </div>
      {faults.map(({ file, line, column, message, hint }) => (
        <button key={`${file} ${line} ${column} ${message}`} type="button" className={styles['problem']} onClick={() => onJump(file, { line, column })}>
          <code>
            {file}:{line}:{column}
          </code>
          <span>
            {message}
            {hint !== null && hint !== '' && <span className={styles['hint']}>{hint}</span>}
          </span>
        </button>
      ))}
    </section>
  );
}
