import { Database, Plus } from 'lucide-react';
import { useEffect, type ReactNode } from 'react';
import type { ResourceView } from '../../../proxy/contract/api-views.ts';
import { targetText } from '../../../proxy/contract/resource-target.ts';
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
import { webPath } from './web-connection.ts';
import styles from './resources.module.css';

const columns: readonly Column<ResourceView>[] = [
  { id: 'name', title: 'Name', width: 'minmax(140px, 1.2fr)', mono: true, cell: ({ name }) => name, sortBy: ({ name }) => name },
  { id: 'protocol', title: 'Protocol', width: '96px', cell: ({ protocol }) => <Tag>{protocol}</Tag>, sortBy: ({ protocol }) => protocol },
  {
    id: 'target',
    title: 'Target',
    width: 'minmax(180px, 2fr)',
    mono: true,
    cell: (resource) => <span title={targetText(resource)}>{targetText(resource)}</span>,
    sortBy: targetText,
  },
  { id: 'reached', title: 'Database or path', width: 'minmax(120px, 1fr)', mono: true, cell: reachedText, sortBy: reachedText },
  { id: 'tls', title: 'TLS to target', width: '136px', cell: (resource) => <TlsToTarget resource={resource} /> },
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
          text === '' ? <NoResources add={add} /> : <Empty title={`No resource matches “${text}”`}>Search looks at name, protocol, target and account.</Empty>
        }
      />
      <AddResource open={verb === '~add' && need === undefined} onClose={() => replace()} onDone={(name) => replace(name)} />
    </Page>
  );
}

function NoResources({ add }: { add: ReactNode }): ReactNode {
  return (
    <Empty title="There is no resource yet" icon={Database} actions={add}>
      A resource is a database, an HTTP API or an MCP server that callers reach through Postern: its address, and the credential Postern shows there. Add one
      and test it; then create a service account with a token.
    </Empty>
  );
}

/** What a caller writes to reach it: a database, or the path below the gateway. */
function reachedText(resource: ResourceView): string {
  return resource.protocol === 'postgres' ? resource.database : webPath(resource);
}

function TlsToTarget({ resource }: { resource: ResourceView }): ReactNode {
  if (resource.protocol === 'postgres') return <TlsState of={resource.tls.mode} />;
  const target = targetText(resource);
  return /^https?:/.test(target) ? <TlsState of={target.startsWith('https:') ? 'verify-full' : 'disable'} /> : <span className={styles['muted']}>–</span>;
}

function matches(resource: ResourceView, text: string): boolean {
  const wanted = text.toLowerCase();
  return [resource.name, resource.protocol, targetText(resource), reachedText(resource), resource.account].some((part) => part.toLowerCase().includes(wanted));
}
