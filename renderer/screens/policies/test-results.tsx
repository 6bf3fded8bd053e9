import type { ReactNode } from 'react';
import { usePlace } from '../../data/place.ts';
import { Badge, State } from '../../kit/badge.tsx';
import styles from './policies.module.css';
import type { PolicyFile } from './policy-set.ts';
import { filePlaceOf, runText, type TestRun } from './policy-tests.ts';

type Result = TestRun['results'][number];

/** Failed ones first; the policies that decided, and those that no test needed. */
export function TestResults({ run, files }: { run: TestRun; files: readonly PolicyFile[] }): ReactNode {
  const failed = run.results.filter(({ passed }) => !passed);
  const sorted = [...failed, ...run.results.filter(({ passed }) => passed)];
  return (
    <>
      <div role="status">
        <Badge tone={failed.length === 0 ? 'good' : 'bad'}>{runText(run)}</Badge>
      </div>
      <ul className={styles['results']} aria-label="Test results">
        {sorted.map((result, at) => (
          <Row key={`${result.name} ${at}`} result={result} files={files} />
        ))}
      </ul>
      {run.unused.length > 0 && <p className={styles['muted']}>No test was decided by: {run.unused.join(', ')}.</p>}
    </>
  );
}

function Row({ result: { name, passed, decision, policies, message }, files }: { result: Result; files: readonly PolicyFile[] }): ReactNode {
  const { open } = usePlace();
  return (
    <li className={styles['result']}>
      <State of={passed ? 'passed' : 'failed'} />
      <div>
        <p>{name}</p>
        {!passed && message !== '' && <p className={styles['muted']}>{message}</p>}
        {policies.map((policy) => {
          const place = filePlaceOf(files, policy);
          if (place === null) return <code key={policy}>{policy} </code>;
          return (
            <button key={policy} type="button" className={styles['policyLink']} onClick={() => open('edit', place.file, String(place.line))}>
              <code>{policy}</code> {place.file}:{place.line}
            </button>
          );
        })}
      </div>
      <State of={decision} />
    </li>
  );
}
