import { Ban, CircleCheck, CircleX, MessageSquare, Play } from 'lucide-react';
import type { ReactNode } from 'react';
import type { ApprovalRequest } from '../../../proxy/contract/approval-request.ts';
import { cx } from '../../kit/css.ts';
import { Time } from '../../kit/time.tsx';
import { thresholdText, timelineOf, type Moment } from './timeline.ts';
import styles from './requests.module.css';

const icons = { asked: MessageSquare, approved: CircleCheck, denied: CircleX, used: Play, closed: Ban } as const;

/** Everything that happened to it, oldest first, and what is missing. */
export function TimelineView({ request }: { request: ApprovalRequest }): ReactNode {
  const isUndecided = request.status === 'pending';
  return (
    <>
      <ol className={styles['timeline']} aria-label="Timeline">
        {timelineOf(request).map((moment) => (
          <MomentView key={`${moment.at} ${moment.who} ${moment.did}`} moment={moment} />
        ))}
      </ol>
      {isUndecided && <p className={styles['threshold']}>{thresholdText(request)}</p>}
      {request.status === 'approved' && <p className={styles['threshold']}>{thresholdText(request)} It was not used yet.</p>}
    </>
  );
}

function MomentView({ moment: { at, kind, who, did, words } }: { moment: Moment }): ReactNode {
  const Icon = icons[kind];
  return (
    <li className={cx(styles['moment'], styles[`is-${kind}`])}>
      <Icon size={14} aria-hidden />
      <div>
        <p>
          {who !== '' && <strong>{who} </strong>}
          {did}{' '}
          <span className={styles['muted']}>
            · <Time at={at} />
          </span>
        </p>
        {words !== '' && <p className={styles['words']}>{words}</p>}
      </div>
    </li>
  );
}
