import { Download, Pause, Play, Search } from 'lucide-react';
import { useDeferredValue, useMemo, type ReactNode } from 'react';
import type { SessionView } from '../../../proxy/contract/api-views.ts';
import { useBridge } from '../../data/outside.tsx';
import { Button } from '../../kit/button.tsx';
import { Code } from '../../kit/code.tsx';
import { Copyable } from '../../kit/copy-button.tsx';
import { DataTable, type Column } from '../../kit/data-table.tsx';
import { SearchField } from '../../kit/field.tsx';
import { Toolbar } from '../../kit/page.tsx';
import { Select } from '../../kit/select.tsx';
import { Empty, Fault, Notice } from '../../kit/states.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { visibleText } from '../../kit/visible.ts';
import { searchSteps, type Speed } from './playback.ts';
import type { SessionsPlace } from './place-of-sessions.ts';
import type { Step } from './recorded-steps.ts';
import { recordingText } from './recording-text.ts';
import { StepView } from './step-view.tsx';
import { usePlayback } from './use-playback.ts';
import { useRecording, type LoadedRecording } from './use-recording.ts';
import styles from './sessions.module.css';

interface ReplayProps {
  readonly session: SessionView;
  readonly place: SessionsPlace;
  readonly onChange: (part: Partial<SessionsPlace>) => void;
}

interface Row {
  readonly at: number;
  readonly step: Step;
}

const speeds = [
  { value: '1', label: '1×' },
  { value: '4', label: '4×' },
  { value: 'max', label: 'As fast as it can be read' },
] as const;

/** A recorded session: its commands, and what each gave back, masked as it was stored. */
export function Replay({ session, place, onChange }: ReplayProps): ReactNode {
  const recording = useRecording(session.id);
  const search = useDeferredValue(place.search);
  const { steps } = recording;
  const rows = useMemo(() => searchSteps(steps, search).flatMap((at): Row[] => (steps[at] === undefined ? [] : [{ at, step: steps[at] }])), [steps, search]);
  const current = Math.min(Math.max(0, place.at - 1), Math.max(0, steps.length - 1));
  const step = steps[current];
  const playback = usePlayback(steps, current, (at) => onChange({ at: at + 1 }));
  const choose = (at: number): void => {
    playback.stop();
    onChange({ at: at + 1 });
  };
  return (
    <>
      <Toolbar end={<Export session={session} rows={rows} recording={recording} search={search} />}>
        <Button onPress={playback.toggle} disabled={steps.length < 2}>
          {playback.playing ? <Pause size={14} aria-hidden /> : <Play size={14} aria-hidden />}
          {playback.playing ? 'Pause' : 'Play'}
        </Button>
        <Select<Speed> inline label="Speed" value={playback.speed} onChange={playback.setSpeed} options={speeds} />
        <SearchField label="Search the recording" placeholder="Search what was recorded" value={place.search} onChange={(text) => onChange({ search: text })} />
      </Toolbar>
      <Progress recording={recording} />
      <div className={styles['replay']}>
        <DataTable
          label="Recorded commands"
          columns={columns}
          rows={rows}
          idOf={({ at }) => String(at)}
          onOpen={({ at }) => choose(at)}
          selected={String(current)}
          loading={recording.state === 'reading' && steps.length === 0}
          empty={<NothingRecorded isSearch={search !== ''} isLive={session.state === 'live'} />}
          tall
        />
        <section className={styles['step']} aria-label="Recorded command">
          {step === undefined ? null : <StepView key={step.operation} step={step} number={current + 1} of={steps.length} isCall={isCall(session, step)} />}
        </section>
      </div>
      <p className={styles['root']}>
        Recording root:{' '}
        {session.recordingRoot === null ? 'written when the session ends' : <Copyable text={session.recordingRoot} label="Copy recording root" />}
      </p>
    </>
  );
}

/** The protocol is not known of a resource that is gone: then what was recorded tells. */
function isCall({ protocol }: SessionView, step: Step): boolean {
  return protocol === undefined ? step.exchange() !== null : protocol !== 'postgres';
}

/** “ · 3 rows”, “ · 200” */
function RowResult({ step }: { step: Step }): ReactNode {
  const exchange = step.exchange();
  if (exchange !== null) return exchange.reply !== null && ` · ${exchange.reply.status}`;
  return step.outcome?.state === 'success' && ` · ${step.outcome.rows} ${step.outcome.rows === 1 ? 'row' : 'rows'}`;
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });

const columns: readonly Column<Row>[] = [
  { id: 'number', title: '#', width: '52px', align: 'end', cell: ({ at }) => <span className={styles['muted']}>{at + 1}</span> },
  {
    id: 'command',
    title: 'Command',
    width: 'minmax(0, 1fr)',
    cell: ({ step }) => (
      <div className={styles['row']}>
        <div className={styles['cut']}>
          <Code inline text={visibleText(step.command)} language={step.exchange() === null ? 'sql' : 'text'} label="Command" />
        </div>
        <div className={styles['small']}>
          <time dateTime={step.at} title={step.at}>
            {clock.format(new Date(step.at))}
          </time>
          {step.outcome !== null && ` · ${step.outcome.state}`}
          <RowResult step={step} />
          {step.truncated !== null && ' · cut off'}
        </div>
      </div>
    ),
  },
];

const size = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 1 });

function Progress({ recording: { state, bytes, steps, fault, cancel } }: { recording: LoadedRecording }): ReactNode {
  const read = `${size.format(bytes / 1_048_576)} MiB, ${size.format(steps.length)} commands`;
  if (fault !== null) return <Fault of={fault} />;
  if (state === 'whole') return null;
  if (state === 'reading') {
    return (
      <Notice
        tone="quiet"
        action={
          <Button small onPress={cancel}>
            Cancel
          </Button>
        }
      >
        Reading the recording: {read} so far.
      </Notice>
    );
  }
  return (
    <Notice tone="warn">
      {state === 'capped'
        ? `The recording is longer than one screen can hold: ${read} were read. The command line reads all of it.`
        : `You stopped reading: ${read} were read.`}
    </Notice>
  );
}

function NothingRecorded({ isSearch, isLive }: { isSearch: boolean; isLive: boolean }): ReactNode {
  if (isSearch) return <Empty title="Nothing fits the search" icon={Search} />;
  return (
    <Empty title="No command was recorded">
      {isLive ? 'What a live session does is stored every two seconds. Open Watch to see it at once.' : 'The session ended without one.'}
    </Empty>
  );
}

interface ExportProps {
  readonly session: SessionView;
  readonly rows: readonly Row[];
  readonly recording: LoadedRecording;
  readonly search: string;
}

function Export({ session, rows, recording, search }: ExportProps): ReactNode {
  const bridge = useBridge();
  const toast = useToast();
  const save = (): void => {
    const text = recordingText(
      session,
      rows.map(({ step }) => step),
      { complete: recording.state === 'whole', search },
    );
    bridge.saveText(`${session.id}.txt`, text).then(
      (saved) => saved && toast({ tone: 'good', text: 'What is shown was saved as text.' }),
      () => toast({ tone: 'bad', text: 'The file could not be written. Choose another place.' }),
    );
  };
  return (
    <Button onPress={save} disabled={rows.length === 0}>
      <Download size={14} aria-hidden />
      Export as text
    </Button>
  );
}
