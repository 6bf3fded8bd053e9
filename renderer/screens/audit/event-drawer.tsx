import { ChevronDown, ChevronUp } from 'lucide-react';
import type { ReactNode } from 'react';
import type { AuditEventView } from '../../../proxy/contract/api-views.ts';
import { useCall } from '../../data/calls.ts';
import { useLink } from '../../data/place.ts';
import { ButtonLink, IconButton } from '../../kit/button.tsx';
import { Code } from '../../kit/code.tsx';
import { CopyButton } from '../../kit/copy-button.tsx';
import { Drawer } from '../../kit/dialog.tsx';
import { Section } from '../../kit/page.tsx';
import { Empty, Fault, Loading } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { fieldsOf, summaryOf, textOf, type Field, type Header } from './event-header.ts';
import { EventProof } from './event-proof.tsx';
import { Outcome } from './outcome.tsx';
import { noFilters, writePlace, type Filters } from './place-of-audit.ts';
import styles from './audit.module.css';

interface EventDrawerProps {
  readonly index: number;
  /** the list behind it, newest first */
  readonly rows: readonly AuditEventView[];
  readonly filters: Filters;
  /** null closes it */
  readonly onGo: (index: number | null) => void;
}

/** One event whole: its header, its body, what belongs to it, and the proof. A link to it works without the list. */
export function EventDrawer({ index, rows, onGo }: EventDrawerProps): ReactNode {
  const at = rows.findIndex((row) => row.index === index);
  const listed = rows[at];
  // the page before an index begins with the event itself
  const read = useCall('searchAudit', { limit: 1, cursor: String(index + 1) }, { enabled: listed === undefined });
  const event = listed ?? read.data?.items.find((item) => item.index === index);
  const newer = at > 0 ? rows[at - 1] : undefined;
  const older = at >= 0 ? rows[at + 1] : undefined;
  const actions = listed !== undefined && (
    <>
      <IconButton label="Newer event" icon={<ChevronUp size={16} />} disabled={newer === undefined} onPress={() => onGo(newer?.index ?? index)} />
      <IconButton label="Older event" icon={<ChevronDown size={16} />} disabled={older === undefined} onPress={() => onGo(older?.index ?? index)} />
    </>
  );
  return (
    <Drawer title={`Event ${index}`} open wide onClose={() => onGo(null)} actions={actions}>
      {event ? (
        <EventDetail event={event} />
      ) : read.fault ? (
        <Fault of={read.fault} again={read.again} />
      ) : read.data ? (
        <Empty title={`There is no event ${index}`}>The log is shorter. Events are counted from 0.</Empty>
      ) : (
        <Loading />
      )}
    </Drawer>
  );
}

function EventDetail({ event }: { event: AuditEventView }): ReactNode {
  const { header, body } = event;
  const code = textOf(header, 'code');
  return (
    <>
      <p className={styles['lead']}>
        <code>{code}</code> <Outcome of={textOf(header, 'outcome')} /> <span className={styles['muted']}>{summaryOf(header)}</span>
      </p>
      <Related header={header} />
      <Section title="Header">
        <HeaderTable header={header} />
      </Section>
      <Section title="Proof">
        <EventProof event={event} />
      </Section>
      {body !== null && (
        <Section title="Body, masked when it was written" actions={<CopyButton text={body} label="Copy body" />}>
          <Code text={readable(body)} language={code.startsWith('operation.') && !body.startsWith('{') ? 'sql' : 'text'} label="Body" />
        </Section>
      )}
    </>
  );
}

/** JSON with indentation; other text as it is. */
function readable(body: string): string {
  if (!body.startsWith('{') && !body.startsWith('[')) return body;
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}

function Related({ header }: { header: Header }): ReactNode {
  const link = useLink();
  const session = textOf(header, 'session');
  const operation = textOf(header, 'operation');
  const request = textOf(header, 'request');
  const search = (part: Partial<Filters>): string => link('audit', ...writePlace({ tab: 'search', event: null, filters: { ...noFilters, ...part } }));
  if (session === '' && operation === '' && request === '') return null;
  return (
    <div className={styles['related']}>
      {session !== '' && (
        <>
          <ButtonLink small href={link('sessions', session)}>
            Open session
          </ButtonLink>
          <ButtonLink small href={search({ session })}>
            All events of the session
          </ButtonLink>
        </>
      )}
      {operation !== '' && (
        <ButtonLink small href={search({ operation })}>
          All events of the operation
        </ButtonLink>
      )}
      {request !== '' && (
        <ButtonLink small href={link('requests', 'history', request)}>
          Open request
        </ButtonLink>
      )}
    </div>
  );
}

function HeaderTable({ header }: { header: Header }): ReactNode {
  return (
    <table className={styles['header']}>
      <thead>
        <tr>
          <th scope="col">Field</th>
          <th scope="col">Value</th>
          <th scope="col">PCI DSS 10.2.2</th>
        </tr>
      </thead>
      <tbody>
        {fieldsOf(header).map((field) => (
          <tr key={field.id}>
            <th scope="row">{field.name}</th>
            <td>
              <Value of={field} />
            </td>
            <td className={styles['muted']}>{field.pci}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const copied = new Set(['session', 'operation', 'request', 'policyVersion', 'body', 'digests']);

function Value({ of: { id, name, value } }: { of: Field }): ReactNode {
  if (id === 'at')
    return (
      <>
        <Time at={value} exact /> <code className={styles['muted']}>{value}</code>
      </>
    );
  if (id === 'outcome') return <Outcome of={value} />;
  if (!copied.has(id)) return <span className={styles['value']}>{value}</span>;
  return (
    <span className={styles['copied']}>
      <code>{value}</code>
      <CopyButton text={value} label={`Copy ${name.toLowerCase()}`} />
    </span>
  );
}
