import { useState, type ReactNode } from 'react';
import type { Input } from '../../../proxy/contract/api.ts';
import { useCall, useMutationCall } from '../../data/calls.ts';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { State } from '../../kit/badge.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import { Section } from '../../kit/page.tsx';
import { Loaded } from '../../kit/states.tsx';
import { useToast } from '../../kit/toasts.tsx';
import styles from './settings.module.css';

type What = Input<'rotateVault'>['what'];

const rotations: readonly { readonly what: What; readonly title: string; readonly text: string; readonly action: string }[] = [
  {
    what: 'data-keys',
    title: 'Data keys',
    text: 'Every credential gets a new key of its own and is encrypted under it. Do it regularly.',
    action: 'Rotate data keys',
  },
  {
    what: 'key-encryption-key',
    title: 'Key-encryption key',
    text: 'A new key encrypts all data keys. Do it when somebody leaves who could read the key file. It works with a key file only, not with a passphrase or a systemd credential.',
    action: 'Rotate key-encryption key',
  },
];

/** The credentials of the targets: how the vault is, and new keys for it. */
export function Vault(): ReactNode {
  const status = useCall('status', {});
  const need = useNeed('administrator');
  const [asked, setAsked] = useState<What | null>(null);
  return (
    <div className={styles['wide']}>
      <Section title="Vault">
        <Loaded call={status} lines={2}>
          {({ parts }) => {
            const vault = parts.find(({ name }) => name === 'vault');
            return (
              vault && (
                <p className={styles['pair']}>
                  <State of={vault.state} /> {vault.detail}
                </p>
              )
            );
          }}
        </Loaded>
      </Section>
      <Section title="Rotation">
        <ul className={styles['list']} aria-label="Rotations">
          {rotations.map(({ what, title, text, action }) => (
            <li key={what} className={styles['rotation']}>
              <div>
                <p>
                  <strong>{title}</strong>
                </p>
                <p className={styles['muted']}>{text}</p>
              </div>
              <ActionButton reason={need} onPress={() => setAsked(what)} label={action}>
                Rotate…
              </ActionButton>
            </li>
          ))}
        </ul>
      </Section>
      {asked !== null && <Rotate what={asked} onClose={() => setAsked(null)} />}
    </div>
  );
}

function Rotate({ what, onClose }: { what: What; onClose: () => void }): ReactNode {
  const { run, running, fault } = useMutationCall('rotateVault');
  const toast = useToast();
  const rotation = rotations.find((one) => one.what === what);
  const confirm = async (): Promise<void> => {
    const done = await run({ what });
    if (done === null) return;
    toast({ tone: 'good', text: done.secrets === 1 ? '1 credential is under new keys.' : `${done.secrets} credentials are under new keys.` });
    onClose();
  };
  return (
    <Confirm
      title={`${rotation?.action ?? 'Rotate'}?`}
      action={rotation?.action ?? 'Rotate'}
      open
      onClose={onClose}
      onConfirm={() => void confirm()}
      pending={running}
      fault={fault}
    >
      {what === 'data-keys'
        ? 'All credentials are encrypted anew. No session ends, and the passwords at the targets stay.'
        : 'The key file is replaced, and all data keys are encrypted under the new one. No session ends. Backups of the data directory from before need the old key file: keep it with them.'}
    </Confirm>
  );
}
