import { useState, type ReactNode } from 'react';
import { Button } from '../../kit/button.tsx';
import { Dialog } from '../../kit/dialog.tsx';
import { TextField } from '../../kit/field.tsx';
import { Form } from '../../kit/page.tsx';
import { fileNameFault, policyEnding, type PolicyDraft } from './policy-set.ts';

interface FileNameProps {
  readonly title: string;
  readonly action: string;
  readonly draft: PolicyDraft;
  /** empty: a new file */
  readonly current: string;
  readonly onClose: () => void;
  readonly onDone: (name: string) => void;
}

export function FileName({ title, action, draft, current, onClose, onDone }: FileNameProps): ReactNode {
  const [name, setName] = useState(current === '' ? '' : current);
  const [tried, setTried] = useState(false);
  // the ending goes without saying
  const whole = name.trim() === '' || name.includes('.') ? name.trim() : `${name.trim()}${policyEnding}`;
  const fault = fileNameFault(draft, whole, current);
  const done = (): void => {
    setTried(true);
    if (fault === undefined) onDone(whole);
  };
  const actions = (
    <>
      <Button onPress={onClose}>Cancel</Button>
      <Button variant="primary" onPress={done}>
        {action}
      </Button>
    </>
  );
  return (
    <Dialog title={title} open onClose={onClose} actions={actions}>
      <Form onSubmit={done}>
        <TextField
          label="File name"
          value={name}
          onChange={setName}
          mono
          autoFocus
          maxLength={128}
          placeholder={`45-reports${policyEnding}`}
          error={tried ? fault : undefined}
          help="Files only put policies in order; every policy of every file counts."
        />
      </Form>
    </Dialog>
  );
}
