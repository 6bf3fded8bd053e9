import type { ReactNode } from 'react';
import { usePlace } from '../../data/place.ts';
import { Page } from '../../kit/page.tsx';
import { Tabs } from '../../kit/tabs.tsx';
import { readPlace, writePlace, type AuditPlace } from './place-of-audit.ts';
import { Search } from './search.tsx';
import { Verify } from './verify.tsx';
import styles from './audit.module.css';

/** What was done, by whom, and the proof of it. Addresses: `place-of-audit.ts`. */
export function Screen(): ReactNode {
  const { path, open, replace } = usePlace();
  const place = readPlace(path);
  const change = (part: Partial<AuditPlace>): void => {
    const next = writePlace({ ...place, ...part });
    if (part.event === undefined) replace(...next);
    else open(...next);
  };
  return (
    <Page title="Audit" description="Every act is an event in a log that can only grow. Searching it is an event, too." filled>
      <div className={styles['tabs']}>
        <Tabs
          label="Audit"
          selected={place.tab}
          onSelect={(tab) => replace(tab)}
          items={[
            { id: 'search', label: 'Events', content: <Search place={place} onChange={change} /> },
            { id: 'verify', label: 'Verify', content: <Verify /> },
          ]}
        />
      </div>
    </Page>
  );
}
