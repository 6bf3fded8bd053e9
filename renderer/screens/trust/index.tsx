import { useEffect, type ReactNode } from 'react';
import { usePages } from '../../data/calls.ts';
import { usePlace } from '../../data/place.ts';
import { RuleDetail } from './rule-detail.tsx';
import { RuleList } from './rule-list.tsx';

/** `trust`, `trust/~add`, `trust/NAME`: whose tokens are believed, and as which service account their bearers come. */
export function Screen(): ReactNode {
  const { path } = usePlace();
  const pages = usePages('listTrustRules', { limit: 500 });
  const { more, fetching, loadMore } = pages;
  // one alone cannot be read: all are
  useEffect(() => {
    if (more && !fetching) loadMore();
  }, [fetching, loadMore, more]);
  const [first = ''] = path;
  return first === '' || first.startsWith('~') ? <RuleList pages={pages} /> : <RuleDetail key={first} name={first} pages={pages} />;
}
