import { Plus } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import type { ApplianceView } from '../../../main/contract/views.ts';
import type { AppError } from '../../../proxy/lib/errors.ts';
import { serviceState } from '../../app/service-state.ts';
import { appErrorOf } from '../../data/calls.ts';
import { useAppliance, useAppliances, useBridge } from '../../data/outside.tsx';
import { Badge } from '../../kit/badge.tsx';
import { Button } from '../../kit/button.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import { Copyable } from '../../kit/copy-button.tsx';
import { Dialog } from '../../kit/dialog.tsx';
import { TextField } from '../../kit/field.tsx';
import { Facts, Form, Section } from '../../kit/page.tsx';
import { Fault } from '../../kit/states.tsx';
import { EnrolDialog } from './enrol-dialog.tsx';
import styles from './settings.module.css';

const protections: Readonly<Record<ApplianceView['keyProtection'], string>> = {
  keychain: 'Encrypted on this machine; the operating system’s keychain holds what opens it.',
  passphrase: 'Encrypted on this machine under your passphrase, which is asked for at each sign-in.',
  browser: 'Kept by this browser, which does not give it away, not even to this page.',
  none: 'There is no key here.',
};

/** The services this machine has a key for. */
export function Services(): ReactNode {
  const { kind } = useBridge();
  const appliances = useAppliances() ?? [];
  const [enrolling, setEnrolling] = useState(false);
  const add = kind !== 'http' && (
    <Button onPress={() => setEnrolling(true)}>
      <Plus size={14} aria-hidden />
      Enrol at another service
    </Button>
  );
  return (
    <div className={styles['wide']}>
      <Section title={kind === 'http' ? 'This browser is enrolled at' : 'This machine is enrolled at'} actions={add}>
        <ul className={styles['list']} aria-label="Services">
          {appliances.map((appliance) => (
            <ServiceRow key={appliance.id} appliance={appliance} />
          ))}
        </ul>
      </Section>
      {enrolling && <EnrolDialog onClose={() => setEnrolling(false)} />}
    </div>
  );
}

type Asked = 'forget' | 'passphrase' | null;

function ServiceRow({ appliance }: { appliance: ApplianceView }): ReactNode {
  const { kind } = useBridge();
  const { id: shown } = useAppliance();
  const { id, name, url, service, user, roles, state, detail, version, keyProtection } = appliance;
  const { word, tone } = serviceState({ appliance, status: undefined, local: null });
  const [asked, setAsked] = useState<Asked>(null);
  const { act, busy, fault } = useActs();
  const bridge = useBridge();
  const isIn = state === 'signed-in';
  const signIn = (): void => (keyProtection === 'passphrase' ? setAsked('passphrase') : act(() => bridge.appliances.signIn(id)));
  return (
    <li className={styles['service']}>
      <div className={styles['serviceHead']}>
        <strong>{name}</strong>
        <Badge tone={tone}>{isIn ? 'Signed in' : word}</Badge>
        {id === shown && <span className={styles['muted']}>shown now</span>}
        <span className={styles['grow']} />
        {isIn ? (
          <Button small pending={busy} onPress={() => act(() => bridge.appliances.signOut(id))} label={`Sign out of ${name}`}>
            Sign out
          </Button>
        ) : (
          <Button small variant="primary" pending={busy} onPress={signIn} label={`Sign in to ${name}`}>
            Sign in
          </Button>
        )}
        <Button small onPress={() => setAsked('forget')} label={`Forget ${name}`}>
          Forget…
        </Button>
      </div>
      {detail !== '' && <p className={styles['muted']}>{detail}</p>}
      <Facts
        items={[
          ['You', roles.length === 0 ? user : `${user} (${roles.join(', ')})`],
          ['Address', <Copyable key="url" text={url} label="Copy address" />],
          ['Its log', service === '' ? null : <code key="service">{service}</code>],
          ['Version', version],
          ['Your key', protections[keyProtection]],
        ]}
      />
      {fault && <Fault of={fault} />}
      {asked === 'forget' && <Forget appliance={appliance} place={kind === 'http' ? 'this browser' : 'this machine'} onClose={() => setAsked(null)} />}
      {asked === 'passphrase' && <Passphrase appliance={appliance} onClose={() => setAsked(null)} />}
    </li>
  );
}

interface Acts {
  readonly act: (run: () => Promise<unknown>, done?: () => void) => void;
  readonly busy: boolean;
  readonly fault: AppError | null;
}

function useActs(): Acts {
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<AppError | null>(null);
  const act: Acts['act'] = (run, done) => {
    setBusy(true);
    setFault(null);
    run()
      .then(
        () => done?.(),
        (error: unknown) => setFault(appErrorOf(error)),
      )
      .finally(() => setBusy(false));
  };
  return { act, busy, fault };
}

function Forget({ appliance: { id, name }, place, onClose }: { appliance: ApplianceView; place: string; onClose: () => void }): ReactNode {
  const bridge = useBridge();
  const { act, busy, fault } = useActs();
  return (
    <Confirm
      title={`Forget ${name}?`}
      action="Forget and destroy the key"
      open
      onClose={onClose}
      onConfirm={() => act(() => bridge.appliances.forget(id), onClose)}
      typed={name}
      pending={busy}
      fault={fault}
    >
      Your key for it is destroyed on {place}, and so is the checkpoint that was kept of its log – with it the evidence of an alarm, if there is one. To come
      back you need a new invitation. Requests and sessions of the service go on.
    </Confirm>
  );
}

function Passphrase({ appliance: { id, name }, onClose }: { appliance: ApplianceView; onClose: () => void }): ReactNode {
  const bridge = useBridge();
  const [text, setText] = useState('');
  const { act, busy, fault } = useActs();
  const signIn = (): void => {
    if (text !== '') act(() => bridge.appliances.signIn(id, text), onClose);
  };
  const actions = (
    <>
      <Button onPress={onClose}>Cancel</Button>
      <Button variant="primary" pending={busy} disabled={text === ''} onPress={signIn}>
        Sign in
      </Button>
    </>
  );
  return (
    <Dialog title={`Sign in to ${name}`} open onClose={onClose} actions={actions}>
      <Form onSubmit={signIn}>
        <TextField
          label="Passphrase of the key"
          type="password"
          value={text}
          onChange={setText}
          required
          autoFocus
          help="The one you chose when this machine was enrolled."
        />
        <button type="submit" hidden />
      </Form>
      {fault && <Fault of={fault} />}
    </Dialog>
  );
}
