import { PlugZap } from 'lucide-react';
import { useCallback, type ReactNode } from 'react';
import { useMutationCall, type MutationCall } from '../../data/calls.ts';
import type { Output } from '../../../proxy/contract/api.ts';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { Badge } from '../../kit/badge.tsx';
import { Fault, Loading } from '../../kit/states.tsx';
import { useState } from 'react';
import styles from './resources.module.css';

type Result = Output<'testResource'>;

export interface ConnectionTest {
  readonly result: Result | null;
  readonly running: boolean;
  readonly fault: MutationCall<'testResource'>['fault'];
  readonly start: () => Promise<void>;
}

export function useConnectionTest(name: string): ConnectionTest {
  const { run, running, fault } = useMutationCall('testResource');
  const [result, setResult] = useState<Result | null>(null);
  const start = useCallback(async () => {
    setResult(null);
    setResult(await run({ name }));
  }, [name, run]);
  return { result, running, fault, start };
}

/** What the target said, in its own words. */
export function TestResult({ test: { result, running, fault } }: { test: ConnectionTest }): ReactNode {
  if (running) return <Loading lines={2} label="Reaching the target" />;
  if (fault) return <Fault of={fault} />;
  if (result === null) return null;
  return (
    <div className={styles['result']} role="status">
      <Badge tone={result.reached ? 'good' : 'bad'}>{result.reached ? 'It works' : 'It does not work'}</Badge>
      <p className={styles['detail']}>{result.detail}</p>
      <p className={styles['muted']}>{result.durationMs} ms</p>
    </div>
  );
}

export function TestButton({ test, primary = false }: { test: ConnectionTest; primary?: boolean }): ReactNode {
  const need = useNeed('administrator');
  return (
    <ActionButton variant={primary ? 'primary' : 'plain'} reason={need} pending={test.running} onPress={() => void test.start()}>
      <PlugZap size={14} aria-hidden />
      {test.result === null && test.fault === null ? 'Test connection' : 'Test again'}
    </ActionButton>
  );
}
