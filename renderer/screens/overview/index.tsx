import type { ReactNode } from 'react';
import { useMay } from '../../data/outside.tsx';
import { Page } from '../../kit/page.tsx';
import { FirstRun } from './first-run.tsx';
import { NeedsMe } from './needs-me.tsx';
import { Numbers } from './numbers.tsx';
import { StateLine } from './state-line.tsx';
import styles from './overview.module.css';

/** How it stands, and what waits for this person. */
export function Screen(): ReactNode {
  const mayRead = useMay('administrator', 'auditor');
  const mayChange = useMay('administrator');
  return (
    <Page title="Overview" description="How the service stands, and what waits for you.">
      <div className={styles['stack']}>
        <StateLine />
        {mayChange && <FirstRun />}
        <NeedsMe />
        {mayRead && <Numbers />}
      </div>
    </Page>
  );
}
