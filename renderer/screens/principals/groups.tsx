import type { ReactNode } from 'react';
import { Tag } from '../../kit/badge.tsx';
import styles from './principals.module.css';

/** Groups or roles; `wrap`: all of them, in as many lines as it takes. */
export function Groups({ of, wrap = false, none = '–' }: { of: readonly string[]; wrap?: boolean; none?: string }): ReactNode {
  if (of.length === 0) return <span className={styles['muted']}>{none}</span>;
  return (
    <span className={styles[wrap ? 'wrapped' : 'groups']} title={of.join(', ')}>
      {of.map((group) => (
        <Tag key={group}>{group}</Tag>
      ))}
    </span>
  );
}
