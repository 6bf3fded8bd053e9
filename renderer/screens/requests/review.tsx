import { useState, type ReactNode } from 'react';
import type { Grant } from '../../../proxy/contract/approval-request.ts';
import { useMutationCall } from '../../data/calls.ts';
import { useMay } from '../../data/outside.tsx';
import { Button } from '../../kit/button.tsx';
import { TextField } from '../../kit/field.tsx';
import { Form } from '../../kit/page.tsx';
import { Fault } from '../../kit/states.tsx';
import { useToast } from '../../kit/toasts.tsx';
import styles from './requests.module.css';

const leastFinding = 3;

/** What was found when a break-glass access was looked at. */
export function Review({ grant }: { grant: Grant }): ReactNode {
  const may = useMay('administrator', 'auditor');
  const [finding, setFinding] = useState('');
  const [error, setError] = useState<string>();
  const { run, running, fault } = useMutationCall('reviewBreakGlass');
  const toast = useToast();
  if (!may) return <p className={styles['note']}>A review needs the role administrator or auditor.</p>;
  const submit = (): void => {
    const said = finding.trim();
    if (said.length < leastFinding) {
      setError('Say what you found, in a few words.');
      return;
    }
    void run({ id: grant.id, finding: said }).then(
      (done) => done !== null && toast({ tone: 'good', text: `The access of ${grant.principalName} is reviewed.` }),
    );
  };
  const wrong = error ?? fault?.faults?.find(({ path }) => path.endsWith('finding'))?.message;
  return (
    <Form
      onSubmit={submit}
      end={
        <Button type="submit" pending={running}>
          Record review
        </Button>
      }
    >
      <TextField
        label={`Finding on ${grant.principalName}`}
        rows={2}
        value={finding}
        onChange={(text) => {
          setFinding(text);
          setError(undefined);
        }}
        error={wrong}
        help="What was done with it, and whether that was right. Kept in the audit log."
        maxLength={1_000}
      />
      {fault !== null && wrong === undefined && <Fault of={fault} />}
    </Form>
  );
}
