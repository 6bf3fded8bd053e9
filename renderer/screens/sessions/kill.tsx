import { useState, type ReactNode } from 'react';
import type { SessionView } from '../../../proxy/contract/api-views.ts';
import { useMutationCall } from '../../data/calls.ts';
import { useMay } from '../../data/outside.tsx';
import { Button } from '../../kit/button.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import { useToast } from '../../kit/toasts.tsx';

/** Ends a live session, after a reason. */
export function KillButton({ session, small = false }: { session: SessionView; small?: boolean }): ReactNode {
  const [asking, setAsking] = useState(false);
  const may = useMay('administrator');
  const { run, running, fault, reset } = useMutationCall('killSession');
  const toast = useToast();
  const close = (): void => {
    reset();
    setAsking(false);
  };
  const confirm = (reason: string): void => {
    void run({ id: session.id, reason }).then((done) => {
      if (done === null) return;
      setAsking(false);
      toast({ tone: 'good', text: `The session of ${session.principal} is ended.` });
    });
  };
  return (
    <>
      <span title={may ? '' : 'Needs the role administrator.'}>
        <Button
          small={small}
          disabled={!may}
          label={small ? `Kill the session of ${session.principal} on ${session.resource}` : 'Kill session'}
          onPress={() => setAsking(true)}
        >
          {small ? 'Kill…' : 'Kill session…'}
        </Button>
      </span>
      <Confirm
        title="Kill this session?"
        action="Kill session"
        open={asking}
        onClose={close}
        onConfirm={confirm}
        reason="Reason"
        pending={running}
        fault={fault}
      >
        One session ends: that of {session.principal} on {session.resource}. It ends also at the target, and what it runs now is cancelled there. The client can
        connect again unless its token is revoked.
      </Confirm>
    </>
  );
}
