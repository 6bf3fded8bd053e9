import { useState, type ReactNode } from 'react';
import type { PostgresView } from '../../../proxy/contract/api-views.ts';
import { useMutationCall } from '../../data/calls.ts';
import { Button } from '../../kit/button.tsx';
import { Drawer } from '../../kit/dialog.tsx';
import { EndingSessions } from '../../kit/ending-sessions.tsx';
import { Form, Section } from '../../kit/page.tsx';
import { Fault, Notice } from '../../kit/states.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { StepFields } from './resource-fields.tsx';
import { endsSessions, formFaults, formOf, servedFaults, settingsOf, steps, type FormFaults, type ResourceForm, type Step } from './resource-form.ts';

const titles: Readonly<Record<Step, string>> = { address: 'Address', tls: 'TLS', account: 'Account', options: 'Options' };

export function EditResource({ resource, onClose }: { resource: PostgresView; onClose: () => void }): ReactNode {
  const before = formOf(resource);
  const [form, setForm] = useState<ResourceForm>(before);
  const [tried, setTried] = useState<FormFaults>({});
  const { run, running, fault } = useMutationCall('updateResource');
  const toast = useToast();
  const { name } = resource;
  const save = async (): Promise<void> => {
    const faults = formFaults(form, false);
    setTried(faults);
    if (Object.keys(faults).length > 0 || (await run({ name, ...settingsOf(form) })) === null) return;
    toast({ tone: 'good', text: `${name} was changed.` });
    onClose();
  };
  const actions = (
    <>
      <Button onPress={onClose}>Cancel</Button>
      <Button variant="primary" pending={running} onPress={() => void save()}>
        Save
      </Button>
    </>
  );
  const faults = { ...servedFaults(fault?.faults ?? []), ...tried };
  return (
    <Drawer title={`Edit ${name}`} open onClose={onClose} actions={actions}>
      <Form onSubmit={() => void save()}>
        {steps.map((step) => (
          <Section key={step} title={titles[step]}>
            <StepFields step={step} form={form} set={(change) => setForm((typed) => ({ ...typed, ...change }))} faults={faults} isNew={false} />
          </Section>
        ))}
        <button type="submit" hidden />
      </Form>
      {endsSessions(before, form) && (
        <Notice tone="warn">
          Another target or account: <EndingSessions resource={name} />
        </Notice>
      )}
      {fault && <Fault of={fault} />}
    </Drawer>
  );
}
