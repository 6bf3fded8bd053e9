import type { ReactNode } from 'react';
import { FieldRow, TextField } from '../../kit/field.tsx';
import { Select } from '../../kit/select.tsx';
import { Notice } from '../../kit/states.tsx';
import styles from './resources.module.css';
import type { FormFaults, FormField, ResourceForm, Step } from './resource-form.ts';

export interface FieldsProps {
  readonly form: ResourceForm;
  readonly set: (change: Partial<ResourceForm>) => void;
  /** shown beside the fields; empty until something was tried */
  readonly faults: FormFaults;
  readonly isNew: boolean;
}

/** The fields of one step; the form for changing a resource shows all of them below each other. */
export function StepFields({ step, ...props }: FieldsProps & { step: Step }): ReactNode {
  const Fields = { address: AddressFields, tls: TlsFields, account: AccountFields, options: OptionFields }[step];
  return <Fields {...props} />;
}

function bound({ form, set, faults }: FieldsProps, field: Exclude<FormField, 'tlsMode'>) {
  return { value: form[field], onChange: (value: string) => set({ [field]: value }), error: faults[field] };
}

function AddressFields(props: FieldsProps): ReactNode {
  return (
    <>
      {props.isNew && (
        <TextField
          label="Name"
          {...bound(props, 'name')}
          mono
          required
          autoFocus
          maxLength={63}
          placeholder="payments"
          help="What callers connect to, what policies name, and what stands in the log. It cannot be changed later."
        />
      )}
      <FieldRow>
        <TextField
          label="Host"
          {...bound(props, 'host')}
          mono
          required
          maxLength={253}
          placeholder="db.internal"
          help="As this service reaches it: name or address."
        />
        <TextField label="Port" {...bound(props, 'port')} mono required type="number" maxLength={5} help="PostgreSQL: 5432." />
      </FieldRow>
    </>
  );
}

const modes = [
  { value: 'verify-full', label: 'Verify', note: 'certificate and name' },
  { value: 'disable', label: 'Off', note: 'not encrypted' },
] as const;

function TlsFields(props: FieldsProps): ReactNode {
  const { form, set } = props;
  return (
    <>
      <Select
        label="TLS to the target"
        value={form.tlsMode}
        onChange={(tlsMode) => set({ tlsMode })}
        options={modes}
        help="Between this service and the database."
      />
      {form.tlsMode === 'disable' ? (
        <div className={styles['notice']}>
          <Notice tone="warn">
            Everything between Postern and the database, card data and the login included, can be read on the network. Use this only for a database on the same
            machine.
          </Notice>
        </div>
      ) : (
        <>
          <TextField
            label="Certificate authority (optional)"
            {...bound(props, 'ca')}
            mono
            rows={6}
            maxLength={262_144}
            placeholder="-----BEGIN CERTIFICATE-----"
            help="PEM of the authority that signed the database's certificate. Without it, the authorities of the operating system count."
          />
          <TextField
            label="Name in the certificate (optional)"
            {...bound(props, 'serverName')}
            mono
            maxLength={253}
            help="Only where it is another one than the host."
          />
        </>
      )}
    </>
  );
}

function AccountFields(props: FieldsProps): ReactNode {
  return (
    <>
      <FieldRow>
        <TextField label="Account" {...bound(props, 'account')} mono required maxLength={63} help="Postern logs in as this; callers do not see it." />
        <TextField label="Database" {...bound(props, 'database')} mono required maxLength={63} help="Where callers land when they name none." />
      </FieldRow>
      {props.isNew && (
        <TextField
          label="Password"
          {...bound(props, 'password')}
          type="password"
          required
          maxLength={1_024}
          help="Goes into the vault. It cannot be read back, only replaced."
        />
      )}
    </>
  );
}

function OptionFields(props: FieldsProps): ReactNode {
  return (
    <>
      <TextField
        label="Own port (optional)"
        {...bound(props, 'listenPort')}
        mono
        type="number"
        maxLength={5}
        help="A port of this service for this resource alone, where database names are the target's own: graphical clients and \c need that. Empty: the shared port only."
      />
      <TextField
        label="Recorded result per operation, in KiB"
        {...bound(props, 'recordKib')}
        mono
        type="number"
        maxLength={12}
        help="Masked result bytes kept for replay; what is beyond is counted, not kept. 0 keeps commands only."
      />
    </>
  );
}
