import type { ReactNode } from 'react';
import type { SessionView } from '../../../proxy/contract/api-views.ts';
import { useCall } from '../../data/calls.ts';
import { useGo, useLink } from '../../data/place.ts';
import { State } from '../../kit/badge.tsx';
import { Copyable } from '../../kit/copy-button.tsx';
import { Page } from '../../kit/page.tsx';
import { Loaded } from '../../kit/states.tsx';
import { Tabs } from '../../kit/tabs.tsx';
import { Time } from '../../kit/time.tsx';
import { useEscape } from '../../kit/use-escape.ts';
import { KillButton } from './kill.tsx';
import type { SessionsPlace } from './place-of-sessions.ts';
import { Replay } from './replay.tsx';
import { Watch } from './watch.tsx';
import styles from './sessions.module.css';

interface SessionDetailProps {
  readonly id: string;
  readonly place: SessionsPlace;
  readonly onChange: (part: Partial<SessionsPlace>) => void;
}

export function SessionDetail({ id, place, onChange }: SessionDetailProps): ReactNode {
  const call = useCall('showSession', { id });
  const link = useLink();
  const go = useGo();
  const session = call.data;
  useEscape(() => go('sessions', [session?.state === 'ended' ? 'ended' : 'live']));
  const back = { href: link('sessions', session?.state === 'ended' ? 'ended' : 'live'), label: 'Sessions' };
  return (
    <Page
      title={session === undefined ? 'Session' : `${session.principal} on ${session.resource}`}
      back={back}
      description={session && <About session={session} />}
      actions={session?.state === 'live' && <KillButton session={session} />}
      filled
    >
      <Loaded call={call}>
        {(loaded) => (
          <div className={styles['tabs']}>
            <Tabs
              label="Session"
              selected={place.view}
              onSelect={(view) => onChange({ view: view === 'watch' ? 'watch' : 'replay' })}
              items={[
                { id: 'watch', label: 'Watch', content: <Watch session={loaded} onReplay={() => onChange({ view: 'replay' })} /> },
                { id: 'replay', label: 'Replay', content: <Replay session={loaded} place={place} onChange={onChange} /> },
              ]}
            />
          </div>
        )}
      </Loaded>
    </Page>
  );
}

function About({ session }: { session: SessionView }): ReactNode {
  const { id, state, database, account, address, startedAt, endedAt, reason } = session;
  return (
    <span className={styles['about']}>
      <State of={state} />
      <Copyable text={id} label="Copy session id" />
      <span>
        {database !== '' && (
          <>
            database <code>{database}</code>{' '}
          </>
        )}
        as <code>{account}</code>
      </span>
      <span>
        from <code>{address}</code>
      </span>
      <span>
        began <Time at={startedAt} />
      </span>
      {endedAt !== null && (
        <span>
          ended <Time at={endedAt} />
          {reason !== null && reason !== '' && `: ${reason}`}
        </span>
      )}
    </span>
  );
}
