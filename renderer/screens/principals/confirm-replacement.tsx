import { useState, type ReactNode } from 'react';
import type { User } from '../../../proxy/contract/user.ts';
import { useMutationCall } from '../../data/calls.ts';
import { Button } from '../../kit/button.tsx';
import { Dialog } from '../../kit/dialog.tsx';
import { TextField } from '../../kit/field.tsx';
import { Form } from '../../kit/page.tsx';
import { Fault } from '../../kit/states.tsx';
import { useToast } from '../../kit/toasts.tsx';
import styles from './principals.module.css';

const shape = /^inv_[A-Za-z]{1,40}$/;

/** The second administrator lets a key be replaced. The service refuses the one who invited. */
export function ConfirmReplacement({ user: { name }, given, onClose }: { user: User; given: string; onClose: () => void }): ReactNode {
  const [id, setId] = useState(given);
  const [tried, setTried] = useState(false);
  const { run, running, fault } = useMutationCall('confirmInvitation');
  const toast = useToast();
  const right = shape.test(id.trim());
  const confirm = async (): Promise<void> => {
    setTried(true);
    if (!right || (await run({ id: id.trim() })) === null) return;
    toast({ tone: 'good', text: `Confirmed: ${name} can enrol the new key with the code.` });
    onClose();
  };
  const actions = (
    <>
      <Button onPress={onClose}>Cancel</Button>
      <Button variant="danger" pending={running} onPress={() => void confirm()}>
        Confirm replacement
      </Button>
    </>
  );
  return (
    <Dialog title={`Confirm that the key of ${name} is replaced`} open onClose={onClose} actions={actions}>
      <p>
        Once the new key is enrolled, the one {name} has now signs nothing any more. Ask {name} in person or by telephone whether they want this: a mail can be
        forged.
      </p>
      <div className={styles['below']}>
        <Form onSubmit={() => void confirm()}>
          <TextField
            label="Invitation"
            value={id}
            onChange={setId}
            mono
            required
            maxLength={44}
            placeholder="inv_…"
            error={tried && !right ? 'It begins with inv_. The administrator who invited has it.' : undefined}
            help="From the administrator who invited. It must be another one than you."
          />
        </Form>
      </div>
      {fault && <Fault of={fault} />}
    </Dialog>
  );
}
