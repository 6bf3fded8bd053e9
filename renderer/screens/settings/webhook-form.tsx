import { useState, type ReactNode } from 'react';
import type { Input } from '../../../proxy/contract/api.ts';
import { useMutationCall } from '../../data/calls.ts';
import { Button } from '../../kit/button.tsx';
import { Drawer } from '../../kit/dialog.tsx';
import { TextField } from '../../kit/field.tsx';
import { Form } from '../../kit/page.tsx';
import { Select } from '../../kit/select.tsx';
import { Fault, Notice } from '../../kit/states.tsx';
import styles from './settings.module.css';
import { isPlain, webhookFaults } from './webhook-faults.ts';

type Webhook = Input<'createWebhook'>;

const formats = [
  { value: 'json', label: 'JSON', note: 'a program of yours' },
  { value: 'slack', label: 'Slack', note: 'incoming webhook' },
  { value: 'teams', label: 'Teams', note: 'workflow or incoming webhook' },
] as const;

interface WebhookFormProps {
  readonly onClose: () => void;
  readonly onDone: (name: string, key: string) => void;
}

export function WebhookForm({ onClose, onDone }: WebhookFormProps): ReactNode {
  const [form, setForm] = useState<Webhook>({ name: '', url: '', format: 'json' });
  const [tried, setTried] = useState(false);
  const { run, running, fault } = useMutationCall('createWebhook');
  const found = webhookFaults(form);
  const served = Object.fromEntries((fault?.faults ?? []).map(({ path, message }) => [path, message]));
  const error = (name: 'name' | 'url'): string | undefined => (tried ? found[name] : undefined) ?? served[name];
  const set = (change: Partial<Webhook>): void => setForm((before) => ({ ...before, ...change }));
  const save = async (): Promise<void> => {
    setTried(true);
    if (found.name !== undefined || found.url !== undefined) return;
    const made = await run(form);
    if (made !== null) onDone(made.name, made.key);
  };
  return (
    <Drawer title="Add webhook" open onClose={onClose} actions={<Actions running={running} onClose={onClose} onSave={() => void save()} />}>
      <Form onSubmit={() => void save()}>
        <TextField
          label="Name"
          value={form.name}
          onChange={(name) => set({ name })}
          mono
          required
          maxLength={63}
          autoFocus
          error={error('name')}
          help="Lower-case letters, digits and dashes."
        />
        <TextField
          label="Address"
          value={form.url}
          onChange={(url) => set({ url: url.trim() })}
          mono
          required
          maxLength={500}
          placeholder="https://"
          error={error('url')}
          help="Whoever knows the address of a Slack or Teams webhook may post there: administrators and auditors see it here."
        />
        <Select
          label="Format"
          value={form.format}
          onChange={(format) => set({ format })}
          options={formats}
          help="JSON messages are signed; Slack and Teams do not check signatures."
        />
        <button type="submit" hidden />
      </Form>
      {isPlain(form.url) && (
        <div className={styles['below']}>
          <Notice tone="warn">Plain HTTP: names of principals and resources can be read on the way.</Notice>
        </div>
      )}
      {fault && <Fault of={fault} />}
    </Drawer>
  );
}

function Actions({ running, onClose, onSave }: { running: boolean; onClose: () => void; onSave: () => void }): ReactNode {
  return (
    <>
      <Button onPress={onClose}>Cancel</Button>
      <Button variant="primary" pending={running} onPress={onSave}>
        Add
      </Button>
    </>
  );
}
