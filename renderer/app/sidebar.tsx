import type { ReactNode } from 'react';
import { useCall, useCallEverywhere } from '../data/calls.ts';
import { useAppliance, useMay } from '../data/outside.tsx';
import { useLink, usePlace } from '../data/place.ts';
import { cx } from '../kit/css.ts';
import { screensFor, type ScreenEntry } from './screens.ts';
import styles from './shell.module.css';

const groups = ['Work', 'Things', 'Evidence', ''] as const;
const most = 99;

/** The menu: what exists and what the roles open. */
export function Sidebar(): ReactNode {
  const { roles } = useAppliance();
  const shown = screensFor(roles);
  const counts = useCounts();
  return (
    <nav className={styles['sidebar']} aria-label="Screens">
      {groups.map((group) => {
        const entries = shown.filter((entry) => entry.group === group);
        if (entries.length === 0) return null;
        return (
          <div key={group} className={cx(styles['group'], group === '' && styles['bottom'])}>
            {group !== '' && <p className={styles['groupTitle']}>{group}</p>}
            {entries.map((entry) => (
              <Item key={entry.id} entry={entry} count={counts[entry.id]} />
            ))}
          </div>
        );
      })}
    </nav>
  );
}

interface Count {
  readonly value: number;
  readonly words: string;
  readonly loud: boolean;
}

/** Requests of every service count: a person who looks at one must not miss the others. */
function useCounts(): Readonly<Record<string, Count | undefined>> {
  const pending = useCallEverywhere('listRequests', { status: 'pending', limit: 100 });
  const mayRead = useMay('administrator', 'auditor');
  const live = useCall('status', {}, { enabled: mayRead }).data?.liveSessions ?? 0;
  const quarantined = useCall('listTools', { state: 'quarantined', limit: 100 }, { enabled: mayRead }).data?.items.length ?? 0;
  const waiting = pending.reduce((sum, { call }) => sum + (call.data?.items.length ?? 0), 0);
  return {
    requests: { value: waiting, words: `${waiting} waiting`, loud: true },
    sessions: { value: live, words: `${live} live`, loud: false },
    tools: { value: quarantined, words: `${quarantined} new or changed`, loud: true },
  };
}

function Item({ entry: { id, title, icon: Icon }, count }: { entry: ScreenEntry; count: Count | undefined }): ReactNode {
  const { screen } = usePlace();
  const link = useLink();
  return (
    <a className={styles['item']} href={link(id)} aria-current={screen === id ? 'page' : undefined}>
      <Icon size={16} aria-hidden />
      <span>{title}</span>
      {count !== undefined && count.value > 0 && (
        <span className={cx(styles['count'], !count.loud && styles['quietCount'])}>
          <span aria-hidden>{count.value > most ? `${most}+` : count.value}</span>
          <span className="visually-hidden">, {count.words}</span>
        </span>
      )}
    </a>
  );
}
