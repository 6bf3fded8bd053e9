import { useState, type ReactNode } from 'react';
import type { ResourceView } from '../../../proxy/contract/api-views.ts';
import { useMutationCall } from '../../data/calls.ts';
import { Button } from '../../kit/button.tsx';
import { Dialog } from '../../kit/dialog.tsx';
import { TextField } from '../../kit/field.tsx';
import { Form } from '../../kit/page.tsx';
import { Fault } from '../../kit/states.tsx';
import { TestButton, TestResult, useConnectionTest } from './connection-test.tsx';
import { isKey, secretName, webFormOf } from './web-form.ts';
import { secretOf } from './web-settings.ts';
import styles from './resources.module.css';

/** Write-only: what is stored is never shown. The new one is tried at once. */
export function ReplaceCredential({ resource, onClose }: { resource: ResourceView; onClose: () => void }): ReactNode {
  const { name, protocol } = resource;
  const form = protocol === 'postgres' ? null : webFormOf(resource);
  const [password, setPassword] = useState('');
  const [tried, setTried] = useState(false);
  const [stored, setStored] = useState(false);
  const { run, running, fault } = useMutationCall('setResourceCredential');
  const test = useConnectionTest(name);
  const save = async (): Promise<void> => {
    setTried(true);
    if (password.trim() === '' || (await run({ name, password: form === null ? password : secretOf({ ...form, secret: password }) })) === null) return;
    setPassword('');
    setStored(true);
    setTried(false);
    await test.start();
  };
  const actions = (
    <>
      <Button onPress={onClose}>{stored ? 'Close' : 'Cancel'}</Button>
      {stored && <TestButton test={test} />}
      <Button variant="primary" pending={running || test.running} onPress={() => void save()}>
        Replace and test
      </Button>
    </>
  );
  return (
    <Dialog title="Replace credential" open onClose={onClose} actions={actions}>
      <Form onSubmit={() => void save()}>
        <TextField
          label={labelOf(resource)}
          value={password}
          onChange={setPassword}
          {...(form !== null && isKey(form) ? { rows: 6, mono: true } : { type: 'password' })}
          required
          autoFocus
          maxLength={16_384}
          error={tried && password.trim() === '' ? 'This is needed.' : undefined}
          help="Change it at the target first, or right after. Sessions that are live go on; new ones use this."
        />
      </Form>
      {fault && <Fault of={fault} />}
      {stored && (
        <div className={styles['outcome']}>
          <p>The credential was replaced. It cannot be read back.</p>
          <TestResult test={test} />
        </div>
      )}
    </Dialog>
  );
}

function labelOf(resource: ResourceView): string {
  if (resource.protocol === 'postgres') return `New password of ${resource.account}`;
  return `New ${secretName(webFormOf(resource)).toLowerCase()} of ${resource.account}`;
}
