import { Download, FileSearch } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import type { AuditEventView } from '../../../proxy/contract/api-views.ts';
import { useBridge } from '../../data/outside.tsx';
import { Button } from '../../kit/button.tsx';
import { DataTable, type Column } from '../../kit/data-table.tsx';
import { Switch } from '../../kit/field.tsx';
import { Empty, Notice } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { EventDrawer } from './event-drawer.tsx';
import { actorOf, jsonLines, summaryOf, textOf } from './event-header.ts';
import { Filters } from './filters.tsx';
import { Outcome } from './outcome.tsx';
import { isFiltered, noFilters, type AuditPlace } from './place-of-audit.ts';
import { useEvents, type Events } from './use-events.ts';
import styles from './audit.module.css';

interface SearchProps {
  readonly place: AuditPlace;
  readonly onChange: (part: Partial<AuditPlace>) => void;
}

const number = new Intl.NumberFormat('en-GB');

export function Search({ place, onChange }: SearchProps): ReactNode {
  const { filters, event } = place;
  const [live, setLive] = useState(false);
  const [upTo, setUpTo] = useState(-1);
  const events = useEvents(filters, { live, upTo });
  const { pages, rows, fresh, wrong } = events;
  const change = (part: Partial<typeof filters>): void => onChange({ filters: { ...filters, ...part } });
  return (
    <>
      <Filters filters={filters} wrong={wrong} onChange={change} end={<Tools rows={rows} live={live} setLive={setLive} />} />
      {fresh.length > 0 && (
        <div className={styles['fresh']}>
          <Button small variant="primary" onPress={() => setUpTo(fresh.at(-1)?.index ?? upTo)}>
            {number.format(fresh.length)} new
          </Button>
        </div>
      )}
      {live && events.tail.state === 'ended' && <Notice tone="warn">{events.tail.fault?.message ?? 'The live view ended.'} Turn Live off and on again.</Notice>}
      {live && events.tail.state === 'lost' && <Notice tone="warn">{events.tail.why}</Notice>}
      <DataTable
        label="Audit events"
        columns={columns}
        rows={rows}
        idOf={({ index }) => String(index)}
        onOpen={({ index }) => onChange({ event: index })}
        selected={event === null ? undefined : String(event)}
        loading={pages.loading}
        fault={pages.fault}
        again={pages.again}
        onEnd={pages.loadMore}
        more={pages.more}
        empty={<Nothing place={place} events={events} onClear={() => change(noFilters)} />}
      />
      <Foot events={events} />
      {event !== null && <EventDrawer key={event} index={event} rows={rows} filters={filters} onGo={(index) => onChange({ event: index })} />}
    </>
  );
}

interface ToolsProps {
  readonly rows: Events['rows'];
  readonly live: boolean;
  readonly setLive: (live: boolean) => void;
}

function Tools({ rows, live, setLive }: ToolsProps): ReactNode {
  const bridge = useBridge();
  const toast = useToast();
  const save = (): void => {
    const name = `audit-events-${new Date().toISOString().slice(0, 10)}.jsonl`;
    bridge.saveText(name, jsonLines(rows)).then(
      (saved) => saved && toast({ tone: 'good', text: `${number.format(rows.length)} events were saved.` }),
      () => toast({ tone: 'bad', text: 'They could not be saved.' }),
    );
  };
  return (
    <span className={styles['tools']}>
      <Switch checked={live} onChange={setLive}>
        Live
      </Switch>
      <Button disabled={rows.length === 0} onPress={save} label="Export the shown events as JSON lines">
        <Download size={14} aria-hidden />
        Export
      </Button>
    </span>
  );
}

/** How much of the log is on the screen, and the way further back where scrolling does not reach. */
function Foot({ events: { pages, rows } }: { events: Events }): ReactNode {
  if (pages.loading || rows.length === 0) return null;
  return (
    <div className={styles['foot']}>
      <span role="status">{`${number.format(rows.length)} ${pages.more ? 'events loaded, there are older ones' : 'events found'}`}</span>
      {pages.more && (
        <Button small variant="quiet" pending={pages.fetching} onPress={pages.loadMore}>
          Load older
        </Button>
      )}
    </div>
  );
}

const columns: readonly Column<AuditEventView>[] = [
  { id: 'index', title: 'No.', width: '76px', align: 'end', mono: true, cell: ({ index }) => index },
  { id: 'at', title: 'Time', width: '168px', cell: ({ header }) => <Time at={textOf(header, 'at')} exact /> },
  { id: 'code', title: 'Event', width: 'minmax(200px, 1.1fr)', mono: true, cell: ({ header }) => textOf(header, 'code') },
  { id: 'outcome', title: 'Outcome', width: '104px', cell: ({ header }) => <Outcome of={textOf(header, 'outcome')} /> },
  { id: 'who', title: 'Who', width: 'minmax(100px, 0.8fr)', cell: ({ header }) => actorOf(header).name },
  { id: 'affected', title: 'Affected', width: 'minmax(110px, 0.9fr)', mono: true, cell: ({ header }) => textOf(header, 'affected') },
  { id: 'what', title: 'What', width: 'minmax(160px, 2fr)', cell: (event) => <What of={event} /> },
];

function What({ of: { header, body } }: { of: AuditEventView }): ReactNode {
  const isCommand = textOf(header, 'code').startsWith('operation.') && body !== null;
  const text = isCommand ? body.slice(0, 300).replaceAll(/\s+/g, ' ') : summaryOf(header);
  return isCommand ? <code title={text}>{text}</code> : <span title={text}>{text}</span>;
}

function Nothing({ place, events: { pages, wrong }, onClear }: { place: AuditPlace; events: Events; onClear: () => void }): ReactNode {
  const clear = isFiltered(place.filters) && <Button onPress={onClear}>Clear filters</Button>;
  if (Object.keys(wrong).length > 0) {
    return (
      <Empty title="Nothing was searched" icon={FileSearch} actions={clear}>
        {Object.values(wrong).join(' ')}
      </Empty>
    );
  }
  if (pages.more) {
    const further = (
      <>
        <Button variant="primary" pending={pages.fetching} onPress={pages.loadMore}>
          Search further back
        </Button>
        {clear}
      </>
    );
    return (
      <Empty title="Nothing in the newest events" icon={FileSearch} actions={further}>
        One search looks at some ten thousand events. Older ones were not looked at yet.
      </Empty>
    );
  }
  return (
    <Empty title="No event fits" icon={FileSearch} actions={clear}>
      The whole log was searched. Names and ids are compared whole; text is compared as it is written.
    </Empty>
  );
}
