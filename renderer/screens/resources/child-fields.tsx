import type { ReactNode } from 'react';
import { Checkbox, FieldRow, TextField } from '../../kit/field.tsx';
import { Select } from '../../kit/select.tsx';
import { Notice } from '../../kit/states.tsx';
import { AccountField, bound, SecretField, type WebFieldsProps } from './reach-fields.tsx';
import styles from './resources.module.css';

/** A server that Postern starts itself, one for each principal. */
export function ChildFields(props: WebFieldsProps): ReactNode {
  return (
    <>
      <TextField
        label="Program"
        {...bound(props, 'command')}
        mono
        required
        maxLength={1_001}
        placeholder="/opt/servers/files/bin/server"
        help="Its whole path on the machine of the service. It is installed before: package runners like npx are refused, since they fetch what others publish at that moment."
      />
      <TextField
        label="Arguments (optional)"
        {...bound(props, 'args')}
        mono
        rows={4}
        maxLength={262_144}
        help="One a line; no shell reads them, so nothing is quoted."
      />
      <TextField
        label="Environment (optional)"
        {...bound(props, 'environment')}
        mono
        rows={3}
        maxLength={262_144}
        placeholder="LOG_LEVEL=warn"
        help="NAME=VALUE, one a line. Nothing secret: it can be read back, and stands in the log. The server sees these variables and no others."
      />
      <TextField
        label="Directory (optional)"
        {...bound(props, 'directory')}
        mono
        maxLength={1_001}
        help="Where it runs; without one, in an empty one of its own."
      />
    </>
  );
}

const ways = [
  { value: 'none', label: 'None', note: 'it needs nothing' },
  { value: 'environment', label: 'In a variable' },
  { value: 'file', label: 'In a file', note: 'only it can read' },
] as const;

export function ChildCredentialFields(props: WebFieldsProps): ReactNode {
  const { form, set } = props;
  return (
    <>
      <FieldRow>
        <Select label="How it gets the credential" value={form.childCredential} onChange={(childCredential) => set({ childCredential })} options={ways} />
        {form.childCredential !== 'none' && (
          <TextField
            label="Variable"
            {...bound(props, 'variable')}
            mono
            required
            maxLength={64}
            placeholder="API_KEY"
            help={form.childCredential === 'file' ? 'It gets the path of the file.' : 'It gets the secret.'}
          />
        )}
      </FieldRow>
      <AccountField {...props} />
      <SecretField {...props} />
    </>
  );
}

const boxes = [
  { value: 'required', label: 'Required', note: 'no sandbox, no server' },
  { value: 'none', label: 'None', note: 'it may do what the service may' },
] as const;

/** What a server may touch of the machine. */
export function SandboxFields(props: WebFieldsProps): ReactNode {
  const { form, set } = props;
  return (
    <>
      <Select
        label="Sandbox"
        value={form.sandbox}
        onChange={(sandbox) => set({ sandbox })}
        options={boxes}
        help="bubblewrap: it sees only what is named here."
      />
      {form.sandbox === 'none' && (
        <div className={styles['notice']}>
          <Notice tone="warn">
            Without a sandbox the server can read and change what the account of the service can, and reach every network. Use this only for a server you wrote.
          </Notice>
        </div>
      )}
      <Checkbox checked={form.network} onChange={(network) => set({ network })} help="Without it, it reaches neither the network nor this machine.">
        It may use the network
      </Checkbox>
      <FieldRow>
        <TextField
          label="It may read (optional)"
          {...bound(props, 'readable')}
          mono
          rows={3}
          maxLength={64_128}
          placeholder="/srv/reports"
          help="Whole paths, one a line."
        />
        <TextField label="It may read and write (optional)" {...bound(props, 'writable')} mono rows={3} maxLength={64_128} help="Whole paths, one a line." />
      </FieldRow>
      <TextField
        label="Files that must not change (optional)"
        {...bound(props, 'integrity')}
        mono
        rows={3}
        maxLength={1_100_000}
        placeholder="9f86d081884c7d65…  /opt/servers/files/bin/server"
        help="What sha256sum writes, one file a line: when one of them is another, the server does not start. The command line takes the sums itself: postern resource add-mcp --pin."
      />
    </>
  );
}
