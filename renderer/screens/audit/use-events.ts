import { useEffect } from 'react';
import type { AuditEventView } from '../../../proxy/contract/api-views.ts';
import { usePages, type Pages } from '../../data/calls.ts';
import { useStream, type Stream } from '../../data/live.ts';
import { fits } from './event-header.ts';
import { queryOf, type Filters, type Query } from './place-of-audit.ts';

const pageSize = 200;
const mostTailed = 5_000;

export interface Events {
  readonly pages: Pages<AuditEventView>;
  readonly wrong: Query['wrong'];
  /** newest first: what was found, and above it what came since and was taken in */
  readonly rows: readonly AuditEventView[];
  /** events that came and are not shown yet; newest last */
  readonly fresh: readonly AuditEventView[];
  readonly tail: Pick<Stream<AuditEventView>, 'state' | 'why' | 'fault'>;
}

/** The search, and with `live` what is written while it is open. `upTo`: index up to which new events are shown. */
export function useEvents(filters: Filters, { live, upTo }: { live: boolean; upTo: number }): Events {
  const { input, wrong } = queryOf(filters);
  const isRight = Object.keys(wrong).length === 0;
  const pages = usePages('searchAudit', { ...input, limit: pageSize }, { enabled: isRight });
  const { items, state, why, fault } = useStream('tailAudit', { count: 0, follow: 'true' }, { enabled: live, max: mostTailed });
  const { again } = pages;
  const key = JSON.stringify(input);
  // what was found before the tail began may lack events between the two
  useEffect(() => {
    if (live && isRight) again();
  }, [again, isRight, key, live]);
  const newest = pages.items[0]?.index ?? -1;
  const came = live ? items.filter((event) => event.index > newest && fits(event, filters)) : [];
  return {
    pages,
    wrong,
    // what was found before the filter was wrong is no answer to it
    rows: isRight ? [...came.filter(({ index }) => index <= upTo).reverse(), ...pages.items] : [],
    fresh: came.filter(({ index }) => index > upTo),
    tail: { state, why, fault },
  };
}
