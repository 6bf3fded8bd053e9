import type { ReactNode } from 'react';
import { usePlace } from '../../data/place.ts';
import { useMay } from '../../data/outside.tsx';
import { Page } from '../../kit/page.tsx';
import { Tabs } from '../../kit/tabs.tsx';
import { AccountDetail } from './account-detail.tsx';
import { AccountList } from './account-list.tsx';
import { PeopleList } from './people-list.tsx';
import { PersonDetail } from './person-detail.tsx';
import styles from './principals.module.css';

/** `principals/accounts/…` and `principals/people/…`: then `~add`, `~find/TEXT` or a name. */
export function Screen(): ReactNode {
  const { path, replace } = usePlace();
  const mayAccounts = useMay('administrator', 'auditor');
  const [tab = mayAccounts ? 'accounts' : 'people', name = ''] = path;
  if (name !== '' && !name.startsWith('~')) return tab === 'people' ? <PersonDetail key={name} name={name} /> : <AccountDetail key={name} name={name} />;
  return (
    <Page
      title="Principals"
      description="Service accounts call resources with tokens. People decide on requests and administer with keys that never leave their machines."
      filled
    >
      <div className={styles['tabs']}>
        <Tabs
          label="Kinds of principals"
          selected={tab}
          onSelect={(next) => replace(next)}
          items={[
            { id: 'accounts', label: 'Service accounts', content: <AccountList /> },
            { id: 'people', label: 'People', content: <PeopleList /> },
          ]}
        />
      </div>
    </Page>
  );
}
