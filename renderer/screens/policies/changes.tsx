import type { ReactNode } from 'react';
import { Tag } from '../../kit/badge.tsx';
import { Code } from '../../kit/code.tsx';
import { Diff } from '../../kit/diff.tsx';
import styles from './policies.module.css';
import type { FileChange } from './policy-set.ts';

/** What changed, file by file. */
export function Changes({ of, sideBySide = false }: { of: readonly FileChange[]; sideBySide?: boolean }): ReactNode {
  return of.map(({ name, kind, before, after }) => (
    <section key={name} className={styles['change']} aria-label={`${name}: ${kind}`}>
      <h3 className={styles['changeName']}>
        <code>{name}</code>
        <Tag>{kind}</Tag>
      </h3>
      {kind === 'changed' ? (
        <Diff label={`Changes of ${name}`} before={before} after={after} language="cedar" sideBySide={sideBySide} />
      ) : (
        <Code text={kind === 'added' ? after : before} language="cedar" label={`${name}, ${kind}`} />
      )}
    </section>
  ));
}
