import { useMemo, type ReactNode } from 'react';
import { useLink } from '../../data/place.ts';
import { Badge, State } from '../../kit/badge.tsx';
import { Code } from '../../kit/code.tsx';
import { CopyButton } from '../../kit/copy-button.tsx';
import { DataTable, type Column } from '../../kit/data-table.tsx';
import { Empty, Notice } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { visibleText } from '../../kit/visible.ts';
import type { ResultSet } from './frames.ts';
import { ExchangeView } from './exchange-view.tsx';
import { outcomeText } from './operation-outcome.ts';
import type { Step } from './recorded-steps.ts';
import styles from './sessions.module.css';

const number = new Intl.NumberFormat('en-GB');

function Why({ outcome }: Pick<Step, 'outcome'>): ReactNode {
  if (outcome === null || outcome.why === '') return null;
  return (
    <Notice tone={outcome.state === 'refused' ? 'bad' : 'warn'}>
      {outcome.why}
      {outcome.policies.length > 0 && ` (policies: ${outcome.policies.join(', ')})`}
    </Notice>
  );
}

/** One recorded command with its masked result, or one call with what came back. */
interface StepViewProps {
  readonly step: Step;
  readonly number: number;
  readonly of: number;
  /** on a resource that is no database: also one that was refused is a call */
  readonly isCall: boolean;
}

export function StepView({ step, number: at, of, isCall }: StepViewProps): ReactNode {
  const decoded = useMemo(() => step.frames(), [step]);
  const exchange = useMemo(() => step.exchange(), [step]);
  const { outcome, truncated } = step;
  return (
    <>
      <header className={styles['stepHead']}>
        <strong>
          {isCall ? 'Call' : 'Command'} {number.format(at)} of {number.format(of)}
        </strong>
        <Outcome outcome={outcome} isCall={isCall} />
        <span className={styles['grow']} />
        <Time at={step.at} exact />
        <CopyButton text={step.command} label="Copy command" />
      </header>
      <div className={styles['stepBody']} role="region" aria-label="Command and result" tabIndex={0}>
        <Code text={visibleText(step.command)} language={isCall ? 'text' : 'sql'} label="Recorded command" />
        <Because outcome={outcome} operation={step.operation} />
        <Why outcome={outcome} />
        {exchange !== null && <ExchangeView exchange={exchange} isCut={truncated !== null} />}
        {decoded.messages.map(({ severity, text }, index) => (
          <p key={index} className={styles['message']}>
            <strong>{severity}</strong> {text}
          </p>
        ))}
        {decoded.sets.map((set, index) => (
          <Result key={index} set={set} index={index + 1} />
        ))}
        {decoded.droppedRows > 0 && (
          <Notice tone="warn">{number.format(decoded.droppedRows)} more rows are recorded than this screen shows. The command line shows all of them.</Notice>
        )}
        {truncated !== null && (
          <Notice tone="warn">
            The rest of the result was counted, not kept: {number.format(truncated.bytes)} bytes came after the limit of the recording.
          </Notice>
        )}
        {decoded.damaged && <Notice tone="bad">The recorded result could not be read to its end.</Notice>}
        {outcome !== null && outcome.masked.length > 0 && (
          <p className={styles['note']}>Masked: {outcome.masked.map(([rule, count]) => `${rule} ${number.format(count)}`).join(', ')}</p>
        )}
      </div>
    </>
  );
}

/** Where the log says who let it go ahead, and which run of a pipeline it was. */
function Because({ outcome, operation }: Pick<Step, 'outcome' | 'operation'>): ReactNode {
  const link = useLink();
  if (outcome === null) return null;
  return (
    <p className={styles['run']}>
      {outcome.request !== null && (
        <span>
          People decided on it: <a href={link('requests', 'history', outcome.request)}>{outcome.request}</a>
        </span>
      )}
      <a href={link('audit', 'search', `operation=${operation}`)}>Its events in the log</a>
      {outcome.run.map(([claim, value]) => (
        <span key={claim}>
          {claim} <code>{visibleText(value)}</code>
        </span>
      ))}
    </p>
  );
}

function Outcome({ outcome, isCall }: Pick<Step, 'outcome'> & { isCall: boolean }): ReactNode {
  if (outcome === null) return <Badge tone="wait">No outcome yet</Badge>;
  if (outcome.state === 'refused') return <Badge tone="bad">Refused</Badge>;
  return (
    <>
      <State of={outcome.state} />
      <span className={styles['muted']}>{outcomeText(outcome, isCall)}</span>
    </>
  );
}

interface Row {
  readonly at: number;
  readonly values: readonly (string | null)[];
}

function Result({ set: { columns, rows, tag }, index }: { set: ResultSet; index: number }): ReactNode {
  const shown = useMemo(() => rows.map((values, at) => ({ at, values })), [rows]);
  const table = useMemo(
    () =>
      columns.map(
        (name, at): Column<Row> => ({
          id: `${at} ${name}`,
          title: name,
          width: trackOf(name, rows, at, at === columns.length - 1),
          mono: true,
          cell: ({ values }) => <Value value={values[at] ?? null} />,
        }),
      ),
    [columns, rows],
  );
  return (
    <>
      {columns.length > 0 && (
        <DataTable
          label={`Result ${index}`}
          columns={table}
          rows={shown}
          idOf={({ at }) => String(at)}
          maxHeight={420}
          empty={<Empty title="No rows">The command gave back columns, but no rows.</Empty>}
        />
      )}
      {tag !== null && <p className={styles['tag']}>{tag}</p>}
    </>
  );
}

const measuredRows = 100;
const charPixels = 7.3;
const [leastPixels, mostPixels] = [72, 420];

/** As wide as its first rows need; the last column takes what is left. */
function trackOf(name: string, rows: ResultSet['rows'], at: number, isLast: boolean): string {
  const chars = Math.max(name.length, ...rows.slice(0, measuredRows).map((row) => row[at]?.length ?? 4));
  const pixels = Math.round(Math.min(mostPixels, Math.max(leastPixels, chars * charPixels + 24)));
  return isLast ? `minmax(${pixels}px, 1fr)` : `${pixels}px`;
}

const maxShownChars = 300;

function Value({ value }: { value: string | null }): ReactNode {
  if (value === null) return <span className={styles['null']}>NULL</span>;
  return <span title={value.length > 40 ? value.slice(0, 2_000) : undefined}>{value.slice(0, maxShownChars)}</span>;
}
