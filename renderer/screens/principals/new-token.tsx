import { useState, type ReactNode } from 'react';
import type { Output } from '../../../proxy/contract/api.ts';
import { useCall, useMutationCall } from '../../data/calls.ts';
import { Button } from '../../kit/button.tsx';
import { Drawer } from '../../kit/dialog.tsx';
import { Checkbox, TextField } from '../../kit/field.tsx';
import { Form } from '../../kit/page.tsx';
import { SecretOnce } from '../../kit/secret-once.tsx';
import { Select } from '../../kit/select.tsx';
import { Fault, Notice } from '../../kit/states.tsx';
import { TagsField } from '../../kit/tags-field.tsx';
import { Time } from '../../kit/time.tsx';
import styles from './principals.module.css';
import { daysFault, emptyTokenForm, lifetimes, networkFault, tokenInput, type TokenForm, type TokenRole } from './token-form.ts';

export function NewToken({ serviceAccount, onClose }: { serviceAccount: string; onClose: () => void }): ReactNode {
  const [form, setForm] = useState<TokenForm>(emptyTokenForm);
  const [created, setCreated] = useState<Output<'createToken'> | null>(null);
  const { run, running, fault } = useMutationCall('createToken');
  const input = tokenInput(serviceAccount, form);
  const save = async (): Promise<void> => {
    if (input !== null) setCreated(await run(input));
  };
  if (created !== null) return <Shown created={created} serviceAccount={serviceAccount} onClose={onClose} />;
  const actions = (
    <>
      <Button onPress={onClose}>Cancel</Button>
      <Button variant="primary" pending={running} onPress={() => void save()}>
        Create token
      </Button>
    </>
  );
  return (
    <Drawer title={`Create token for ${serviceAccount}`} open onClose={onClose} actions={actions}>
      <Form onSubmit={() => void save()}>
        <TokenFields form={form} set={(change) => setForm((before) => ({ ...before, ...change }))} />
        <button type="submit" hidden />
      </Form>
      {fault && <Fault of={fault} />}
    </Drawer>
  );
}

function Shown({
  created: { token, expiresAt, roles },
  serviceAccount,
  onClose,
}: {
  created: Output<'createToken'>;
  serviceAccount: string;
  onClose: () => void;
}): ReactNode {
  return (
    <SecretOnce title="Token created" secret={token} onClose={onClose}>
      <p>
        {roles.length > 0
          ? `It lets ${serviceAccount} call the control API as ${roles.join(' and ')}, and connect.`
          : `It is the password of ${serviceAccount} when it connects.`}{' '}
        It expires <Time at={expiresAt} />.
      </p>
    </SecretOnce>
  );
}

interface TokenFieldsProps {
  readonly form: TokenForm;
  readonly set: (change: Partial<TokenForm>) => void;
}

function TokenFields({ form, set }: TokenFieldsProps): ReactNode {
  const known = useCall('listResources', { limit: 1_000 });
  const names = known.data?.items.map(({ name }) => name);
  return (
    <>
      <Select
        label="Expires after"
        value={form.lifetime}
        onChange={(lifetime) => set({ lifetime })}
        options={lifetimes}
        help="As short as the work allows. An expired token ends its sessions."
      />
      {form.lifetime === 'custom' && (
        <TextField
          label="Days"
          value={form.days}
          onChange={(days) => set({ days })}
          type="number"
          mono
          maxLength={3}
          error={daysFault(form)}
          help="At most 366."
        />
      )}
      <TagsField
        label="Resources"
        value={form.resources}
        onChange={(resources) => set({ resources })}
        proposals={names ?? []}
        faultOf={(word) => (names?.includes(word) === false ? 'there is no such resource' : undefined)}
        most={256}
        help="What it is good for. None named: every resource that policies let the account reach."
      />
      <TagsField
        label="Networks"
        value={form.networks}
        onChange={(networks) => set({ networks })}
        faultOf={networkFault}
        placeholder="10.0.0.0/8"
        help="Where it may be used from, in CIDR form. None named: anywhere."
      />
      <RoleFields form={form} set={set} />
    </>
  );
}

const roles: readonly { readonly role: TokenRole; readonly help: string }[] = [
  { role: 'auditor', help: 'Reads everything: sessions, recordings, the audit log.' },
  { role: 'administrator', help: 'Changes everything: policies, tokens, people.' },
];

function RoleFields({ form, set }: TokenFieldsProps): ReactNode {
  const flip = (role: TokenRole, on: boolean): void => set({ roles: on ? [...form.roles, role] : form.roles.filter((other) => other !== role) });
  return (
    <>
      <fieldset className={styles['checks']}>
        <legend>Roles at the control API</legend>
        {roles.map(({ role, help }) => (
          <Checkbox key={role} checked={form.roles.includes(role)} onChange={(on) => flip(role, on)} help={help}>
            {role}
          </Checkbox>
        ))}
      </fieldset>
      {form.roles.includes('administrator') && (
        <div className={styles['below']}>
          <Notice tone="warn">
            Whoever has this token can change who may do what, and let themselves in. Programs that only use resources need no role. Prefer people with keys,
            and name networks.
          </Notice>
        </div>
      )}
    </>
  );
}
