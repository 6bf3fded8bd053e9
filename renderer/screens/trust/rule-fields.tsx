import type { ReactNode } from 'react';
import { useCall } from '../../data/calls.ts';
import { Checkbox, FieldRow, TextField } from '../../kit/field.tsx';
import { Section } from '../../kit/page.tsx';
import { ComboBox, Select } from '../../kit/select.tsx';
import { Notice } from '../../kit/states.tsx';
import { TagsField } from '../../kit/tags-field.tsx';
import { ConditionFields } from './condition-fields.tsx';
import { platformOptions, platforms } from './platforms.ts';
import { presetOf, type RuleFaults, type RuleForm } from './rule-form.ts';
import styles from './trust.module.css';

export interface RuleFieldsProps {
  readonly form: RuleForm;
  readonly set: (change: Partial<RuleForm>) => void;
  readonly faults: RuleFaults;
  readonly isNew: boolean;
}

export function RuleFields(props: RuleFieldsProps): ReactNode {
  const { form, set, faults, isNew } = props;
  const { fixed, issuerHelp } = platforms[form.platform];
  const isClient = form.platform === 'client';
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
          placeholder="payments-github"
          help="The name of this rule, here and in the log. It cannot be changed later."
        />
      )}
      <Section title="Whose tokens">
        <Select label="Platform" value={form.platform} onChange={(platform) => set(presetOf(platform))} options={platformOptions} />
        <TextField
          label={isClient ? 'Client id' : 'Issuer'}
          value={form.issuer}
          onChange={(issuer) => set({ issuer })}
          error={faults['issuer']}
          mono
          required
          maxLength={500}
          help={issuerHelp}
        />
        <KeyFields {...props} />
      </Section>
      <Section title={isClient ? 'What proves it' : 'If all of this holds'}>
        <Notice tone="quiet">{fixed}</Notice>
        {!isClient && <ConditionFields {...props} />}
      </Section>
      <Section title="What they may">
        <UseFields {...props} />
      </Section>
    </>
  );
}

const sources = [
  { value: 'issuer', label: 'Fetched from the issuer', note: 'kept for ten minutes' },
  { value: 'uploaded', label: 'Uploaded here', note: 'without a way out' },
] as const;
const algorithms = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'] as const;

function KeyFields({ form, set, faults }: RuleFieldsProps): ReactNode {
  const flip = (name: (typeof algorithms)[number], on: boolean): void =>
    set({ algorithms: algorithms.filter((each) => (each === name ? on : form.algorithms.includes(each))) });
  return (
    <>
      {form.platform !== 'client' && <Select label="Keys" value={form.keys} onChange={(keys) => set({ keys })} options={sources} />}
      {form.keys === 'uploaded' ? (
        <TextField
          label="Public keys"
          value={form.jwks}
          onChange={(jwks) => set({ jwks })}
          error={faults['jwks']}
          mono
          rows={5}
          required
          maxLength={65_536}
          placeholder='{"keys":[{"kty":"EC", …}]}'
          help="A key set as JSON (RFC 7517), public keys only."
        />
      ) : (
        <>
          <TextField
            label="Certificate authority (optional)"
            value={form.ca}
            onChange={(ca) => set({ ca })}
            error={faults['ca']}
            mono
            rows={3}
            maxLength={262_144}
            placeholder="-----BEGIN CERTIFICATE-----"
            help="PEM of the authority of the issuer's address. Without it, the authorities of the operating system count."
          />
          <Checkbox
            checked={form.allowLocal}
            onChange={(allowLocal) => set({ allowLocal })}
            help="Also without TLS. Only for tests: whoever can listen there could sign anything."
          >
            The issuer may be on this machine
          </Checkbox>
        </>
      )}
      <fieldset className={styles['checks']}>
        <legend>Signatures that are taken</legend>
        {algorithms.map((name) => (
          <Checkbox key={name} checked={form.algorithms.includes(name)} onChange={(on) => flip(name, on)}>
            {name}
          </Checkbox>
        ))}
        {faults['algorithms'] !== undefined && (
          <p className={styles['fault']} role="alert">
            {faults['algorithms']}
          </p>
        )}
      </fieldset>
    </>
  );
}

function UseFields({ form, set, faults }: RuleFieldsProps): ReactNode {
  const accounts = useCall('listServiceAccounts', { limit: 1_000 }).data?.items ?? [];
  const resources = useCall('listResources', { limit: 1_000 }).data?.items ?? [];
  return (
    <>
      <ComboBox
        label="They come as"
        value={form.serviceAccount}
        onChange={(serviceAccount) => set({ serviceAccount })}
        options={accounts.filter(({ disabled }) => !disabled).map(({ name, purpose }) => ({ value: name, label: name, note: purpose.slice(0, 48) }))}
        error={faults['serviceAccount']}
        help="A service account: its groups decide what policies permit. Give each pipeline its own."
      />
      <TagsField
        label="Resources (optional)"
        value={form.resources}
        onChange={(next) => set({ resources: next })}
        proposals={resources.filter(({ protocol }) => protocol !== 'postgres').map(({ name }) => name)}
        error={faults['resources']}
        most={256}
        help="Its tokens are good for these alone. None: for all that policies permit."
      />
      <FieldRow>
        <TagsField
          label="Networks (optional)"
          value={form.networks}
          onChange={(networks) => set({ networks })}
          error={faults['networks']}
          placeholder="10.0.0.0/8"
          help="Where they may come from. None: from anywhere."
        />
        <TextField
          label="Tokens got in exchange are good for, in minutes"
          value={form.tokenMinutes}
          onChange={(tokenMinutes) => set({ tokenMinutes })}
          error={faults['tokenMinutes']}
          type="number"
          mono
          maxLength={6}
          help="1 to 60."
        />
      </FieldRow>
      <TagsField
        label="Claims that are recorded"
        value={form.recorded}
        onChange={(recorded) => set({ recorded })}
        error={faults['recorded']}
        most={16}
        help="Written to each event of the run, masked, beside issuer, subject and jti: so that the log says which job it was."
      />
    </>
  );
}
