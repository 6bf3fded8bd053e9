import type { ReactNode } from 'react';
import { Button } from '../../kit/button.tsx';
import { cx } from '../../kit/css.ts';
import { Drawer } from '../../kit/dialog.tsx';
import { Form } from '../../kit/page.tsx';
import { Fault } from '../../kit/states.tsx';
import { TestButton, TestResult } from './connection-test.tsx';
import { StepFields } from './resource-fields.tsx';
import { steps, type Step } from './resource-form.ts';
import styles from './resources.module.css';
import { useAdding, type Adding } from './use-adding.ts';

const titles: Readonly<Record<Step, string>> = { address: 'Address', tls: 'TLS', account: 'Account', options: 'Options' };

interface AddDatabaseProps {
  readonly open: boolean;
  readonly onBack: () => void;
  readonly onClose: () => void;
  readonly onDone: (name: string) => void;
}

/** Step by step; what was typed stays when it is closed by mistake, until the resource is there. */
export function AddDatabase({ open, onBack, onClose, onDone }: AddDatabaseProps): ReactNode {
  const adding = useAdding();
  const { form, created, test, fault } = adding;
  const name = form.name.trim();
  const done = created && test.result?.reached === true;
  const leave = (): void => {
    adding.leave();
    if (created) onDone(name);
    else onClose();
  };
  return (
    <Drawer title="Add PostgreSQL database" open={open} onClose={leave} actions={<Actions adding={adding} done={done} leave={leave} onBack={onBack} />}>
      <StepList at={adding.step} done={done} />
      {!done && (
        <Form onSubmit={adding.next}>
          <StepFields step={adding.step} form={form} set={adding.set} faults={adding.faults} isNew={!created || adding.step === 'account'} />
          {/* Enter in a field goes on */}
          <button type="submit" hidden />
        </Form>
      )}
      {fault && <Fault of={fault} />}
      {created && (
        <section className={styles['outcome']} aria-label="Connection test">
          <p>
            <code>{name}</code> was created; its password is in the vault.
          </p>
          <TestResult test={test} />
          {!done && !adding.busy && <p className={styles['muted']}>Go back to correct it, then save and test; or keep it as it is.</p>}
        </section>
      )}
    </Drawer>
  );
}

interface ActionsProps {
  readonly adding: Adding;
  readonly done: boolean;
  readonly leave: () => void;
  /** to the choice of a kind */
  readonly onBack: () => void;
}

function Actions({ adding: { step, created, test, busy, next, back }, done, leave, onBack }: ActionsProps): ReactNode {
  if (done) {
    return (
      <Button variant="primary" onPress={leave}>
        Open resource
      </Button>
    );
  }
  const last = step === 'options';
  const create = created ? 'Save and test' : 'Create and test';
  return (
    <>
      {(step !== 'address' || !created) && <Button onPress={step === 'address' ? onBack : back}>Back</Button>}
      {created && <TestButton test={test} />}
      {created && <Button onPress={leave}>Keep it and close</Button>}
      <Button variant="primary" pending={busy} onPress={next}>
        {last ? create : 'Next'}
      </Button>
    </>
  );
}

function StepList({ at, done }: { at: Step; done: boolean }): ReactNode {
  return (
    <ol className={styles['steps']} aria-label="Steps">
      {steps.map((step, index) => (
        <li key={step} className={cx(!done && step === at && styles['current'])} {...(!done && step === at && { 'aria-current': 'step' as const })}>
          <span className={styles['number']}>{index + 1}</span>
          {titles[step]}
        </li>
      ))}
    </ol>
  );
}
