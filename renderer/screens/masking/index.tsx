import type { ReactNode } from 'react';
import { useAppliance } from '../../data/outside.tsx';
import { usePlace } from '../../data/place.ts';
import { Page } from '../../kit/page.tsx';
import { Tabs } from '../../kit/tabs.tsx';
import { Ledger } from './ledger.tsx';
import { readPlace, writePlace, type MaskingPlace } from './place-of-masking.ts';
import { Rules } from './rules.tsx';
import { TryIt } from './try-it.tsx';
import styles from './masking.module.css';

/** What is hidden in replies, how often it was, and what would be. Addresses: `place-of-masking.ts`. */
export function Screen(): ReactNode {
  const { id } = useAppliance();
  const { path, replace } = usePlace();
  const place = readPlace(path);
  const change = (part: Partial<MaskingPlace>): void => replace(...writePlace({ ...place, ...part }));
  return (
    <Page
      title="Masking"
      description="Card data is masked before a caller sees it: in tagged columns always, elsewhere where the detector recognises it."
      filled
    >
      <div className={styles['tabs']}>
        <Tabs
          label="Masking"
          selected={place.tab}
          onSelect={(tab) => replace(tab)}
          items={[
            {
              id: 'rules',
              label: 'Rules',
              content: <Rules key={id} filter={place.filter} onFilter={(part) => change({ filter: { ...place.filter, ...part } })} />,
            },
            { id: 'ledger', label: 'Ledger', content: <Ledger period={place.period} onPeriod={(period) => change({ period })} /> },
            { id: 'try', label: 'Try it', content: <TryIt /> },
          ]}
        />
      </div>
    </Page>
  );
}
