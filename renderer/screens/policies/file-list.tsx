import { CircleAlert } from 'lucide-react';
import type { KeyboardEvent, ReactNode } from 'react';
import type { Fault } from '../../../proxy/contract/api-views.ts';
import { cx } from '../../kit/css.ts';
import styles from './policies.module.css';
import { changesOf, type PolicyDraft } from './policy-set.ts';

interface FileListProps {
  readonly draft: PolicyDraft;
  readonly faults: readonly Fault[];
  readonly onOpen: (name: string) => void;
}

/** The files; j and k move, Enter opens. */
export function FileList({ draft, faults, onOpen }: FileListProps): ReactNode {
  const kinds = new Map(changesOf(draft).map(({ name, kind }) => [name, kind]));
  const gone = [...kinds].filter(([, kind]) => kind === 'removed').map(([name]) => name);
  return (
    <nav className={styles['files']} aria-label="Policy files" onKeyDown={move}>
      <ul>
        {draft.files.map(({ name }) => {
          const count = faults.filter(({ file }) => file === name).length;
          const kind = kinds.get(name);
          return (
            <li key={name}>
              <button type="button" className={styles['file']} aria-current={name === draft.open} title={name} onClick={() => onOpen(name)}>
                <span>{name}</span>
                {kind !== undefined && <span className={styles['mark']}>{kind}</span>}
                {count > 0 && (
                  <span className={cx(styles['mark'], styles['bad'])}>
                    <CircleAlert size={12} aria-label={count === 1 ? '1 problem' : `${count} problems`} /> {count}
                  </span>
                )}
              </button>
            </li>
          );
        })}
      </ul>
      {gone.length > 0 && <p className={cx(styles['muted'], styles['problemsHead'])}>Removed: {gone.join(', ')}</p>}
    </nav>
  );
}

function move(event: KeyboardEvent<HTMLElement>): void {
  const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  const buttons = [...event.currentTarget.querySelectorAll('button')];
  const at = buttons.findIndex((button) => button === document.activeElement);
  buttons[Math.max(0, Math.min(buttons.length - 1, at + step))]?.focus();
  event.preventDefault();
}
