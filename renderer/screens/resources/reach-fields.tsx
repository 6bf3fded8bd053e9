import type { ReactNode } from 'react';
import { Checkbox, FieldRow, TextField } from '../../kit/field.tsx';
import { Select } from '../../kit/select.tsx';
import { asksForSecret, isKey, secretName, type WebForm } from './web-form.ts';
import type { WebFaults } from './web-settings.ts';
import styles from './resources.module.css';

export interface WebFieldsProps {
  readonly form: WebForm;
  readonly set: (change: Partial<WebForm>) => void;
  /** shown beside the fields; empty until something was tried */
  readonly faults: WebFaults;
  readonly isNew: boolean;
  /** whether the secret is asked for here; else it is replaced by itself */
  readonly wantsSecret: boolean;
}

type TextName = { [K in keyof WebForm]: WebForm[K] extends string ? (string extends WebForm[K] ? K : never) : never }[keyof WebForm];

export function bound({ form, set, faults }: WebFieldsProps, field: TextName) {
  return { value: form[field], onChange: (value: string) => set({ [field]: value }), error: faults[field] };
}

/** Where a target over HTTP is. */
export function AddressFields(props: WebFieldsProps): ReactNode {
  const { form, set } = props;
  const isApi = form.protocol === 'http';
  return (
    <>
      <TextField
        label="Address"
        {...bound(props, 'url')}
        mono
        required
        maxLength={2_000}
        placeholder={isApi ? 'https://api.internal/v1' : form.transport === 'sse' ? 'https://tools.internal/sse' : 'https://tools.internal/mcp'}
        help={
          isApi
            ? 'As this service reaches it. What callers write after /http/NAME/ is added to its path; they cannot leave it.'
            : form.transport === 'sse'
              ? 'The address of the event stream, as this service reaches it.'
              : 'As this service reaches it.'
        }
      />
      <TextField
        label="Certificate authority (optional)"
        {...bound(props, 'ca')}
        mono
        rows={3}
        maxLength={262_144}
        placeholder="-----BEGIN CERTIFICATE-----"
        help="PEM of the authority that signed the target's certificate. Without it, the authorities of the operating system count."
      />
      <Checkbox
        checked={form.allowLocal}
        onChange={(allowLocal) => set({ allowLocal })}
        help="Addresses of this machine and of its link are refused otherwise, so that no target can lead callers to what only listens here. Metadata services are refused always."
      >
        The target may be on this machine
      </Checkbox>
    </>
  );
}

const kinds = [
  { value: 'none', label: 'None', note: 'the target asks for nothing' },
  { value: 'header', label: 'Header', note: 'a token or key in a header' },
  { value: 'basic', label: 'HTTP Basic', note: 'account and password' },
  { value: 'oauth-client-credentials', label: 'OAuth', note: 'client credentials' },
  { value: 'mtls', label: 'Client certificate', note: 'mutual TLS' },
] as const;

/** How the target is shown the credential; callers never see it. */
export function CredentialFields(props: WebFieldsProps): ReactNode {
  const { form, set, faults } = props;
  const kind = form.credential;
  return (
    <>
      <Select
        label="How the target is shown the credential"
        value={kind}
        onChange={(credential) => set({ credential })}
        options={kinds}
        error={faults['credential']}
        help="Postern adds it to each call, and takes away what callers send in its place."
      />
      {kind === 'header' && (
        <FieldRow>
          <TextField label="Header" {...bound(props, 'header')} mono required maxLength={64} />
          <TextField label="Written before it (optional)" {...bound(props, 'prefix')} mono maxLength={40} help="Bearer, Token, or nothing." />
        </FieldRow>
      )}
      {kind === 'mtls' && (
        <TextField
          label="Client certificate"
          {...bound(props, 'certificate')}
          mono
          rows={4}
          required
          maxLength={262_144}
          placeholder="-----BEGIN CERTIFICATE-----"
          help="PEM, with the certificates between it and the authority. Its private key is the credential."
        />
      )}
      {kind === 'oauth-client-credentials' && <OauthFields {...props} />}
      <AccountField {...props} />
      <SecretField {...props} />
    </>
  );
}

const proofs = [
  { value: 'client_secret_basic', label: 'Secret in a header', note: 'client_secret_basic' },
  { value: 'client_secret_post', label: 'Secret in the body', note: 'client_secret_post' },
  { value: 'private_key_jwt', label: 'Signature', note: 'private_key_jwt' },
] as const;

function OauthFields(props: WebFieldsProps): ReactNode {
  return (
    <>
      <TextField
        label="Token endpoint"
        {...bound(props, 'tokenUrl')}
        mono
        required
        maxLength={2_000}
        placeholder="https://login.internal/oauth/token"
        help="Where Postern gets a token with the credential."
      />
      <FieldRow>
        <TextField label="Client id" {...bound(props, 'clientId')} mono required maxLength={200} />
        <Select
          label="How the client proves itself"
          value={props.form.authentication}
          onChange={(authentication) => props.set({ authentication })}
          options={proofs}
        />
      </FieldRow>
      <FieldRow>
        <TextField label="Scope (optional)" {...bound(props, 'scope')} mono maxLength={1_000} help="What is asked for; as little as callers need." />
        <TextField label="Resource (optional)" {...bound(props, 'audience')} mono maxLength={2_000} help="For whom the token is made out (RFC 8707)." />
      </FieldRow>
    </>
  );
}

export function AccountField(props: WebFieldsProps): ReactNode {
  const isBasic = props.form.credential === 'basic' && props.form.transport !== 'stdio';
  return (
    <TextField
      label="Account"
      {...bound(props, 'account')}
      mono
      required
      maxLength={63}
      help={isBasic ? 'The user name at the target.' : 'A name for what the credential stands for; it is shown with sessions and in the log.'}
    />
  );
}

/** Write-only. A key has lines, so it cannot be typed behind dots. */
export function SecretField(props: WebFieldsProps): ReactNode {
  const { form, wantsSecret } = props;
  if (!asksForSecret(form)) return null;
  if (!wantsSecret)
    return <p className={styles['note']}>What is in the vault stays. It cannot be read back; “Replace credential” puts another one in its place.</p>;
  const help = 'Goes into the vault. It cannot be read back, only replaced.';
  if (!isKey(form)) return <TextField label={secretName(form)} {...bound(props, 'secret')} type="password" required maxLength={16_384} help={help} />;
  return (
    <TextField
      label={secretName(form)}
      {...bound(props, 'secret')}
      mono
      rows={5}
      required
      maxLength={16_384}
      placeholder="-----BEGIN PRIVATE KEY-----"
      help={`PEM. ${help}`}
    />
  );
}
