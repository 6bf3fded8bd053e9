import { GitCompare } from 'lucide-react';
import { useMemo, type ReactNode } from 'react';
import type { ApprovalRequest } from '../../../proxy/contract/approval-request.ts';
import { useCall } from '../../data/calls.ts';
import { Badge } from '../../kit/badge.tsx';
import { Select } from '../../kit/select.tsx';
import { Empty, Loaded, Notice } from '../../kit/states.tsx';
import { relativeTime, useNow } from '../../kit/time.tsx';
import { isCall } from './call-text.ts';
import { CommandView } from './command-view.tsx';
import { compareRequests, type Comparison } from './comparing.ts';
import styles from './requests.module.css';

interface CompareProps {
  readonly request: ApprovalRequest;
  /** id of the other; empty: to be chosen */
  readonly other: string;
  readonly onChoose: (id: string) => void;
}

const maxChars = 60;

/** Beside another request of the same requester: a look-alike with another hidden value shows. */
export function Compare({ request, other, onChoose }: CompareProps): ReactNode {
  const list = useCall('listRequests', { limit: 500 });
  const now = useNow();
  return (
    <Loaded call={list} lines={3}>
      {({ items }) => {
        const candidates = items.filter((item) => item.id !== request.id && isComparable(item, request));
        const options = candidates.map(({ id, status, canonical: { createdAt, subject } }) => ({
          value: id,
          label: `${relativeTime(createdAt, now)}, ${status}: ${subject.kind === 'operation' ? subject.command.slice(0, maxChars).replaceAll(/\s+/g, ' ') : ''}`,
        }));
        if (options.length === 0 && other === '')
          return (
            <Empty title="There is nothing to compare it with" icon={GitCompare}>
              This requester made no other command wait lately.
            </Empty>
          );
        return (
          <>
            <Select
              label="Compare with"
              value={other === '' ? null : other}
              onChange={onChoose}
              options={options}
              help="Other requests of this requester, newest first."
            />
            {other !== '' && <Compared request={request} other={other} />}
          </>
        );
      }}
    </Loaded>
  );
}

function isComparable({ canonical }: ApprovalRequest, request: ApprovalRequest): boolean {
  return canonical.subject.kind === 'operation' && canonical.principal.subject === request.canonical.principal.subject;
}

function Compared({ request, other }: { request: ApprovalRequest; other: string }): ReactNode {
  const call = useCall('showRequest', { id: other });
  return (
    <Loaded call={call} lines={4}>
      {(details) => <Differences mine={request} other={details.request} />}
    </Loaded>
  );
}

function Differences({ mine, other }: { mine: ApprovalRequest; other: ApprovalRequest }): ReactNode {
  const comparison = useMemo(() => compareRequests(mine, other), [mine, other]);
  const [a, b] = [other.canonical.subject, mine.canonical.subject];
  if (comparison === null || a.kind !== 'operation' || b.kind !== 'operation')
    return <Notice tone="quiet">An access has no command that could be compared.</Notice>;
  const differing = new Set(comparison.hidden === 'different' ? comparison.values.filter(({ same }) => !same).map(({ position }) => position) : []);
  const isSame = comparison.sameText && comparison.hidden !== 'different' && comparison.hidden !== 'unknown';
  return (
    <div className={styles['compared']}>
      <Notice tone={isSame ? 'quiet' : 'warn'}>{comparison.says}</Notice>
      <h3 className={styles['subhead']}>That request</h3>
      <CommandView
        label="Command of that request"
        command={a.command}
        language={isCall(a.acts) ? 'text' : 'sql'}
        hidden={a.hidden}
        changed={comparison.changedOther}
        differing={differing}
      />
      <h3 className={styles['subhead']}>This request</h3>
      <CommandView
        label="Command of this request"
        command={b.command}
        language={isCall(b.acts) ? 'text' : 'sql'}
        hidden={b.hidden}
        changed={comparison.changedMine}
        differing={differing}
      />
      <Values comparison={comparison} />
      <Circumstances comparison={comparison} />
    </div>
  );
}

function Values({ comparison: { values, hidden } }: { comparison: Comparison }): ReactNode {
  if (values.length === 0) return null;
  return (
    <>
      <table className={styles['table']}>
        <caption className={styles['caption']}>Hidden values</caption>
        <thead>
          <tr>
            <th scope="col">Value</th>
            <th scope="col">Type</th>
            <th scope="col">That mark</th>
            <th scope="col">This mark</th>
            <th scope="col">Compared</th>
          </tr>
        </thead>
        <tbody>
          {values.slice(0, 200).map(({ position, type, other, mine, same }) => (
            <tr key={position}>
              <td>{position + 1}</td>
              <td>{type}</td>
              <td>{other === null ? 'shown whole' : <code>{other}</code>}</td>
              <td>{mine === null ? 'shown whole' : <code>{mine}</code>}</td>
              <td>
                {hidden === 'unknown' ? (
                  <Badge tone="quiet">Cannot be said</Badge>
                ) : same ? (
                  <Badge tone="good">Same</Badge>
                ) : (
                  <Badge tone="bad">Different</Badge>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {hidden === 'different' && (
        <p className={styles['note']}>
          A mark is about all hidden values of a command together, so one other value changes every mark. Marks change as well when the gateway starts anew.
        </p>
      )}
    </>
  );
}

function Circumstances({ comparison: { facts } }: { comparison: Comparison }): ReactNode {
  if (facts.length === 0) return <p className={styles['note']}>Everything else that was asked is the same.</p>;
  return (
    <table className={styles['table']}>
      <caption className={styles['caption']}>What else differs</caption>
      <thead>
        <tr>
          <th scope="col">What</th>
          <th scope="col">That request</th>
          <th scope="col">This request</th>
        </tr>
      </thead>
      <tbody>
        {facts.map(({ name, other, mine }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{other === '' ? 'none' : other}</td>
            <td>{mine === '' ? 'none' : mine}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
