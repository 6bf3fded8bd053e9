import { useState, type ReactNode } from 'react';
import { parseEnrolmentCode, type EnrolmentCode } from '../../proxy/contract/enrolment-code.ts';
import type { AppError } from '../../proxy/lib/errors.ts';
import type { ApplianceView, LocalService } from '../../main/contract/views.ts';
import { appErrorOf } from '../data/calls.ts';
import { useBridge } from '../data/outside.tsx';
import { Button } from '../kit/button.tsx';
import { Facts, Form } from '../kit/page.tsx';
import { TextField } from '../kit/field.tsx';
import { Fault } from '../kit/states.tsx';
import { Mark } from './brand.tsx';
import { LocalServicePanel } from './local-service.tsx';
import styles from './doorway.module.css';

interface EnrolProps {
  /** came with a link */
  readonly code: string | null;
  readonly local: LocalService | null;
  readonly known: ApplianceView | null;
  readonly onEnrolled: (view: ApplianceView) => void;
  readonly onCancel?: (() => void) | undefined;
}

/** The first door: a one-time code makes a key on this machine. */
export function Enrol(props: EnrolProps): ReactNode {
  const { kind } = useBridge();
  const [text, setText] = useState(props.code ?? '');
  const { code, wrong } = read(text);
  const here = kind === 'http' ? 'this browser' : 'this machine';
  const place = kind === 'http' ? 'in' : 'on';
  return (
    <Frame title={code ? `Enrol ${here} as ${code.user}` : `Enrol ${here}`}>
      <p className={styles['lead']}>
        {code
          ? `A key is made and stays ${place} ${here}. It signs you in, and it signs your decisions.`
          : 'An administrator gives you a one-time code or a link. It tells which service this is and who you are.'}
      </p>
      {code && <CodeFacts code={code} />}
      <EnrolForm {...props} text={text} setText={setText} code={code} wrong={wrong} />
      <Notes known={props.known} local={props.local} />
    </Frame>
  );
}

interface EnrolFormProps extends Omit<EnrolProps, 'code' | 'local' | 'known'>, Reading {
  readonly text: string;
  readonly setText: (text: string) => void;
}

function EnrolForm({ text, setText, code, wrong, onEnrolled, onCancel }: EnrolFormProps): ReactNode {
  const { kind } = useBridge();
  const [passphrase, setPassphrase] = useState('');
  // a code that came with the link and can be read is not shown again
  const [typed] = useState(code === null);
  const { act, busy, fault } = useEnrolment(onEnrolled);
  const short = passphrase !== '' && passphrase.length < 12 ? 'At least 12 characters.' : undefined;
  const submit = (): void => {
    if (code && short === undefined) act(text.trim(), passphrase);
  };
  return (
    <Form onSubmit={submit} end={<EnrolButtons ready={code !== null} busy={busy} onCancel={onCancel} />}>
      {typed && (
        <TextField
          label="Enrolment code"
          value={text}
          onChange={setText}
          rows={4}
          mono
          maxLength={4_096}
          placeholder="postern-enrol:…"
          error={wrong}
          autoFocus
        />
      )}
      {kind !== 'http' && (
        <TextField
          label="Passphrase for the key"
          type="password"
          value={passphrase}
          onChange={setPassphrase}
          error={short}
          help="Only needed where no keychain protects it. It is asked for at each sign-in."
        />
      )}
      {fault && <Fault of={fault} />}
    </Form>
  );
}

function EnrolButtons({ ready, busy, onCancel }: { ready: boolean; busy: boolean; onCancel: (() => void) | undefined }): ReactNode {
  return (
    <>
      <Button type="submit" variant="primary" disabled={!ready} pending={busy}>
        Make a key and sign in
      </Button>
      {onCancel && <Button onPress={onCancel}>Cancel</Button>}
    </>
  );
}

function Notes({ known, local }: Pick<EnrolProps, 'known' | 'local'>): ReactNode {
  const { kind } = useBridge();
  const detail = known?.detail ?? '';
  return (
    <>
      {detail !== '' && <p className={styles['note']}>{detail}</p>}
      {local && <LocalServicePanel service={local} />}
      {kind === 'http' && (
        <p className={styles['note']}>
          The key cannot be read out of this browser, and it is lost with the site’s data. Then an administrator invites you again.
        </p>
      )}
    </>
  );
}

export function Frame({ title, children }: { title: string; children: ReactNode }): ReactNode {
  return (
    <main className={styles['door']}>
      <div className={styles['panel']}>
        <div className={styles['brand']}>
          <Mark size={22} />
          Postern
        </div>
        <h1 className={styles['title']}>{title}</h1>
        {children}
      </div>
    </main>
  );
}

function CodeFacts({ code }: { code: EnrolmentCode }): ReactNode {
  return (
    <div className={styles['facts']}>
      <Facts
        items={[
          ['Service', <code key="url">{new URL(code.url).host}</code>],
          ['Its log', <code key="log">{code.service}</code>],
          ['Authority', <code key="ca">{code.ca.match(/.{8}/g)?.slice(0, 4).join(' ')} …</code>],
          ['You', code.user],
        ]}
      />
    </div>
  );
}

interface Reading {
  readonly code: EnrolmentCode | null;
  /** what is wrong with what was typed */
  readonly wrong: string | undefined;
}

function read(text: string): Reading {
  if (text.trim() === '') return { code: null, wrong: undefined };
  try {
    return { code: parseEnrolmentCode(text), wrong: undefined };
  } catch (error) {
    const { message, hint = '' } = appErrorOf(error);
    return { code: null, wrong: `${message} ${hint}` };
  }
}

interface Enrolment {
  readonly act: (code: string, passphrase: string) => void;
  readonly busy: boolean;
  readonly fault: AppError | null;
}

function useEnrolment(onEnrolled: (view: ApplianceView) => void): Enrolment {
  const bridge = useBridge();
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<AppError | null>(null);
  const act = (code: string, passphrase: string): void => {
    setBusy(true);
    setFault(null);
    bridge.appliances
      .enrol({ code, ...(passphrase !== '' && { passphrase }) })
      .then(onEnrolled, (error: unknown) => setFault(appErrorOf(error)))
      .finally(() => setBusy(false));
  };
  return { act, busy, fault };
}
