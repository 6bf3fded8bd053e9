import { useState, type ReactNode } from 'react';
import type { Output } from '../../../proxy/contract/api.ts';
import { parseEnrolmentCode } from '../../../proxy/contract/enrolment-code.ts';
import type { User } from '../../../proxy/contract/user.ts';
import { useMutationCall } from '../../data/calls.ts';
import { useAppliance } from '../../data/outside.tsx';
import { useLink } from '../../data/place.ts';
import { Button } from '../../kit/button.tsx';
import { Copyable, CopyButton } from '../../kit/copy-button.tsx';
import { Dialog } from '../../kit/dialog.tsx';
import { SecretOnce } from '../../kit/secret-once.tsx';
import { Select } from '../../kit/select.tsx';
import { Fault, Notice } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { enrolmentLink } from './person-form.ts';
import styles from './principals.module.css';

const lifetimes = [
  { value: '3600', label: '1 hour' },
  { value: '86400', label: '24 hours' },
  { value: '604800', label: '7 days' },
] as const;

export function Invite({ user, onClose }: { user: User; onClose: () => void }): ReactNode {
  const [lifetime, setLifetime] = useState<(typeof lifetimes)[number]['value']>('86400');
  const [created, setCreated] = useState<Output<'inviteUser'> | null>(null);
  const { run, running, fault } = useMutationCall('inviteUser');
  const { name, key } = user;
  if (created !== null) return <Invited name={name} created={created} onClose={onClose} />;
  const invite = async (): Promise<void> => setCreated(await run({ name, expiresInSeconds: Number(lifetime) }));
  const actions = (
    <>
      <Button onPress={onClose}>Cancel</Button>
      <Button variant="primary" pending={running} onPress={() => void invite()}>
        Make code
      </Button>
    </>
  );
  return (
    <Dialog title={`Invite ${name}`} open onClose={onClose} actions={actions}>
      <p>
        Makes a code with which {name} enrols a key on their own machine. It is good once. Whoever enrols with it is {name} from then on: hand it over where
        nobody else reads.
      </p>
      {key !== null && (
        <div className={styles['below']}>
          <Notice tone="warn">{name} has a key already. The new one replaces it only after a second administrator has confirmed this invitation.</Notice>
        </div>
      )}
      <div className={styles['below']}>
        <Select label="Good for" value={lifetime} onChange={setLifetime} options={lifetimes} />
      </div>
      {fault && <Fault of={fault} />}
    </Dialog>
  );
}

function Invited({ name, created, onClose }: { name: string; created: Output<'inviteUser'>; onClose: () => void }): ReactNode {
  const { code, expiresAt, replaces, id } = created;
  const link = enrolmentLink(parseEnrolmentCode(code).url, code);
  return (
    <SecretOnce title={`Code for ${name}`} secret={code} onClose={onClose}>
      <p>
        {name} pastes it into the app, or opens the link in a browser. It is good once and expires <Time at={expiresAt} />.
      </p>
      <div className={styles['pair']}>
        <CopyButton text={link} label="Copy link">
          Copy link
        </CopyButton>
        <span className={styles['muted']}>The link holds the code: it is as secret.</span>
      </div>
      {replaces && <SecondNeeded name={name} id={id} />}
    </SecretOnce>
  );
}

function SecondNeeded({ name, id }: { name: string; id: string }): ReactNode {
  const { url } = useAppliance();
  const link = useLink();
  const address = `${url.replace(/\/+$/, '')}/${link('principals', 'people', name, 'confirm', id)}`;
  return (
    <div className={styles['below']}>
      <Notice tone="warn">
        Before {name} can use the code, a second administrator must confirm invitation <Copyable text={id} label="Copy invitation id" /> at {name}, “Confirm
        replacement”.
        <div className={styles['pair']}>
          <CopyButton text={address} label="Copy link for the second administrator">
            Copy link for the second administrator
          </CopyButton>
        </div>
      </Notice>
    </div>
  );
}
