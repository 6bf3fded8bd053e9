import type { ReactNode } from 'react';
import { useMutationCall } from '../../data/calls.ts';
import { Confirm } from '../../kit/confirm.tsx';
import { EndingSessions } from '../../kit/ending-sessions.tsx';
import { useToast } from '../../kit/toasts.tsx';

interface DeleteResourceProps {
  readonly name: string;
  readonly open: boolean;
  readonly onClose: () => void;
  readonly onDone: () => void;
}

export function DeleteResource({ name, open, onClose, onDone }: DeleteResourceProps): ReactNode {
  const { run, running, fault, reset } = useMutationCall('deleteResource');
  const toast = useToast();
  const close = (): void => {
    reset();
    onClose();
  };
  const confirm = async (): Promise<void> => {
    if ((await run({ name })) === null) return;
    toast({ tone: 'good', text: `${name} was deleted, with its credential.` });
    close();
    onDone();
  };
  return (
    <Confirm
      title={`Delete ${name}?`}
      action="Delete resource"
      open={open}
      onClose={close}
      onConfirm={() => void confirm()}
      typed={name}
      pending={running}
      fault={fault}
    >
      Callers cannot reach it any more, and its credential is removed from the vault. <EndingSessions resource={name} /> Recordings and the audit log stay.
    </Confirm>
  );
}
