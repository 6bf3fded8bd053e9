import { useState, type ReactNode } from 'react';
import type { ServiceAccountView } from '../../../proxy/contract/api-views.ts';
import { useMutationCall } from '../../data/calls.ts';
import { Button } from '../../kit/button.tsx';
import { Drawer } from '../../kit/dialog.tsx';
import { TextField } from '../../kit/field.tsx';
import { Form } from '../../kit/page.tsx';
import { Fault } from '../../kit/states.tsx';
import { TagsField } from '../../kit/tags-field.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { faultsAmong, groupFault, nameFault, ownerFault, purposeFault } from './person-form.ts';

interface AccountFormProps {
  /** null: a new one */
  readonly account: ServiceAccountView | null;
  /** groups that others are in */
  readonly proposals: readonly string[];
  readonly onClose: () => void;
  readonly onDone: (name: string) => void;
}

interface Typed {
  readonly name: string;
  readonly owner: string;
  readonly purpose: string;
  readonly groups: readonly string[];
}

const blank: Typed = { name: '', owner: '', purpose: '', groups: [] };

export function AccountForm({ account, proposals, onClose, onDone }: AccountFormProps): ReactNode {
  const isNew = account === null;
  const [form, setForm] = useState<Typed>(account ?? blank);
  const [tried, setTried] = useState(false);
  const create = useMutationCall('createServiceAccount');
  const update = useMutationCall('updateServiceAccount');
  const toast = useToast();
  const fault = create.fault ?? update.fault;
  const set = (change: Partial<Typed>): void => setForm((before) => ({ ...before, ...change }));
  const found = faultsAmong({ name: isNew ? nameFault(form.name) : undefined, owner: ownerFault(form.owner), purpose: purposeFault(form.purpose) });
  const served = Object.fromEntries((fault?.faults ?? []).map(({ path, message }) => [path, message]));
  const shown: Partial<Record<string, string>> = { ...served, ...(tried && found) };
  const save = async (): Promise<void> => {
    setTried(true);
    if (Object.keys(found).length > 0) return;
    const input = { name: form.name, owner: form.owner.trim(), purpose: form.purpose.trim(), groups: [...form.groups] };
    if ((await (isNew ? create.run(input) : update.run(input))) === null) return;
    toast({ tone: 'good', text: isNew ? `${input.name} was created. It needs a token to connect.` : `${input.name} was changed.` });
    onDone(input.name);
  };
  const actions = (
    <>
      <Button onPress={onClose}>Cancel</Button>
      <Button variant="primary" pending={create.running || update.running} onPress={() => void save()}>
        {isNew ? 'Create' : 'Save'}
      </Button>
    </>
  );
  return (
    <Drawer title={isNew ? 'Create service account' : `Edit ${form.name}`} open onClose={onClose} actions={actions}>
      <Form onSubmit={() => void save()}>
        <AccountFields form={form} set={set} isNew={isNew} faults={shown} proposals={proposals} />
        <button type="submit" hidden />
      </Form>
      {fault && <Fault of={fault} />}
    </Drawer>
  );
}

interface AccountFieldsProps {
  readonly form: Typed;
  readonly set: (change: Partial<Typed>) => void;
  readonly isNew: boolean;
  readonly faults: Partial<Record<string, string>>;
  readonly proposals: readonly string[];
}

function AccountFields({ form, set, isNew, faults, proposals }: AccountFieldsProps): ReactNode {
  return (
    <>
      {isNew && (
        <TextField
          label="Name"
          value={form.name}
          onChange={(name) => set({ name })}
          error={faults['name']}
          mono
          required
          autoFocus
          maxLength={63}
          placeholder="ci-deploy"
          help="What it calls itself when it connects, and what stands in the log. It cannot be changed later."
        />
      )}
      <TextField
        label="Owner"
        value={form.owner}
        onChange={(owner) => set({ owner })}
        error={faults['owner']}
        required
        maxLength={200}
        placeholder="ann@example.com"
        help="The person who answers for it (PCI DSS 8.6). Write it as that person's own entry under People does: owners do not decide on requests of their accounts."
      />
      <TextField
        label="Purpose"
        value={form.purpose}
        onChange={(purpose) => set({ purpose })}
        error={faults['purpose']}
        required
        rows={3}
        maxLength={500}
        help="What it is for (PCI DSS 8.6). Approvers read this when it asks for something."
      />
      <TagsField
        label="Groups"
        value={form.groups}
        onChange={(groups) => set({ groups })}
        faultOf={groupFault}
        proposals={proposals}
        error={faults['groups']}
        help="What policies name. Without a group that a policy lets in, it cannot connect. Enter adds one."
      />
    </>
  );
}
