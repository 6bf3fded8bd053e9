import { useState, type ReactNode } from 'react';
import type { ApprovalRequest } from '../../../proxy/contract/approval-request.ts';
import { useMutationCall } from '../../data/calls.ts';
import { useMay } from '../../data/outside.tsx';
import { Button } from '../../kit/button.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import { useToast } from '../../kit/toasts.tsx';

/** Takes back what waits, or an approval that was not used yet. */
export function Revoke({ request }: { request: ApprovalRequest }): ReactNode {
  const [asking, setAsking] = useState(false);
  const may = useMay('administrator', 'approver');
  const { run, running, fault, reset } = useMutationCall('revokeRequest');
  const toast = useToast();
  const action = request.status === 'approved' ? 'Revoke approval' : 'Withdraw';
  const close = (): void => {
    reset();
    setAsking(false);
  };
  const confirm = (reason: string): void => {
    void run({ id: request.id, reason }).then((done) => {
      if (done === null) return;
      setAsking(false);
      toast({ tone: 'good', text: 'The request is withdrawn. Nothing of it runs.' });
    });
  };
  return (
    <>
      <span title={may ? '' : 'Needs the role administrator or approver.'}>
        <Button small disabled={!may} onPress={() => setAsking(true)}>
          {action}…
        </Button>
      </span>
      <Confirm
        title={`${action}?`}
        action={action === 'Withdraw' ? 'Withdraw request' : action}
        open={asking}
        onClose={close}
        onConfirm={confirm}
        reason="Reason"
        pending={running}
        fault={fault}
      >
        {request.canonical.subject.kind === 'access'
          ? 'No access begins. The requester must ask again.'
          : 'The command does not run, and a waiting session gets a refusal; it stays open. The requester must ask again.'}
      </Confirm>
    </>
  );
}
