import { useMemo, type ReactNode } from 'react';
import type { RequestDetails } from '../../../proxy/contract/api-approvals.ts';
import type { CanonicalRequest } from '../../../proxy/contract/approval-request.ts';
import { useMay } from '../../data/outside.tsx';
import { useLink } from '../../data/place.ts';
import { pieces, Code } from '../../kit/code.tsx';
import { Facts, Section } from '../../kit/page.tsx';
import { blastRadius } from './blast-radius.ts';
import { isCall } from './call-text.ts';
import { visibleText } from '../../kit/visible.ts';
import styles from './requests.module.css';

type Operation = Extract<CanonicalRequest['subject'], { kind: 'operation' }>;

/** Why policy asks, in the policies' own words. */
export function Because({ because }: Pick<RequestDetails, 'because'>): ReactNode {
  return (
    <Section title="Why policy asks">
      {because.length === 0 && <p className={styles['note']}>The policies of that version can no longer be read.</p>}
      {because.map(({ policy, text }) => (
        <div key={policy} className={styles['because']}>
          <code className={styles['policy']}>{policy}</code>
          {/^\s*(@|permit|forbid|\/\/)/.test(text) ? (
            <Code text={text} language="cedar" label={`Text of ${policy}`} />
          ) : (
            <p>{text === '' ? 'It has no description.' : text}</p>
          )}
        </div>
      ))}
    </Section>
  );
}

export function Requester({ details }: { details: RequestDetails }): ReactNode {
  const { request, requester, history, others } = details;
  const { principal, subject } = request.canonical;
  const link = useLink();
  const mayWatch = useMay('administrator', 'auditor');
  const session = subject.kind === 'operation' ? subject.session : null;
  const earlier = `${history.approved} approved, ${history.denied} denied, ${history.expired} expired, ${history.withdrawn} withdrawn`;
  return (
    <Section title="Who asks">
      <Facts
        items={[
          ['Principal', principal.name],
          ['Owner', requester === null ? 'unknown: it is no service account of this service any more' : requester.owner],
          ['Purpose', requester?.purpose],
          ['Reason', request.reason === '' ? <span className={styles['muted']}>none given</span> : request.reason],
          ['Ticket', request.ticket === '' ? <span className={styles['muted']}>none given</span> : <code>{request.ticket}</code>],
          ['Earlier requests', earlier],
          ['Also pending', others.length === 0 ? 'nothing of this requester or session' : <Others ids={others} />],
          [
            'Session',
            session === null ? null : mayWatch ? (
              <a href={link('sessions', session, 'watch')}>
                <code>{session}</code>
              </a>
            ) : (
              <code>{session}</code>
            ),
          ],
        ]}
      />
    </Section>
  );
}

function Others({ ids }: { ids: readonly string[] }): ReactNode {
  const link = useLink();
  return (
    <span className={styles['links']}>
      {ids.slice(0, 10).map((id) => (
        <a key={id} href={link('requests', 'pending', id)}>
          <code>{id}</code>
        </a>
      ))}
      {ids.length > 10 && <span>and {ids.length - 10} more</span>}
    </span>
  );
}

const number = new Intl.NumberFormat('en-GB');

/** How much it may change, as far as that can be known without running anything. */
export function Blast({ subject, rowEstimate }: { subject: Operation; rowEstimate: number | null }): ReactNode {
  const { objects, rows } = useMemo(() => blastRadius(subject.acts, isCall(subject.acts) ? [] : pieces(subject.command, 'sql')), [subject]);
  const about =
    rowEstimate === null
      ? 'unknown: the target could not say without running the command'
      : `about ${number.format(rowEstimate)}, by the planner’s estimate; nothing was run`;
  return (
    <Section title="What it touches">
      <Facts
        items={[
          ['Resource', `${subject.resource}, ${subject.database === '' ? '' : `database ${subject.database}, `}as ${subject.account}`],
          ['Rows', !isCall(subject.acts) && about],
          [
            'WHERE',
            rows === 'whole' ? (
              <strong className={styles['soon']}>none: every row of the table</strong>
            ) : rows === 'where' ? (
              'stands in the command; read what it limits'
            ) : null,
          ],
        ]}
      />
      <table className={styles['table']}>
        <caption className={styles['caption']}>Objects</caption>
        <thead>
          <tr>
            <th scope="col">Object</th>
            <th scope="col">Acts</th>
          </tr>
        </thead>
        <tbody>
          {objects.map(({ object, actions }) => (
            <tr key={object}>
              <td>
                <code>{object === '' ? (isCall(subject.acts) ? 'the resource' : 'the database') : visibleText(object)}</code>
              </td>
              <td>
                <code>{actions.join(', ')}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}
