import { useState, type ReactNode } from 'react';
import type { ApplianceView, LocalService } from '../../main/contract/views.ts';
import type { AppError } from '../../proxy/lib/errors.ts';
import { appErrorOf } from '../data/calls.ts';
import { useBridge } from '../data/outside.tsx';
import { useGo } from '../data/place.ts';
import { Button } from '../kit/button.tsx';
import { Confirm } from '../kit/confirm.tsx';
import { TextField } from '../kit/field.tsx';
import { Facts, Form } from '../kit/page.tsx';
import { Fault } from '../kit/states.tsx';
import { Frame } from './enrol.tsx';
import { LocalServicePanel } from './local-service.tsx';
import { isHere } from './service-state.ts';
import styles from './doorway.module.css';

interface DoorwayProps {
  readonly appliance: ApplianceView;
  readonly others: readonly ApplianceView[];
  readonly local: LocalService | null;
  readonly onAdd: () => void;
}

const titles: Readonly<Record<Exclude<ApplianceView['state'], 'signed-in'>, string>> = {
  unknown: 'Not enrolled',
  enrolled: 'Sign in',
  unreachable: 'The service does not answer',
  refused: 'This is not the service you enrolled at',
  outdated: 'The versions do not fit',
};
const leads: Readonly<Record<Exclude<ApplianceView['state'], 'signed-in'>, string>> = {
  unknown: 'Ask an administrator for a one-time code.',
  enrolled: 'Your key lies here; one signature signs you in.',
  unreachable: 'Sessions are enforced by the service, whether or not this window sees it.',
  refused: 'Its certificate is not from the authority that your enrolment pinned. Nothing is sent to it.',
  outdated: 'App and service have no version of the API in common. One of them must be updated.',
};

/** Known, but not signed in: says why, and what to do. */
export function Doorway({ appliance, others, local, onAdd }: DoorwayProps): ReactNode {
  const { kind } = useBridge();
  const state = appliance.state === 'signed-in' ? 'enrolled' : appliance.state;
  return (
    <Frame title={titles[state]}>
      <p className={styles['lead']}>{leads[state]}</p>
      <div className={styles['facts']}>
        <Facts
          items={[
            ['Service', <code key="url">{appliance.name}</code>],
            ['You', appliance.user],
            ['Version', appliance.version],
          ]}
        />
      </div>
      {appliance.detail !== '' && <p>{appliance.detail}</p>}
      <SignIn key={appliance.id} appliance={appliance} />
      <Others appliance={appliance} others={others} />
      {local && isHere(appliance) && <LocalServicePanel service={local} />}
      <div className={styles['note']}>
        <ForgetButton appliance={appliance} />
        {kind !== 'http' && (
          <Button variant="quiet" small onPress={onAdd}>
            Enrol at another service
          </Button>
        )}
      </div>
    </Frame>
  );
}

function SignIn({ appliance }: { appliance: ApplianceView }): ReactNode {
  const bridge = useBridge();
  const [passphrase, setPassphrase] = useState('');
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<AppError | null>(null);
  const asks = appliance.keyProtection === 'passphrase';
  if (appliance.state === 'refused' || appliance.state === 'outdated') return null;
  const submit = (): void => {
    setBusy(true);
    setFault(null);
    bridge.appliances
      .signIn(appliance.id, asks ? passphrase : undefined)
      .catch((error: unknown) => setFault(appErrorOf(error)))
      .finally(() => setBusy(false));
  };
  return (
    <Form
      onSubmit={submit}
      end={
        <Button type="submit" variant="primary" pending={busy} disabled={asks && passphrase === ''}>
          {appliance.state === 'unreachable' ? 'Try again' : `Sign in as ${appliance.user}`}
        </Button>
      }
    >
      {asks && <TextField label="Passphrase of your key" type="password" value={passphrase} onChange={setPassphrase} autoFocus />}
      {fault && <Fault of={fault} />}
    </Form>
  );
}

function Others({ appliance, others }: Pick<DoorwayProps, 'appliance' | 'others'>): ReactNode {
  const go = useGo();
  const rest = others.filter(({ id }) => id !== appliance.id);
  if (rest.length === 0) return null;
  return (
    <div className={styles['actions']}>
      {rest.map(({ id, name }) => (
        <Button key={id} small onPress={() => go('overview', [], id)}>
          Go to {name}
        </Button>
      ))}
    </div>
  );
}

function ForgetButton({ appliance }: { appliance: ApplianceView }): ReactNode {
  const bridge = useBridge();
  const [open, setOpen] = useState(false);
  const [fault, setFault] = useState<AppError | null>(null);
  const forget = (): void => {
    bridge.appliances.forget(appliance.id).then(
      () => setOpen(false),
      (error: unknown) => setFault(appErrorOf(error)),
    );
  };
  return (
    <>
      <Button variant="quiet" small onPress={() => setOpen(true)}>
        Forget this service
      </Button>
      <Confirm
        title={`Forget ${appliance.name}?`}
        action="Forget and destroy the key"
        open={open}
        onClose={() => setOpen(false)}
        onConfirm={forget}
        fault={fault}
      >
        The key of {appliance.user} on this machine is destroyed. To come back you need a new invitation, which a second administrator confirms.
      </Confirm>
    </>
  );
}
