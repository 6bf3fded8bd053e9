import { KeyRound } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import type { Grant } from '../../../proxy/contract/approval-request.ts';
import { useCall, useMutationCall, usePages } from '../../data/calls.ts';
import { useMay } from '../../data/outside.tsx';
import { useLink } from '../../data/place.ts';
import { Badge } from '../../kit/badge.tsx';
import { Button } from '../../kit/button.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import { DataTable, type Column } from '../../kit/data-table.tsx';
import { Section } from '../../kit/page.tsx';
import { Empty, Notice } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { countdownTo } from './countdown.ts';
import { Review } from './review.tsx';
import { span } from './sentence.ts';
import { useSecond } from './use-second.ts';
import styles from './requests.module.css';

/** Group memberships for a time: those that live, and emergencies that somebody must look at. */
export function Grants(): ReactNode {
  return (
    <div className={styles['grants']} role="region" aria-label="Accesses" tabIndex={0}>
      <Unreviewed />
      <Live />
    </div>
  );
}

function Live(): ReactNode {
  const pages = usePages('listGrants', { live: 'true' });
  const [revoking, setRevoking] = useState<Grant | null>(null);
  const now = useSecond(pages.items.length > 0);
  const may = useMay('administrator', 'approver');
  const columns: readonly Column<Grant>[] = [
    { id: 'who', title: 'Principal', cell: ({ principalName }) => <strong>{principalName}</strong> },
    { id: 'group', title: 'Group', cell: ({ group }) => group },
    { id: 'by', title: 'Rests on', width: 'minmax(120px, 1.4fr)', cell: (grant) => <Ground grant={grant} /> },
    { id: 'reason', title: 'Reason', width: 'minmax(120px, 2fr)', cell: ({ reason }) => <span title={reason}>{reason}</span> },
    {
      id: 'left',
      title: 'Left',
      width: '104px',
      align: 'end',
      sortBy: ({ expiresAt }) => expiresAt,
      cell: ({ expiresAt }) => <span title={expiresAt}>{leftOf(expiresAt, now)}</span>,
    },
    {
      id: 'act',
      title: '',
      width: '104px',
      align: 'end',
      cell: (grant) => (
        <span title={may ? '' : 'Needs the role administrator or approver.'}>
          <Button small disabled={!may} label={`Revoke the access of ${grant.principalName} to ${grant.group}`} onPress={() => setRevoking(grant)}>
            Revoke…
          </Button>
        </span>
      ),
    },
  ];
  return (
    <Section title="Live accesses">
      <DataTable
        label="Live accesses"
        columns={columns}
        rows={pages.items}
        idOf={({ id }) => id}
        loading={pages.loading}
        fault={pages.fault}
        again={pages.again}
        onEnd={pages.loadMore}
        more={pages.more}
        maxHeight={360}
        empty={
          <Empty title="No access is live" icon={KeyRound}>
            An approved access stands here until its time is over.
          </Empty>
        }
      />
      <RevokeGrant grant={revoking} onClose={() => setRevoking(null)} />
    </Section>
  );
}

function leftOf(expiresAt: string, now: number): string {
  const { seconds, urgency } = countdownTo(expiresAt, now);
  return urgency === 'over' ? 'Over' : span(seconds);
}

function Ground({ grant: { request } }: { grant: Grant }): ReactNode {
  const link = useLink();
  if (request === null) return <Badge tone="warn">Break-glass</Badge>;
  return (
    <a href={link('requests', 'history', request)}>
      <code>{request}</code>
    </a>
  );
}

function RevokeGrant({ grant, onClose }: { grant: Grant | null; onClose: () => void }): ReactNode {
  const mayCount = useMay('administrator', 'auditor');
  const { run, running, fault, reset } = useMutationCall('revokeGrant');
  const toast = useToast();
  const close = (): void => {
    reset();
    onClose();
  };
  const confirm = (reason: string): void => {
    if (grant === null) return;
    void run({ id: grant.id, reason }).then((done) => {
      if (done === null) return;
      onClose();
      toast({ tone: 'good', text: `The access of ${grant.principalName} to ${grant.group} is over.` });
    });
  };
  return (
    <Confirm
      title="Revoke this access?"
      action="Revoke access"
      open={grant !== null}
      onClose={close}
      onConfirm={confirm}
      reason="Reason"
      pending={running}
      fault={fault}
    >
      {grant?.principalName} leaves the group {grant?.group} now. Its sessions that rest on this access end, also at the target.
      {grant !== null && mayCount && <LiveSessions principal={grant.principalName} />}
    </Confirm>
  );
}

const mostCounted = 1_000;

/** How many sessions may end. */
function LiveSessions({ principal }: { principal: string }): ReactNode {
  const { data } = useCall('listSessions', { state: 'live', principal, limit: mostCounted });
  if (data === undefined) return null;
  const count = data.items.length;
  return ` It has ${count === 0 ? 'no live session' : count === 1 ? '1 live session' : `${count}${data.next === null ? '' : ' or more'} live sessions`} now.`;
}

/** Break-glass accesses that nobody has looked at yet. */
function Unreviewed(): ReactNode {
  const pages = usePages('listGrants', { limit: 1_000 });
  const waiting = pages.items.filter(({ request, review }) => request === null && review === null);
  if (waiting.length === 0) {
    return pages.more ? (
      <Notice
        tone="quiet"
        action={
          <Button small onPress={pages.loadMore}>
            Look further back
          </Button>
        }
      >
        No break-glass access waits for a review among the newest {pages.items.length} accesses.
      </Notice>
    ) : null;
  }
  return (
    <Section title="Break-glass accesses to review">
      <Notice tone="warn">These were taken without approval. Somebody must look at what was done and say what they found.</Notice>
      <ul className={styles['reviews']}>
        {waiting.map((grant) => (
          <li key={grant.id} className={styles['review']}>
            <p>
              <strong>{grant.principalName}</strong> joined <strong>{grant.group}</strong> <Time at={grant.createdAt} />, until{' '}
              <Time at={grant.revokedAt ?? grant.expiresAt} exact />
            </p>
            <p className={styles['words']}>{grant.reason}</p>
            <Review grant={grant} />
          </li>
        ))}
      </ul>
    </Section>
  );
}
