import { Bot, Plus } from 'lucide-react';
import type { ReactNode } from 'react';
import type { ServiceAccountView } from '../../../proxy/contract/api-views.ts';
import { usePages } from '../../data/calls.ts';
import { usePlace } from '../../data/place.ts';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { State } from '../../kit/badge.tsx';
import { DataTable, type Column } from '../../kit/data-table.tsx';
import { SearchField } from '../../kit/field.tsx';
import { Toolbar } from '../../kit/page.tsx';
import { Empty } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { AccountForm } from './account-form.tsx';
import { useFinding } from './finding.ts';
import { Groups } from './groups.tsx';
import { groupsOf } from './person-form.ts';

const columns: readonly Column<ServiceAccountView>[] = [
  { id: 'name', title: 'Name', width: 'minmax(140px, 1fr)', mono: true, cell: ({ name }) => name, sortBy: ({ name }) => name },
  {
    id: 'state',
    title: 'State',
    width: '104px',
    cell: ({ disabled }) => <State of={disabled ? 'disabled' : 'enabled'} />,
    sortBy: ({ disabled }) => Number(disabled),
  },
  { id: 'owner', title: 'Owner', width: 'minmax(140px, 1fr)', cell: ({ owner }) => owner, sortBy: ({ owner }) => owner },
  { id: 'purpose', title: 'Purpose', width: 'minmax(160px, 1.6fr)', cell: ({ purpose }) => <span title={purpose}>{purpose}</span> },
  { id: 'groups', title: 'Groups', width: 'minmax(216px, 1.2fr)', cell: ({ groups }) => <Groups of={groups} /> },
  { id: 'created', title: 'Created', width: '128px', cell: ({ createdAt }) => <Time at={createdAt} />, sortBy: ({ createdAt }) => createdAt },
];

export function AccountList(): ReactNode {
  const { path, open, replace } = usePlace();
  const pages = usePages('listServiceAccounts', { limit: 200 });
  const { text, setText, rows } = useFinding('accounts', pages, ({ name, owner, purpose, groups }) => [name, owner, purpose, ...groups]);
  const need = useNeed('administrator');
  const add = (
    <ActionButton variant="primary" reason={need} onPress={() => open('accounts', '~add')}>
      <Plus size={14} aria-hidden />
      Create service account
    </ActionButton>
  );
  return (
    <>
      <Toolbar end={add}>
        <SearchField label="Search service accounts" value={text} onChange={setText} />
      </Toolbar>
      <DataTable
        label="Service accounts"
        columns={columns}
        rows={rows}
        idOf={({ id }) => id}
        onOpen={({ name }) => open('accounts', name)}
        loading={pages.loading}
        fault={pages.fault}
        again={pages.again}
        onEnd={pages.loadMore}
        more={pages.more}
        empty={
          text === '' ? (
            <Empty title="There is no service account yet" icon={Bot} actions={need === undefined && add}>
              A service account is a program, a pipeline or an agent that calls resources. It has an owner, groups that policies name, and tokens.
            </Empty>
          ) : (
            <Empty title={`No service account matches “${text}”`}>Search looks at name, owner, purpose and groups.</Empty>
          )
        }
      />
      {path[1] === '~add' && need === undefined && (
        <AccountForm account={null} proposals={groupsOf(pages.items)} onClose={() => replace('accounts')} onDone={(name) => replace('accounts', name)} />
      )}
    </>
  );
}
