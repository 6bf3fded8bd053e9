import { Eye } from 'lucide-react';
import { useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import type { SessionView } from '../../../proxy/contract/api-views.ts';
import { useStream } from '../../data/live.ts';
import { useLink } from '../../data/place.ts';
import { Badge, State } from '../../kit/badge.tsx';
import { Button } from '../../kit/button.tsx';
import { Code } from '../../kit/code.tsx';
import { Switch } from '../../kit/field.tsx';
import { Toolbar } from '../../kit/page.tsx';
import { Empty, Fault, Loading, Notice } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { visibleText } from '../../kit/visible.ts';
import { hasEnded, liveOperations, type LiveOperation } from './live-operations.ts';
import { outcomeText } from './operation-outcome.ts';
import styles from './sessions.module.css';

const mostEvents = 2_000;

/** What a session does, as it does it: masked, as it is recorded. */
export function Watch({ session, onReplay }: { session: SessionView; onReplay: () => void }): ReactNode {
  const stream = useStream('watchSession', { id: session.id }, { max: mostEvents });
  const events = useMemo(() => stream.items.map(({ event }) => event), [stream.items]);
  const lines = useMemo(() => liveOperations(events), [events]);
  const [follows, setFollows] = useState(true);
  const list = useRef<HTMLDivElement>(null);
  const isOver = session.state === 'ended' || hasEnded(events);
  useEffect(() => {
    if (follows && list.current) list.current.scrollTop = list.current.scrollHeight;
  }, [follows, lines]);
  if (stream.fault) return <Fault of={stream.fault} />;
  // one that has ended has events
  if (lines.length === 0 && (stream.state === 'opening' || isOver)) return <Loading />;
  return (
    <>
      <Toolbar
        end={
          isOver ? (
            <Badge tone="quiet">The session has ended</Badge>
          ) : stream.state === 'lost' ? (
            <Badge tone="warn">Connecting again: {stream.why}</Badge>
          ) : (
            <Badge tone="good">Live</Badge>
          )
        }
      >
        <Switch checked={follows} onChange={setFollows}>
          Follow new commands
        </Switch>
      </Toolbar>
      {isOver && (
        <Notice
          tone="quiet"
          action={
            <Button small onPress={onReplay}>
              Replay it
            </Button>
          }
        >
          These are the last events of the session. The recording holds all of it, with results.
        </Notice>
      )}
      {lines.length === 0 ? (
        <Empty title="Nothing happened yet" icon={Eye}>
          Commands appear here as they are sent.
        </Empty>
      ) : (
        <div ref={list} className={styles['feed']} role="log" aria-label="Commands of the session" tabIndex={0}>
          {lines.map((line) => (
            <Line key={line.id} line={line} isCall={session.protocol !== undefined && session.protocol !== 'postgres'} />
          ))}
        </div>
      )}
    </>
  );
}

function Line({ line, isCall }: { line: LiveOperation; isCall: boolean }): ReactNode {
  const link = useLink();
  const { at, command, outcome, note, request } = line;
  return (
    <div className={styles['event']}>
      <span className={styles['when']}>
        <Time at={at} exact />
      </span>
      <div className={styles['what']}>
        {command === null ? (
          <span className={styles['muted']}>{note}</span>
        ) : (
          <Code text={isCall ? visibleText(command) : command} language={isCall ? 'text' : 'sql'} label={`Command at ${at}`} />
        )}
        {outcome.why !== '' && command !== null && <p className={styles['why']}>{outcome.why}</p>}
        {request !== null && (
          <a href={link('requests', 'history', request)}>
            Request <code>{request}</code>
          </a>
        )}
      </div>
      <div className={styles['how']}>
        {command !== null && (
          <>
            {outcome.state === 'pending' ? (
              <Badge tone="wait">Running</Badge>
            ) : outcome.state === 'refused' ? (
              <Badge tone="bad">Refused</Badge>
            ) : (
              <State of={outcome.state} />
            )}
            {outcome.state !== 'pending' && outcome.state !== 'refused' && <span className={styles['muted']}>{outcomeText(outcome, isCall)}</span>}
          </>
        )}
      </div>
    </div>
  );
}
