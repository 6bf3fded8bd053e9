import { useState, type ReactNode } from 'react';
import type { AppError } from '../../proxy/lib/errors.ts';
import { Button } from './button.tsx';
import { Dialog } from './dialog.tsx';
import { TextField } from './field.tsx';
import { Fault } from './states.tsx';

export interface ConfirmProps {
  readonly title: string;
  /** what will happen, in a sentence or two */
  readonly children: ReactNode;
  /** the verb on the button: “Delete resource” */
  readonly action: string;
  readonly open: boolean;
  readonly onClose: () => void;
  readonly onConfirm: (reason: string) => void;
  /** must be typed first: the name of what is lost */
  readonly typed?: string;
  /** label of a reason of at least 3 characters that goes into the log; absent: none is asked for */
  readonly reason?: string;
  readonly pending?: boolean;
  readonly fault?: AppError | null;
}

/** Asks before something that cannot be taken back. */
export function Confirm(props: ConfirmProps): ReactNode {
  // mounted anew each time: nothing typed for the last one counts for this one
  return props.open && <Asking {...props} />;
}

function Asking({ title, children, action, onClose, onConfirm, typed, reason: asked, pending = false, fault = null }: ConfirmProps): ReactNode {
  const [text, setText] = useState('');
  const [reason, setReason] = useState('');
  const ready = (typed === undefined || text === typed) && (asked === undefined || reason.trim().length >= 3);
  return (
    <Dialog
      title={title}
      open
      onClose={onClose}
      role="alertdialog"
      actions={
        <>
          <Button onPress={onClose}>Cancel</Button>
          <Button variant="danger" disabled={!ready} pending={pending} onPress={() => onConfirm(reason.trim())}>
            {action}
          </Button>
        </>
      }
    >
      <p>{children}</p>
      {asked !== undefined && <TextField label={asked} value={reason} onChange={setReason} help="Kept in the audit log." maxLength={500} />}
      {typed !== undefined && <TextField label={`Type ${typed} to go on`} value={text} onChange={setText} mono />}
      {fault && <Fault of={fault} />}
    </Dialog>
  );
}
