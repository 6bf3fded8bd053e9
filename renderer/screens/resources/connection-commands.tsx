import { useState, type ReactNode } from 'react';
import type { PostgresView } from '../../../proxy/contract/api-views.ts';
import { useCall } from '../../data/calls.ts';
import { useAppliance } from '../../data/outside.tsx';
import { Code } from '../../kit/code.tsx';
import { CopyButton } from '../../kit/copy-button.tsx';
import { ComboBox } from '../../kit/select.tsx';
import { Loaded } from '../../kit/states.tsx';
import { connectionWays, doorsOf, type Door } from './connection.ts';
import styles from './resources.module.css';

/** Commands to copy: the token is never in them. */
export function ConnectionCommands({ resource }: { resource: PostgresView }): ReactNode {
  const status = useCall('status', {});
  const accounts = useCall('listServiceAccounts', { limit: 1_000 });
  const { url } = useAppliance();
  const [principal, setPrincipal] = useState('');
  const options = (accounts.data?.items ?? [])
    .filter(({ disabled }) => !disabled)
    .map(({ name, purpose }) => ({ value: name, label: name, note: purpose.slice(0, 48) }));
  return (
    <Loaded call={status} lines={4}>
      {({ listeners }) => {
        const { shared, own } = doorsOf(resource, listeners, url);
        return (
          <>
            <ComboBox
              label="Service account"
              value={principal}
              onChange={setPrincipal}
              options={options}
              placeholder="<service-account>"
              help="Who connects. Its token is the password: psql asks for it; elsewhere it stands for <token>."
            />
            {shared && (
              <DoorWays
                title="Shared port"
                note={`The database is the resource's name; another database of the target is ${resource.name}/NAME.`}
                door={shared}
                principal={principal}
              />
            )}
            {own && <DoorWays title="Own port" note="Databases have the target's own names: for graphical clients and \c." door={own} principal={principal} />}
            {shared === null && <p className={styles['note']}>No gateway listens at the moment, so there is no address to connect to. Health says why.</p>}
            <p className={styles['note']}>
              <code>ca.crt</code> is the certificate of this service's own authority, <code>tls/ca.crt</code> in its data directory. With{' '}
              <code>sslmode=verify-full</code> the client checks that it talks to this service.
            </p>
          </>
        );
      }}
    </Loaded>
  );
}

function DoorWays({ title, note, door, principal }: { title: string; note: string; door: Door; principal: string }): ReactNode {
  return (
    <div className={styles['door']}>
      <h3 className={styles['doorTitle']}>
        {title} <code>{door.port}</code>
      </h3>
      <p className={styles['muted']}>{note}</p>
      <div className={styles['ways']}>
        {connectionWays(door, principal).map(({ id, label, text }) => (
          <div key={id} className={styles['way']}>
            <span className={styles['wayName']}>{label}</span>
            <Code text={text} language="text" label={`${label}, ${title.toLowerCase()}`} />
            <CopyButton text={text} label={`Copy ${label}, ${title.toLowerCase()}`} />
          </div>
        ))}
      </div>
    </div>
  );
}
