import type { ReactNode } from 'react';
import { useCall } from '../../data/calls.ts';
import { useAppliance } from '../../data/outside.tsx';
import { Code } from '../../kit/code.tsx';
import { Copyable, CopyButton } from '../../kit/copy-button.tsx';
import { Facts } from '../../kit/page.tsx';
import { Loaded } from '../../kit/states.tsx';
import { webAddresses, webWays } from './web-connection.ts';
import type { WebView } from './web-form.ts';
import styles from './resources.module.css';

/** Addresses and commands to copy: the token is never in them. */
export function WebCommands({ resource }: { resource: WebView }): ReactNode {
  const status = useCall('status', {});
  const { url } = useAppliance();
  return (
    <Loaded call={status} lines={4}>
      {({ listeners }) => {
        const found = webAddresses(resource, listeners, url);
        if (found === null) return <p className={styles['note']}>No gateway listens at the moment, so there is no address to call. Health says why.</p>;
        const { shared, own } = found;
        return (
          <>
            <Facts
              items={[
                ['Address', <Copyable key="shared" text={shared} label="Copy address for callers" />],
                ['At its own port', own !== null && <Copyable text={own} label="Copy address at its own port" />],
              ]}
            />
            <div className={styles['ways']}>
              {webWays(resource, shared).map(({ id, label, text }) => (
                <div key={id} className={styles['way']}>
                  <span className={styles['wayName']}>{label}</span>
                  <Code text={text} language="text" label={label} />
                  <CopyButton text={text} label={`Copy ${label}`} />
                </div>
              ))}
            </div>
            <p className={styles['note']}>
              Callers show their own token, of a service account or of their platform, as <code>Authorization: Bearer</code>. <code>ca.crt</code> is the
              certificate of this service’s own authority, <code>tls/ca.crt</code> in its data directory.
            </p>
          </>
        );
      }}
    </Loaded>
  );
}
