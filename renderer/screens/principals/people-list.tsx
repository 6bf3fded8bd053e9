import { Plus, UserRound } from 'lucide-react';
import type { ReactNode } from 'react';
import type { User } from '../../../proxy/contract/user.ts';
import { usePages } from '../../data/calls.ts';
import { usePlace } from '../../data/place.ts';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { Badge } from '../../kit/badge.tsx';
import { DataTable, type Column } from '../../kit/data-table.tsx';
import { SearchField } from '../../kit/field.tsx';
import { Toolbar } from '../../kit/page.tsx';
import { Empty } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { useFinding } from './finding.ts';
import { Groups } from './groups.tsx';
import { PersonForm } from './person-drawer.tsx';
import { groupsOf } from './person-form.ts';

export function PersonState({ of: { disabled, key } }: { of: Pick<User, 'disabled' | 'key'> }): ReactNode {
  if (disabled) return <Badge tone="quiet">Disabled</Badge>;
  return key === null ? <Badge tone="wait">Not enrolled</Badge> : <Badge tone="good">Enrolled</Badge>;
}

const columns: readonly Column<User>[] = [
  { id: 'name', title: 'Name', width: 'minmax(120px, 1fr)', mono: true, cell: ({ name }) => name, sortBy: ({ name }) => name },
  { id: 'human', title: 'Person', width: 'minmax(160px, 1.4fr)', cell: ({ human }) => <span title={human}>{human}</span>, sortBy: ({ human }) => human },
  {
    id: 'state',
    title: 'Key',
    width: '128px',
    cell: (user) => <PersonState of={user} />,
    sortBy: ({ disabled, key }) => (disabled ? 2 : key === null ? 1 : 0),
  },
  { id: 'groups', title: 'Decides for groups', width: 'minmax(140px, 1.2fr)', cell: ({ groups }) => <Groups of={groups} none="none" /> },
  { id: 'roles', title: 'Roles', width: 'minmax(176px, 1fr)', cell: ({ roles }) => <Groups of={roles} /> },
  {
    id: 'enrolled',
    title: 'Enrolled',
    width: '128px',
    cell: ({ key }) => (key === null ? '–' : <Time at={key.enrolledAt} />),
    sortBy: ({ key }) => key?.enrolledAt ?? '',
  },
];

export function PeopleList(): ReactNode {
  const { path, open, replace } = usePlace();
  const pages = usePages('listUsers', { limit: 200 });
  const { text, setText, rows } = useFinding('people', pages, ({ name, human, groups, roles }) => [name, human, ...groups, ...roles]);
  const need = useNeed('administrator');
  const add = (
    <ActionButton variant="primary" reason={need} onPress={() => open('people', '~add')}>
      <Plus size={14} aria-hidden />
      Add person
    </ActionButton>
  );
  return (
    <>
      <Toolbar end={add}>
        <SearchField label="Search people" value={text} onChange={setText} />
      </Toolbar>
      <DataTable
        label="People"
        columns={columns}
        rows={rows}
        idOf={({ id }) => id}
        onOpen={({ name }) => open('people', name)}
        loading={pages.loading}
        fault={pages.fault}
        again={pages.again}
        onEnd={pages.loadMore}
        more={pages.more}
        empty={
          text === '' ? (
            <Empty title="There is nobody yet" icon={UserRound} actions={need === undefined && add}>
              Add who decides on requests or administers. They enrol a key of their own with a one-time code.
            </Empty>
          ) : (
            <Empty title={`Nobody matches “${text}”`}>Search looks at name, person, groups and roles.</Empty>
          )
        }
      />
      {path[1] === '~add' && need === undefined && (
        <PersonForm user={null} proposals={groupsOf(pages.items)} onClose={() => replace('people')} onDone={(name) => replace('people', name)} />
      )}
    </>
  );
}
