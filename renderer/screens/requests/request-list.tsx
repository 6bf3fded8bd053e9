import { CircleCheck, History as HistoryIcon, Search } from 'lucide-react';
import type { ReactNode } from 'react';
import { usePages } from '../../data/calls.ts';
import { useAppliance, useAppliances } from '../../data/outside.tsx';
import { State } from '../../kit/badge.tsx';
import { Code } from '../../kit/code.tsx';
import { cx } from '../../kit/css.ts';
import { DataTable, type Column } from '../../kit/data-table.tsx';
import { SearchField } from '../../kit/field.tsx';
import { Empty, Notice } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { isCall } from './call-text.ts';
import { countdownTo } from './countdown.ts';
import type { RequestsPlace } from './place-of-requests.ts';
import { shortOf, span } from './sentence.ts';
import { approvalsOf } from './timeline.ts';
import type { Inbox, InboxRow } from './use-inbox.ts';
import { useSecond } from './use-second.ts';
import { matches, previewOf } from './waiting.ts';
import styles from './requests.module.css';

interface ListProps {
  readonly place: RequestsPlace;
  readonly onOpen: (row: InboxRow) => void;
  readonly onSearch: (search: string) => void;
}

export function PendingList({ place, onOpen, onSearch, rows, inbox, mine }: ListProps & { rows: readonly InboxRow[]; inbox: Inbox; mine: boolean }): ReactNode {
  const now = useSecond(rows.length > 0);
  const shown = rows.filter(({ request }) => matches(request, place.search));
  const left: Column<InboxRow> = {
    id: 'left',
    title: 'Left',
    width: '84px',
    align: 'end',
    cell: ({ request }) => <Left expiresAt={request.canonical.expiresAt} now={now} />,
  };
  return (
    <>
      <SearchField label="Search requests" value={place.search} onChange={onSearch} />
      {inbox.faults.map(({ appliance, fault }) => (
        <Notice key={appliance.id} tone="warn">
          {appliance.name}: {fault.message}
        </Notice>
      ))}
      <DataTable
        label={mine ? 'Requests that wait for me' : 'Pending requests'}
        columns={[useRequestColumn(), left]}
        rows={shown}
        idOf={rowId}
        onOpen={onOpen}
        selected={useSelected(place)}
        loading={inbox.loading}
        empty={place.search === '' ? <NothingWaits mine={mine} /> : <NothingFound />}
        tall
      />
      {inbox.isCut && <p className={styles['note']}>Only the newest 1,000 pending requests of a service are shown.</p>}
    </>
  );
}

/** How earlier requests of this service ended. */
export function History({ place, onOpen, onSearch }: ListProps): ReactNode {
  const appliance = useAppliance();
  const pages = usePages('listRequests', { limit: 100 });
  const rows = pages.items.filter(({ status }) => status !== 'pending').map((request) => ({ appliance, request }));
  const ended: Column<InboxRow> = { id: 'ended', title: 'Ended', width: '112px', align: 'end', cell: ({ request }) => <Ended request={request} /> };
  return (
    <>
      <SearchField label="Search requests" placeholder="Search in what is loaded" value={place.search} onChange={onSearch} />
      <DataTable
        label="Earlier requests"
        columns={[useRequestColumn(), ended]}
        rows={rows.filter(({ request }) => matches(request, place.search))}
        idOf={rowId}
        onOpen={onOpen}
        selected={useSelected(place)}
        loading={pages.loading}
        fault={pages.fault}
        again={pages.again}
        onEnd={pages.loadMore}
        more={pages.more}
        empty={
          place.search === '' ? (
            <Empty title="No request has ended yet" icon={HistoryIcon}>
              Approved, denied, expired and withdrawn requests stay here.
            </Empty>
          ) : (
            <NothingFound />
          )
        }
        tall
      />
    </>
  );
}

function rowId({ appliance, request }: InboxRow): string {
  return `${appliance.id} ${request.id}`;
}

function useSelected({ request }: RequestsPlace): string | undefined {
  const { id } = useAppliance();
  return request === null ? undefined : `${id} ${request}`;
}

/** Who wants what, and the beginning of the command; the service is named where there are several. */
function useRequestColumn(): Column<InboxRow> {
  const several = (useAppliances() ?? []).length > 1;
  return {
    id: 'request',
    title: 'Request',
    width: 'minmax(0, 1fr)',
    cell: ({ appliance, request }) => {
      const { principal, subject } = request.canonical;
      return (
        <div className={styles['row']}>
          <div className={styles['rowHead']}>
            <strong>{principal.name}</strong> {subject.kind === 'operation' ? shortOf(subject.acts, subject.resource) : `joins ${subject.joins}`}
            {request.canonical.terms.needed > 1 && ` · ${approvalsOf(request)} of ${request.canonical.terms.needed}`}
            {several && <span className={styles['muted']}> · {appliance.name}</span>}
          </div>
          <div className={styles['rowText']}>
            {subject.kind === 'operation' ? (
              <Code inline text={previewOf(subject.command)} language={isCall(subject.acts) ? 'text' : 'sql'} label="Command" />
            ) : (
              <span>for {span(subject.seconds)}</span>
            )}
          </div>
        </div>
      );
    },
  };
}

/** in a list seconds only count at the end */
const coarseSeconds = 120;

function Left({ expiresAt, now }: { expiresAt: string; now: number }): ReactNode {
  const { urgency, seconds } = countdownTo(expiresAt, now);
  return (
    <span className={cx(styles['left'], urgency !== 'calm' && styles['soon'])} title={expiresAt}>
      {urgency === 'over' ? 'Expired' : span(seconds < coarseSeconds ? seconds : Math.floor(seconds / 60) * 60)}
    </span>
  );
}

function Ended({ request }: { request: InboxRow['request'] }): ReactNode {
  return (
    <div className={styles['row']}>
      <div>
        <State of={request.status} />
      </div>
      <div className={styles['rowText']}>
        <Time at={request.closedAt ?? request.canonical.createdAt} />
      </div>
    </div>
  );
}

function NothingWaits({ mine }: { mine: boolean }): ReactNode {
  return (
    <Empty title={mine ? 'Nothing waits for you' : 'Nothing is pending'} icon={CircleCheck}>
      {mine ? 'A request of your groups appears here as soon as it is made.' : 'A request appears here as soon as policy asks for people.'}
    </Empty>
  );
}

function NothingFound(): ReactNode {
  return (
    <Empty title="Nothing fits the search" icon={Search}>
      Clear it to see all requests of this list.
    </Empty>
  );
}
