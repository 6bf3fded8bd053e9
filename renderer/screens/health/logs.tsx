import { RefreshCw } from 'lucide-react';
import { useEffect, useState, type ReactNode } from 'react';
import type { Output } from '../../../proxy/contract/api.ts';
import { forbidden, useMutationCall } from '../../data/calls.ts';
import { useAppliance } from '../../data/outside.tsx';
import { Button } from '../../kit/button.tsx';
import { CopyButton } from '../../kit/copy-button.tsx';
import { Section } from '../../kit/page.tsx';
import { Select } from '../../kit/select.tsx';
import { Fault, Loading } from '../../kit/states.tsx';
import styles from './health.module.css';

export const logParts = ['control', 'gateway', 'audit'] as const;
export type LogPart = (typeof logParts)[number];
const partOptions = logParts.map((value) => ({ value, label: value }));
const countOptions = (['25', '100', '500'] as const).map((value) => ({ value, label: `${value} lines` }));
type Count = (typeof countOptions)[number]['value'];

interface LogsProps {
  readonly part: LogPart;
  readonly onPart: (part: LogPart) => void;
}

/** What the processes wrote for operators. Read when it is opened or wanted again. */
export function Logs({ part, onPart }: LogsProps): ReactNode {
  const { roles } = useAppliance();
  const refused = forbidden('readServiceLog', roles);
  const { run, running, fault } = useMutationCall('readServiceLog');
  const [count, setCount] = useState<Count>('25');
  const [read, setRead] = useState<{ part: LogPart; log: Output<'readServiceLog'> } | null>(null);
  const [wanted, setWanted] = useState(0);
  const isRefused = refused !== null;
  useEffect(() => {
    if (isRefused) return;
    let current = true;
    void run({ part, lines: Number(count) }).then((log) => current && log && setRead({ part, log }));
    return () => {
      current = false;
    };
  }, [count, isRefused, part, run, wanted]);
  const log = read?.part === part ? read.log : null;
  const tools = (
    <span className={styles['tools']}>
      <Select inline label="Process" value={part} onChange={onPart} options={partOptions} />
      <Select inline label="Show" value={count} onChange={setCount} options={countOptions} />
      <Button pending={running} onPress={() => setWanted(wanted + 1)}>
        <RefreshCw size={14} aria-hidden />
        Refresh
      </Button>
      {log && <CopyButton text={log.lines.join('\n')} label="Copy log lines" />}
    </span>
  );
  return (
    <Section title="Last log lines" actions={refused === null && tools}>
      {refused ? <Fault of={refused} /> : fault ? <Fault of={fault} /> : log ? <Lines log={log} part={part} /> : <Loading lines={4} />}
    </Section>
  );
}

function Lines({ log: { file, lines }, part }: { log: Output<'readServiceLog'>; part: LogPart }): ReactNode {
  return (
    <>
      <pre className={styles['lines']} tabIndex={0} role="region" aria-label={`Log lines of ${part}`}>
        {lines.length === 0 ? 'It wrote nothing yet.' : lines.join('\n')}
      </pre>
      <p className={styles['muted']}>
        On the service’s machine: <code>{file}</code>
      </p>
    </>
  );
}
