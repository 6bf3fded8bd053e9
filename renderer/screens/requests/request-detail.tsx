import { useMemo, useRef, useState, type ReactNode } from 'react';
import type { RequestDetails } from '../../../proxy/contract/api-approvals.ts';
import { useCall } from '../../data/calls.ts';
import { State, Tag } from '../../kit/badge.tsx';
import { Button } from '../../kit/button.tsx';
import { CopyButton, Copyable } from '../../kit/copy-button.tsx';
import { cx } from '../../kit/css.ts';
import { Section } from '../../kit/page.tsx';
import { Loaded, Notice } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { isCall, laidOut } from './call-text.ts';
import { CommandView, HiddenValues } from './command-view.tsx';
import { Compare } from './compare.tsx';
import { countdownTo, isOpen } from './countdown.ts';
import { DecisionForm } from './decision-form.tsx';
import { Because, Blast, Requester } from './request-facts.tsx';
import { Revoke } from './revoke.tsx';
import { sentenceOf, textOf } from './sentence.ts';
import { digestOfShown } from './shown-digest.ts';
import { SignedPart } from './signed-part.tsx';
import { TimelineView } from './timeline-view.tsx';
import { thresholdText, timelineOf } from './timeline.ts';
import type { InboxRow } from './use-inbox.ts';
import { useSecond } from './use-second.ts';
import styles from './requests.module.css';

interface RequestDetailProps {
  readonly id: string;
  /** the next one that waits for this person */
  readonly next: InboxRow | null;
  readonly onNext: (row: InboxRow) => void;
  readonly compare: string | null;
  readonly onCompare: (other: string | null) => void;
}

export function RequestDetail(props: RequestDetailProps): ReactNode {
  const call = useCall('showRequest', { id: props.id });
  return (
    <Loaded call={call} lines={12}>
      {(details) => <OpenRequest {...props} details={details} />}
    </Loaded>
  );
}

function OpenRequest({ details, next, onNext, compare, onCompare }: RequestDetailProps & { details: RequestDetails }): ReactNode {
  const { request } = details;
  const { canonical } = request;
  const { subject } = canonical;
  const digest = useMemo(() => digestOfShown(canonical), [canonical]);
  const now = useSecond(request.status === 'pending' || request.status === 'approved');
  const [decided, setDecided] = useState<'approve' | 'deny' | null>(null);
  return (
    <>
      <div className={styles['scroll']} role="region" aria-label="Details of the request" tabIndex={0}>
        <Changed details={details} digest={digest} decided={decided !== null} />
        <Head details={details} now={now} />
        {subject.kind === 'operation' && (
          <Section
            title={isCall(subject.acts) ? 'Call' : 'Command'}
            actions={
              <>
                <CopyButton text={subject.command} label="Copy command" />
                <Button small onPress={() => onCompare(compare === null ? '' : null)}>
                  {compare === null ? 'Compare…' : 'End comparison'}
                </Button>
              </>
            }
          >
            {compare === null ? (
              <>
                <Asked subject={subject} />
                <HiddenValues hidden={subject.hidden} />
              </>
            ) : (
              <Compare request={request} other={compare} onChoose={onCompare} />
            )}
          </Section>
        )}
        <Because because={details.because} />
        <Requester details={details} />
        {subject.kind === 'operation' && <Blast subject={subject} rowEstimate={details.rowEstimate} />}
        <SignedPart canonical={canonical} digest={digest} />
        <Section title="Timeline">
          <TimelineView request={request} />
        </Section>
      </div>
      <Foot details={details} digest={digest} now={now} next={next} onNext={onNext} decided={decided} onDecided={setDecided} />
    </>
  );
}

function Head({ details: { request }, now }: { details: RequestDetails; now: number }): ReactNode {
  const { canonical, status } = request;
  const { who, what, where, howLong } = sentenceOf(request);
  const { text, urgency } = countdownTo(canonical.expiresAt, now);
  const { risk, mode } = canonical.terms;
  const isLive = status === 'pending' || status === 'approved';
  return (
    <header className={styles['head']}>
      <div className={styles['headLine']}>
        <State of={status} />
        {risk !== 'normal' && <Tag>{risk} risk</Tag>}
        {isLive && <span className={styles['muted']}>{startOf(canonical.subject.kind, mode)}</span>}
        <span className={styles['grow']} />
        {isLive ? (
          <span className={cx(styles['countdown'], urgency !== 'calm' && styles['soon'])} role="timer" title={canonical.expiresAt}>
            {text}
          </span>
        ) : (
          <span className={styles['muted']}>
            closed <Time at={request.closedAt ?? canonical.expiresAt} />
          </span>
        )}
        {isOpen(request, now) && <Revoke request={request} />}
      </div>
      <h2 className={styles['sentence']} aria-label={textOf({ who, what, where, howLong })}>
        <strong>{who}</strong> wants to {what} <strong>{where}</strong>, {howLong}
      </h2>
      <div className={styles['headLine']}>
        <Copyable text={request.id} label="Copy request id" />
        <span className={styles['muted']}>
          asked <Time at={canonical.createdAt} />
        </span>
      </div>
    </header>
  );
}

/** A call is laid out; blanks between its values are all that the signed text does not have. */
function Asked({
  subject: { command, hidden, acts },
}: {
  subject: Extract<RequestDetails['request']['canonical']['subject'], { kind: 'operation' }>;
}): ReactNode {
  if (!isCall(acts)) return <CommandView label="Command" command={command} hidden={hidden} />;
  const text = laidOut(command);
  return (
    <>
      <CommandView label="Call" command={text} language="text" hidden={hidden} />
      {text !== command && (
        <p className={styles['note']}>Laid out for reading. The signed text has no blanks between its values; “Copy command” gives it as it is.</p>
      )}
    </>
  );
}

function startOf(kind: 'operation' | 'access', mode: 'hold' | 'retry'): string {
  if (kind === 'access') return 'starts when it is approved';
  return mode === 'hold' ? 'the session waits' : 'runs when it is sent again';
}

/** What happened while this person was reading. */
function Changed({ details: { request }, digest, decided }: { details: RequestDetails; digest: string; decided: boolean }): ReactNode {
  const first = useRef({ digest, moments: timelineOf(request).length });
  if (first.current.digest !== digest)
    return <Notice tone="bad">The request itself is not what it was when you opened it. Read it again before you decide.</Notice>;
  const fresh = timelineOf(request).slice(first.current.moments);
  if (fresh.length === 0 || decided) return null;
  return <Notice tone="warn">While you were reading: {fresh.map(({ who, did }) => (who === '' ? did : `${who} ${did}`)).join('; ')}.</Notice>;
}

interface FootProps extends Pick<RequestDetailProps, 'next' | 'onNext'> {
  readonly details: RequestDetails;
  readonly digest: string;
  readonly now: number;
  /** this person's verdict, as soon as the service took it */
  readonly decided: 'approve' | 'deny' | null;
  readonly onDecided: (verdict: 'approve' | 'deny') => void;
}

function Foot({ details, digest, now, next, onNext, decided, onDecided }: FootProps): ReactNode {
  const { request, may } = details;
  const isPending = request.status === 'pending';
  if (isPending && isOpen(request, now) && may.decide && decided === null) {
    return (
      <section className={styles['foot']} aria-label="Decision">
        <DecisionForm details={details} shown={digest} onDecided={onDecided} />
      </section>
    );
  }
  const says = decided === null ? whyNot(details, now) : decisionText(decided, request);
  if (says === null && next === null) return null;
  return (
    <section className={styles['foot']} aria-label="Decision" aria-live="polite">
      {says !== null && <p>{says}</p>}
      {next !== null && (
        <div className={styles['formEnd']}>
          <p className={styles['next']}>Next for you: {textOf(sentenceOf(next.request))}</p>
          <Button onPress={() => onNext(next)}>Open next</Button>
        </div>
      )}
    </section>
  );
}

function whyNot({ request, may }: RequestDetails, now: number): string | null {
  if (request.status !== 'pending') return null;
  return `You cannot decide on it: ${isOpen(request, now) ? may.why : 'The request has expired.'}`;
}

function decisionText(verdict: 'approve' | 'deny', request: RequestDetails['request']): string {
  if (verdict === 'deny') return 'You denied it. The requester is told why.';
  return request.status === 'pending' ? `Your approval is signed and counted: ${thresholdText(request)}` : 'Your approval is signed and sent.';
}
