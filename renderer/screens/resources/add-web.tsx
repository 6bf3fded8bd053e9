import type { ReactNode } from 'react';
import { useLink } from '../../data/place.ts';
import { Button, ButtonLink } from '../../kit/button.tsx';
import { Drawer } from '../../kit/dialog.tsx';
import { Form } from '../../kit/page.tsx';
import { Fault } from '../../kit/states.tsx';
import { TestButton, TestResult, useConnectionTest } from './connection-test.tsx';
import { useWebForm } from './use-web-form.ts';
import { WebFields } from './web-fields.tsx';
import styles from './resources.module.css';

interface AddWebProps {
  readonly protocol: 'http' | 'mcp';
  readonly open: boolean;
  readonly onBack: () => void;
  readonly onClose: () => void;
  readonly onDone: (name: string) => void;
}

const titles = { http: 'Add HTTP API', mcp: 'Add MCP server' } as const;

/** What was typed stays when it is closed by mistake, until the resource is there; the secret does not. */
export function AddWeb({ protocol, open, onBack, onClose, onDone }: AddWebProps): ReactNode {
  const editing = useWebForm(protocol, { view: null, wantsSecret: true });
  const isStored = editing.stored !== null;
  const name = editing.form.name.trim();
  const test = useConnectionTest(name);
  const done = isStored && test.result?.reached === true;
  const save = async (): Promise<void> => {
    if (await editing.save()) await test.start();
  };
  const leave = (): void => {
    editing.leave();
    if (isStored) onDone(name);
    else onClose();
  };
  const actions = done ? (
    <Done protocol={protocol} name={name} onOpen={leave} />
  ) : (
    <>
      {isStored ? <Button onPress={leave}>Keep it and close</Button> : <Button onPress={onBack}>Back</Button>}
      {isStored && <TestButton test={test} />}
      <Button variant="primary" pending={editing.saving || test.running} onPress={() => void save()}>
        {isStored ? 'Save and test' : 'Create and test'}
      </Button>
    </>
  );
  return (
    <Drawer title={titles[protocol]} open={open} onClose={leave} actions={actions}>
      {!done && (
        <Form onSubmit={() => void save()}>
          <WebFields form={editing.form} set={editing.set} faults={editing.faults} isNew={!isStored} wantsSecret />
          <button type="submit" hidden />
        </Form>
      )}
      {editing.fault && <Fault of={editing.fault} />}
      {isStored && <Outcome name={name} test={test} done={done} />}
    </Drawer>
  );
}

function Outcome({ name, test, done }: { name: string; test: ReturnType<typeof useConnectionTest>; done: boolean }): ReactNode {
  return (
    <section className={styles['outcome']} aria-label="Connection test">
      <p>
        <code>{name}</code> was created; its credential, if it has one, is in the vault.
      </p>
      <TestResult test={test} />
      {!done && !test.running && <p className={styles['muted']}>Correct it above, then save and test; or keep it as it is.</p>}
    </section>
  );
}

function Done({ protocol, name, onOpen }: { protocol: 'http' | 'mcp'; name: string; onOpen: () => void }): ReactNode {
  const link = useLink();
  return (
    <>
      {protocol === 'mcp' && <ButtonLink href={link('tools', 'quarantined', `server=${name}`)}>Look at its tools</ButtonLink>}
      <Button variant="primary" onPress={onOpen}>
        Open resource
      </Button>
    </>
  );
}
