import { MousePointerClick } from 'lucide-react';
import type { ReactNode } from 'react';
import { useAppliance } from '../../data/outside.tsx';
import { useGo, usePlace } from '../../data/place.ts';
import { Page } from '../../kit/page.tsx';
import { Empty } from '../../kit/states.tsx';
import { Tabs } from '../../kit/tabs.tsx';
import { useEscape } from '../../kit/use-escape.ts';
import { Grants } from './grants.tsx';
import { readPlace, tabs, writePlace, type RequestsPlace, type TabId } from './place-of-requests.ts';
import { RequestDetail } from './request-detail.tsx';
import { History, PendingList } from './request-list.tsx';
import { useInbox, type InboxRow } from './use-inbox.ts';
import styles from './requests.module.css';

/** What waits for people, all of it on one screen: the list, and beside it what is asked for. */
export function Screen(): ReactNode {
  const { path, open, replace } = usePlace();
  const place = readPlace(path);
  const inbox = useInbox();
  const go = useGo();
  const { id: here } = useAppliance();
  const openRow = ({ appliance, request }: InboxRow): void => go('requests', writePlace({ ...place, request: request.id, compare: null }), appliance.id);
  const next = inbox.waiting.find(({ appliance, request }) => appliance.id !== here || request.id !== place.request) ?? null;
  const change = (part: Partial<RequestsPlace>): void => replace(...writePlace({ ...place, ...part }));
  useEscape(() => place.request !== null && change({ request: null, compare: null }));
  const list = { place, onOpen: openRow, onSearch: (search: string) => change({ search }) };
  const content: Readonly<Record<TabId, ReactNode>> = {
    waiting: <PendingList {...list} rows={inbox.waiting} inbox={inbox} mine />,
    pending: <PendingList {...list} rows={inbox.pending} inbox={inbox} mine={false} />,
    history: <History {...list} />,
    grants: <Grants />,
  };
  const labels: Readonly<Record<TabId, string>> = { waiting: 'Waiting for me', pending: 'All pending', history: 'History', grants: 'Accesses' };
  const counts: Readonly<Partial<Record<TabId, number>>> = inbox.loading ? {} : { waiting: inbox.waiting.length, pending: inbox.pending.length };
  const detail =
    place.request === null ? (
      <NothingOpen />
    ) : (
      <RequestDetail
        key={`${here} ${place.request}`}
        id={place.request}
        next={next}
        onNext={openRow}
        compare={place.compare}
        onCompare={(compare) => change({ compare })}
      />
    );
  return (
    <Page title="Requests" description="Commands and accesses that wait for people, and how they ended." filled>
      <div className={styles['tabs']}>
        <Tabs
          label="Requests"
          selected={place.tab}
          onSelect={(tab) => open(...writePlace({ ...place, tab: tabs.find((id) => id === tab) ?? 'waiting' }))}
          items={tabs.map((id) => ({
            id,
            label: labels[id],
            count: counts[id],
            content:
              id === 'grants' ? (
                content[id]
              ) : (
                <div className={styles['split']}>
                  <div className={styles['inbox']}>{content[id]}</div>
                  <section className={styles['detail']} aria-label="Request">
                    {detail}
                  </section>
                </div>
              ),
          }))}
        />
      </div>
    </Page>
  );
}

function NothingOpen(): ReactNode {
  return (
    <Empty title="No request is open" icon={MousePointerClick}>
      Choose one in the list; j and k move, Enter opens.
    </Empty>
  );
}
