import { useState, type ReactNode } from 'react';
import type { User } from '../../../proxy/contract/user.ts';
import { useMutationCall } from '../../data/calls.ts';
import { Button } from '../../kit/button.tsx';
import { Drawer } from '../../kit/dialog.tsx';
import { Checkbox, TextField } from '../../kit/field.tsx';
import { Form } from '../../kit/page.tsx';
import { Fault } from '../../kit/states.tsx';
import { TagsField } from '../../kit/tags-field.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { faultsAmong, groupFault, humanFault, nameFault } from './person-form.ts';
import styles from './principals.module.css';

type Role = User['roles'][number];

interface Typed {
  readonly name: string;
  readonly human: string;
  readonly groups: readonly string[];
  readonly roles: readonly Role[];
}

const blank: Typed = { name: '', human: '', groups: [], roles: [] };

interface PersonFormProps {
  /** null: a new one */
  readonly user: User | null;
  readonly proposals: readonly string[];
  readonly onClose: () => void;
  readonly onDone: (name: string) => void;
}

export function PersonForm({ user, proposals, onClose, onDone }: PersonFormProps): ReactNode {
  const isNew = user === null;
  const [form, setForm] = useState<Typed>(user ?? blank);
  const [tried, setTried] = useState(false);
  const create = useMutationCall('createUser');
  const update = useMutationCall('updateUser');
  const toast = useToast();
  const fault = create.fault ?? update.fault;
  const found = faultsAmong({ name: isNew ? nameFault(form.name) : undefined, human: humanFault(form.human) });
  const served = Object.fromEntries((fault?.faults ?? []).map(({ path, message }) => [path, message]));
  const shown: Partial<Record<string, string>> = { ...served, ...(tried && found) };
  const save = async (): Promise<void> => {
    setTried(true);
    if (Object.keys(found).length > 0) return;
    const input = { name: form.name, human: form.human.trim(), groups: [...form.groups], roles: [...form.roles] };
    if ((await (isNew ? create.run(input) : update.run(input))) === null) return;
    toast({ tone: 'good', text: isNew ? `${input.name} was added. Invite them to enrol a key.` : `${input.name} was changed.` });
    onDone(input.name);
  };
  const actions = (
    <>
      <Button onPress={onClose}>Cancel</Button>
      <Button variant="primary" pending={create.running || update.running} onPress={() => void save()}>
        {isNew ? 'Add' : 'Save'}
      </Button>
    </>
  );
  return (
    <Drawer title={isNew ? 'Add person' : `Edit ${form.name}`} open onClose={onClose} actions={actions}>
      <Form onSubmit={() => void save()}>
        <PersonFields form={form} set={(change) => setForm((before) => ({ ...before, ...change }))} isNew={isNew} faults={shown} proposals={proposals} />
        <button type="submit" hidden />
      </Form>
      {fault && <Fault of={fault} />}
    </Drawer>
  );
}

const roles: readonly { readonly role: Role; readonly help: string }[] = [
  { role: 'auditor', help: 'Reads everything: sessions, recordings, the audit log.' },
  { role: 'administrator', help: 'Changes everything: policies, tokens, people.' },
];

interface PersonFieldsProps {
  readonly form: Typed;
  readonly set: (change: Partial<Typed>) => void;
  readonly isNew: boolean;
  readonly faults: Partial<Record<string, string>>;
  readonly proposals: readonly string[];
}

function PersonFields({ form, set, isNew, faults, proposals }: PersonFieldsProps): ReactNode {
  const flip = (role: Role, on: boolean): void => set({ roles: on ? [...form.roles, role] : form.roles.filter((other) => other !== role) });
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
          placeholder="ann"
          help="The name of this account, in decisions and in the log. It cannot be changed later."
        />
      )}
      <TextField
        label="Person"
        value={form.human}
        onChange={(human) => set({ human })}
        error={faults['human']}
        required
        maxLength={200}
        placeholder="ann@example.com"
        help="Staff number or mail address: who this is, whatever the account. Approvals count persons, and nobody decides on what they own."
      />
      <TagsField
        label="Groups"
        value={form.groups}
        onChange={(groups) => set({ groups })}
        faultOf={groupFault}
        proposals={proposals}
        error={faults['groups']}
        help="Whose requests they decide: the group in @approve(&quot;group:n&quot;). They give no access to resources."
      />
      <fieldset className={styles['checks']}>
        <legend>Roles</legend>
        {roles.map(({ role, help }) => (
          <Checkbox key={role} checked={form.roles.includes(role)} onChange={(on) => flip(role, on)} help={help}>
            {role}
          </Checkbox>
        ))}
      </fieldset>
    </>
  );
}
