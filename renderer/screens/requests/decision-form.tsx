import { useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import type { RequestDetails } from '../../../proxy/contract/api-approvals.ts';
import type { CanonicalRequest } from '../../../proxy/contract/approval-request.ts';
import { Button } from '../../kit/button.tsx';
import { TextField } from '../../kit/field.tsx';
import { Select } from '../../kit/select.tsx';
import { Fault } from '../../kit/states.tsx';
import { shorterThan } from './countdown.ts';
import { FreshSignIn } from './fresh-sign-in.tsx';
import { span } from './sentence.ts';
import { useDecide } from './use-decide.ts';
import { useSettled } from './use-settled.ts';
import styles from './requests.module.css';

interface DecisionFormProps {
  readonly details: RequestDetails;
  /** digest of the canonical request that is on the screen */
  readonly shown: string;
  readonly onDecided: (verdict: 'approve' | 'deny') => void;
}

const leastReason = 3;
const reasonNeeded = `Say why, in at least ${leastReason} characters: the requester reads it.`;
const highRiskNeeds = `This is a high-risk request: say why you approve, in at least ${leastReason} characters.`;

/** The end of the timeline: a reason, Deny at once, Approve when it has stood still. Enter never approves. */
export function DecisionForm({ details, shown, onDecided }: DecisionFormProps): ReactNode {
  const { request } = details;
  const { subject, terms } = request.canonical;
  const [reason, setReason] = useState('');
  const [error, setError] = useState<string>();
  const [seconds, setSeconds] = useState(subject.kind === 'access' ? subject.seconds : 0);
  const form = useRef<HTMLDivElement>(null);
  const approve = useRef<HTMLSpanElement>(null);
  const settled = useSettled(`${shown} ${request.status} ${request.decisions.length}`, approve);
  const { running, fault, decide } = useDecide();
  const send = (verdict: 'approve' | 'deny'): void => {
    const said = reason.trim();
    const missing = faultOf(verdict, said, terms.risk);
    setError(missing);
    if (missing !== undefined) {
      form.current?.querySelector('textarea')?.focus();
      return;
    }
    const shorter = verdict === 'approve' && subject.kind === 'access' && seconds < subject.seconds ? { seconds } : {};
    void decide({ request: request.id, shown, verdict, reason: said, ...shorter }).then((done) => {
      if (done) onDecided(verdict);
    });
  };
  return (
    <div ref={form} className={styles['form']} role="group" aria-label="Your decision">
      {fault !== null && <Fault of={fault} />}
      {fault?.code === 'ERR_FORBIDDEN' && terms.risk === 'high' && <FreshSignIn />}
      <div className={styles['formRow']}>
        <div className={styles['grow']}>
          <TextField
            label="Reason"
            rows={2}
            value={reason}
            onChange={(text) => {
              setReason(text);
              setError(undefined);
            }}
            error={error}
            maxLength={500}
            placeholder={terms.risk === 'high' ? 'Needed to approve or deny' : 'Needed to deny, optional to approve'}
          />
        </div>
        {subject.kind === 'access' && <Shorten subject={subject} seconds={seconds} onChange={setSeconds} />}
      </div>
      <div className={styles['formEnd']}>
        <p className={styles['hint']}>{settled ? 'Signed with your key. Enter never approves.' : 'Approve is enabled in a moment: read first.'}</p>
        <Button variant="danger" pending={running === 'deny'} disabled={running === 'approve'} onPress={() => send('deny')}>
          Deny
        </Button>
        <span ref={approve} onKeyDownCapture={withoutEnter} title={settled ? '' : 'It appeared or moved just now.'}>
          <Button variant="primary" disabled={!settled || running === 'deny'} pending={running === 'approve'} onPress={() => send('approve')}>
            Approve
          </Button>
        </span>
      </div>
    </div>
  );
}

function faultOf(verdict: 'approve' | 'deny', reason: string, risk: CanonicalRequest['terms']['risk']): string | undefined {
  if (reason.length >= leastReason) return undefined;
  if (verdict === 'deny') return reasonNeeded;
  return risk === 'high' ? highRiskNeeds : undefined;
}

function withoutEnter(event: KeyboardEvent): void {
  if (event.key !== 'Enter') return;
  event.preventDefault();
  event.stopPropagation();
}

interface ShortenProps {
  readonly subject: Extract<CanonicalRequest['subject'], { kind: 'access' }>;
  readonly seconds: number;
  readonly onChange: (seconds: number) => void;
}

function Shorten({ subject, seconds, onChange }: ShortenProps): ReactNode {
  const options = shorterThan(subject.seconds).map((choice) => ({
    value: String(choice),
    label: choice === subject.seconds ? `${span(choice)}, as asked` : span(choice),
  }));
  return <Select label="For how long" value={String(seconds)} onChange={(value) => onChange(Number(value))} options={options} help="Shorter, never longer." />;
}
