import type { ReactNode } from 'react';
import { useMutationCall } from '../../data/calls.ts';
import { Confirm } from '../../kit/confirm.tsx';
import { EndingSessions } from '../../kit/ending-sessions.tsx';
import { useToast } from '../../kit/toasts.tsx';
import type { Restartable } from './condition.ts';

/** Says what ends before a process is started anew. */
export function Restart({ part, onClose }: { part: Restartable; onClose: () => void }): ReactNode {
  const { run, running, fault } = useMutationCall('restartService');
  const toast = useToast();
  const confirm = async (reason: string): Promise<void> => {
    if ((await run({ part, reason })) === null) return;
    toast({ tone: 'good', text: `${part} is starting anew.` });
    onClose();
  };
  return (
    <Confirm
      title={`Restart ${part}?`}
      action={`Restart ${part}`}
      open
      onClose={onClose}
      onConfirm={(reason) => void confirm(reason)}
      reason="Reason"
      pending={running}
      fault={fault}
    >
      {part === 'gateway' ? (
        <>
          <EndingSessions /> Commands that wait for a decision are withdrawn. New connections are accepted again within seconds.
        </>
      ) : (
        'Live sessions go on, and commands that wait for a decision are withdrawn. This console is cut off for some seconds, and everybody signs in anew.'
      )}
    </Confirm>
  );
}
