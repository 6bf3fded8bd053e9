import { Database, Plus } from 'lucide-react';
import { useEffect, type ReactNode } from 'react';
import type { ResourceView } from '../../../proxy/contract/api-views.ts';
import { usePages } from '../../data/calls.ts';
import { usePlace } from '../../data/place.ts';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { Tag } from '../../kit/badge.tsx';
import { DataTable, type Column } from '../../kit/data-table.tsx';
import { SearchField } from '../../kit/field.tsx';
import { Page, Toolbar } from '../../kit/page.tsx';
import { Empty } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { AddResource } from './add-resource.tsx';
import { TlsState } from './tls-state.tsx';

const columns: readonly Column<ResourceView>[] = [
  { id: 'name', title: 'Name', width: 'minmax(140px, 1.2fr)', mono: true, cell: ({ name }) => name, sortBy: ({ name }) => name },
  { id: 'protocol', title: 'Protocol', width: '96px', cell: ({ protocol }) => <Tag>{protocol}</Tag>, sortBy: ({ protocol }) => protocol },
  { id: 'target', title: 'Target', width: 'minmax(180px, 2fr)', mono: true, cell: ({ host, port }) => `${host}:${port}`, sortBy: ({ host }) => host },
  { id: 'database', title: 'Database', width: 'minmax(96px, 1fr)', mono: true, cell: ({ database }) => database, sortBy: ({ database }) => database },
  { id: 'tls', title: 'TLS to target', width: '136px', cell: ({ tls }) => <TlsState of={tls.mode} /> },
  {
    id: 'port',
    title: 'Own port',
    width: '88px',
    align: 'end',
    mono: true,
    cell: ({ listenPort }) => ownPort(listenPort),
    sortBy: ({ listenPort }) => listenPort ?? 0,
  },
  { id: 'created', title: 'Added', width: '128px', cell: ({ createdAt }) => <Time at={createdAt} />, sortBy: ({ createdAt }) => createdAt },
];

export function ownPort(listenPort: number | null): string {
  return listenPort === null ? '–' : listenPort === 0 ? 'any free' : String(listenPort);
}

export function ResourceList(): ReactNode {
  const { path, open, replace } = usePlace();
  const [verb, sought = ''] = path;
  const text = verb === '~find' ? sought : '';
  const pages = usePages('listResources', { limit: 200 });
  const { more, loadMore, fetching } = pages;
  // the service does not search them: to find one, all are read
  useEffect(() => {
    if (text !== '' && more && !fetching) loadMore();
  }, [fetching, loadMore, more, text]);
  const need = useNeed('administrator');
  const rows = text === '' ? pages.items : pages.items.filter((resource) => matches(resource, text));
  const add = (
    <ActionButton variant="primary" reason={need} onPress={() => open('~add')}>
      <Plus size={14} aria-hidden />
      Add resource
    </ActionButton>
  );
  return (
    <Page title="Resources" description="What callers reach through Postern. They never learn the account or its password." actions={add} filled>
      <Toolbar>
        <SearchField
          label="Search resources"
          value={text}
          onChange={(now) => {
            if (now === '') replace();
            else replace('~find', now);
          }}
        />
      </Toolbar>
      <DataTable
        label="Resources"
        columns={columns}
        rows={rows}
        idOf={({ id }) => id}
        onOpen={({ name }) => open(name)}
        loading={pages.loading}
        fault={pages.fault}
        again={pages.again}
        onEnd={loadMore}
        more={more}
        empty={
          text === '' ? <NoResources add={add} /> : <Empty title={`No resource matches “${text}”`}>Search looks at name, target, database and account.</Empty>
        }
      />
      <AddResource open={verb === '~add' && need === undefined} onClose={() => replace()} onDone={(name) => replace(name)} />
    </Page>
  );
}

function NoResources({ add }: { add: ReactNode }): ReactNode {
  return (
    <Empty title="There is no resource yet" icon={Database} actions={add}>
      A resource is a database that callers reach through Postern: its address, and the account Postern logs in with. Add one and test it; then create a service
      account with a token.
    </Empty>
  );
}

function matches({ name, host, port, database, account }: ResourceView, text: string): boolean {
  const wanted = text.toLowerCase();
  return [name, `${host}:${port}`, database, account].some((part) => part.toLowerCase().includes(wanted));
}
