import { SquareTerminal } from 'lucide-react';
import { useEffect, useState, type ReactNode } from 'react';
import type { SessionView } from '../../../proxy/contract/api-views.ts';
import { usePages } from '../../data/calls.ts';
import { usePlace } from '../../data/place.ts';
import { State } from '../../kit/badge.tsx';
import { Button } from '../../kit/button.tsx';
import { DataTable, type Column } from '../../kit/data-table.tsx';
import { SearchField } from '../../kit/field.tsx';
import { Page, Toolbar } from '../../kit/page.tsx';
import { Select } from '../../kit/select.tsx';
import { Empty } from '../../kit/states.tsx';
import { duration, Time, useNow } from '../../kit/time.tsx';
import { KillButton } from './kill.tsx';
import type { SessionsPlace, StateFilter } from './place-of-sessions.ts';
import styles from './sessions.module.css';

interface SessionListProps {
  readonly place: SessionsPlace;
  readonly onChange: (part: Partial<SessionsPlace>) => void;
}

const stateOptions = [
  { value: 'live', label: 'Live' },
  { value: 'ended', label: 'Ended' },
  { value: 'all', label: 'All' },
] as const;
const pageSize = 500;
const number = new Intl.NumberFormat('en-GB');

export function SessionList({ place, onChange }: SessionListProps): ReactNode {
  const { state, principal, resource } = place;
  const { open } = usePlace();
  const pages = usePages('listSessions', {
    limit: pageSize,
    ...(state !== 'all' && { state }),
    ...(principal !== '' && { principal }),
    ...(resource !== '' && { resource }),
  });
  const isFiltered = principal !== '' || resource !== '';
  const count = `${number.format(pages.items.length)}${pages.more ? ' loaded' : ''}`;
  return (
    <Page title="Sessions" description="Who is at which resource, and what was recorded of it." filled>
      <Toolbar end={<span className={styles['muted']}>{pages.loading ? '' : count}</span>}>
        <NameFilter label="Principal" value={principal} onChange={(value) => onChange({ principal: value })} />
        <NameFilter label="Resource" value={resource} onChange={(value) => onChange({ resource: value })} />
        <Select<StateFilter> inline label="State" value={state} onChange={(value) => onChange({ state: value })} options={stateOptions} />
      </Toolbar>
      <DataTable
        label="Sessions"
        columns={columns}
        rows={pages.items}
        idOf={({ id }) => id}
        onOpen={(session) => open(session.id, session.state === 'live' ? 'watch' : 'replay')}
        loading={pages.loading}
        fault={pages.fault}
        again={pages.again}
        onEnd={pages.loadMore}
        more={pages.more}
        empty={<NoSessions state={state} isFiltered={isFiltered} onClear={() => onChange({ principal: '', resource: '' })} />}
      />
    </Page>
  );
}

const applyMs = 300;

/** The service compares whole names, so the name is sent when the writing pauses. */
function NameFilter({ label, value, onChange }: { label: string; value: string; onChange: (value: string) => void }): ReactNode {
  const [text, setText] = useState(value);
  const [applied, setApplied] = useState(value);
  if (applied !== value) {
    // the address changed from elsewhere
    setApplied(value);
    setText(value);
  }
  useEffect(() => {
    if (text.trim() === value) return;
    const timer = setTimeout(() => onChange(text.trim()), applyMs);
    return () => clearTimeout(timer);
  }, [onChange, text, value]);
  return <SearchField label={label} placeholder={`${label}, whole name`} value={text} onChange={setText} />;
}

const columns: readonly Column<SessionView>[] = [
  { id: 'state', title: 'State', width: '92px', cell: ({ state }) => <State of={state} /> },
  {
    id: 'principal',
    title: 'Principal',
    width: 'minmax(120px, 1.2fr)',
    sortBy: ({ principal }) => principal,
    cell: ({ principal }) => <strong>{principal}</strong>,
  },
  {
    id: 'resource',
    title: 'Resource',
    width: 'minmax(120px, 1.4fr)',
    sortBy: ({ resource }) => resource,
    cell: ({ resource, database }) => (database === '' || database === resource ? resource : `${resource}/${database}`),
  },
  { id: 'account', title: 'Account', width: 'minmax(80px, 1fr)', mono: true, cell: ({ account }) => account },
  { id: 'address', title: 'From', width: 'minmax(100px, 1fr)', mono: true, cell: ({ address }) => address },
  { id: 'started', title: 'Began', width: '130px', sortBy: ({ startedAt }) => startedAt, cell: ({ startedAt }) => <Time at={startedAt} /> },
  { id: 'length', title: 'Length', width: '92px', align: 'end', cell: (session) => <Length session={session} /> },
  {
    id: 'operations',
    title: 'Commands',
    width: '98px',
    align: 'end',
    sortBy: ({ operations }) => operations,
    cell: ({ operations }) => number.format(operations),
  },
  { id: 'act', title: '', width: '84px', align: 'end', cell: (session) => (session.state === 'live' ? <KillButton session={session} small /> : null) },
];

function Length({ session: { startedAt, endedAt } }: { session: SessionView }): ReactNode {
  const now = useNow();
  const seconds = ((endedAt === null ? now : Date.parse(endedAt)) - Date.parse(startedAt)) / 1_000;
  return duration(seconds);
}

function NoSessions({ state, isFiltered, onClear }: { state: StateFilter; isFiltered: boolean; onClear: () => void }): ReactNode {
  if (isFiltered) {
    return (
      <Empty title="No session fits the filter" icon={SquareTerminal} actions={<Button onPress={onClear}>Clear filter</Button>}>
        Names are compared whole.
      </Empty>
    );
  }
  return (
    <Empty title={state === 'live' ? 'No session is live' : 'No session was recorded yet'} icon={SquareTerminal}>
      {state === 'live'
        ? 'A session appears here as soon as somebody connects. Choose Ended to see earlier ones.'
        : 'A session appears here when somebody connects to a resource.'}
    </Empty>
  );
}
