import { useState, type ReactNode } from 'react';
import type { EnrolInput } from '../../../main/contract/views.ts';
import { parseEnrolmentCode, type EnrolmentCode } from '../../../proxy/contract/enrolment-code.ts';
import type { AppError } from '../../../proxy/lib/errors.ts';
import { appErrorOf } from '../../data/calls.ts';
import { useBridge } from '../../data/outside.tsx';
import { Button } from '../../kit/button.tsx';
import { Dialog } from '../../kit/dialog.tsx';
import { TextField } from '../../kit/field.tsx';
import { Facts, Form } from '../../kit/page.tsx';
import { Fault } from '../../kit/states.tsx';
import { useToast } from '../../kit/toasts.tsx';

const minPassphrase = 12;

type Read = { readonly code: EnrolmentCode; readonly wrong?: never } | { readonly code: null; readonly wrong: string | undefined };

function read(text: string): Read {
  if (text.trim() === '') return { code: null, wrong: undefined };
  try {
    return { code: parseEnrolmentCode(text) };
  } catch (error) {
    const { message, hint = '' } = appErrorOf(error);
    return { code: null, wrong: `${message} ${hint}` };
  }
}

/** One more service: a code makes a key of its own. */
export function EnrolDialog({ onClose }: { onClose: () => void }): ReactNode {
  const [text, setText] = useState('');
  const [passphrase, setPassphrase] = useState('');
  const { enrol, busy, fault } = useEnrolling(onClose);
  const { code, wrong } = read(text);
  const short = passphrase !== '' && passphrase.length < minPassphrase ? `At least ${minPassphrase} characters.` : undefined;
  const isReady = code !== null && short === undefined;
  const submit = (): void => {
    if (isReady) enrol({ code: text.trim(), ...(passphrase !== '' && { passphrase }) });
  };
  const actions = (
    <>
      <Button onPress={onClose}>Cancel</Button>
      <Button variant="primary" disabled={!isReady} pending={busy} onPress={submit}>
        Make a key and sign in
      </Button>
    </>
  );
  return (
    <Dialog title="Enrol at another service" open onClose={onClose} actions={actions}>
      <Form onSubmit={submit}>
        <TextField
          label="Enrolment code"
          value={text}
          onChange={setText}
          rows={4}
          mono
          maxLength={4_096}
          placeholder="postern-enrol:…"
          error={wrong}
          help="From an administrator of that service. It is good once."
          autoFocus
        />
        {code && <CodeFacts code={code} />}
        <TextField
          label="Passphrase for the key"
          type="password"
          value={passphrase}
          onChange={setPassphrase}
          error={short}
          help="Only needed where no keychain protects it. It is asked for at each sign-in."
        />
      </Form>
      {fault && <Fault of={fault} />}
    </Dialog>
  );
}

function CodeFacts({ code: { url, service, user } }: { code: EnrolmentCode }): ReactNode {
  return (
    <Facts
      items={[
        ['Service', <code key="url">{new URL(url).host}</code>],
        ['Its log', <code key="log">{service}</code>],
        ['You', user],
      ]}
    />
  );
}

interface Enrolling {
  readonly enrol: (input: EnrolInput) => void;
  readonly busy: boolean;
  readonly fault: AppError | null;
}

function useEnrolling(done: () => void): Enrolling {
  const bridge = useBridge();
  const toast = useToast();
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<AppError | null>(null);
  const enrol = (input: EnrolInput): void => {
    setBusy(true);
    setFault(null);
    bridge.appliances
      .enrol(input)
      .then(
        ({ name, user }) => {
          toast({ tone: 'good', text: `Enrolled at ${name} as ${user}.` });
          done();
        },
        (error: unknown) => setFault(appErrorOf(error)),
      )
      .finally(() => setBusy(false));
  };
  return { enrol, busy, fault };
}
