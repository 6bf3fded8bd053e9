import type { ReactNode } from 'react';
import { Button } from '../../kit/button.tsx';
import { Drawer } from '../../kit/dialog.tsx';
import { EndingSessions } from '../../kit/ending-sessions.tsx';
import { Form } from '../../kit/page.tsx';
import { Fault, Notice } from '../../kit/states.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { useWebForm } from './use-web-form.ts';
import { WebFields } from './web-fields.tsx';
import { asksForSecret, hasSecret, webFormOf, type WebView } from './web-form.ts';
import { endsWebSessions } from './web-settings.ts';

export function EditWeb({ resource, onClose }: { resource: WebView; onClose: () => void }): ReactNode {
  const { name, protocol } = resource;
  // what the vault has stays; where it has nothing yet, it is asked for
  const wantsSecret = !hasSecret(resource);
  const { form, set, faults, fault, saving, save } = useWebForm(protocol, { view: resource, wantsSecret });
  const toast = useToast();
  const submit = async (): Promise<void> => {
    if (!(await save())) return;
    toast({ tone: 'good', text: `${name} was changed.` });
    onClose();
  };
  const actions = (
    <>
      <Button onPress={onClose}>Cancel</Button>
      <Button variant="primary" pending={saving} onPress={() => void submit()}>
        Save
      </Button>
    </>
  );
  return (
    <Drawer title={`Edit ${name}`} open onClose={onClose} actions={actions}>
      <Form onSubmit={() => void submit()}>
        <WebFields form={form} set={set} faults={faults} isNew={false} wantsSecret={wantsSecret} />
        <button type="submit" hidden />
      </Form>
      {endsWebSessions(webFormOf(resource), form) && (
        <Notice tone="warn">
          Another target, or another way to it: <EndingSessions resource={name} />
        </Notice>
      )}
      {hasSecret(resource) && !asksForSecret(form) && <Notice tone="warn">The target gets no credential any more: the one in the vault is removed.</Notice>}
      {fault && <Fault of={fault} />}
    </Drawer>
  );
}
