import { LoaderCircle } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import type { Output } from '../../../proxy/contract/api.ts';
import { useMutationCall } from '../../data/calls.ts';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { TextField } from '../../kit/field.tsx';
import { Form, Section } from '../../kit/page.tsx';
import { Fault, Notice } from '../../kit/states.tsx';
import { bytes } from '../overview/numbers.tsx';
import { needlesOf } from './condition.ts';
import styles from './health.module.css';

type Result = Output<'selfScan'>;

/** Looks for what must not be in the stores: card data, secrets, and texts of one's own. */
export function SelfScan(): ReactNode {
  const need = useNeed('administrator');
  const { run, running, fault } = useMutationCall('selfScan');
  const [text, setText] = useState('');
  const [result, setResult] = useState<Result | null>(null);
  const { needles, wrong } = needlesOf(text);
  const scan = async (): Promise<void> => {
    if (need !== undefined || wrong !== undefined) return;
    setResult(null);
    setResult(await run({ needles }));
  };
  return (
    <Section title="Self-scan">
      <p className={styles['note']}>
        Decrypts every store of the service – log, recordings, state – and searches it for card data and for the secrets of the vault. That it ran is an event
        in the log.
      </p>
      <Form onSubmit={() => void scan()}>
        <TextField
          label="Also search for"
          value={text}
          onChange={setText}
          rows={3}
          mono
          maxLength={200_000}
          error={wrong}
          help="Texts that must be nowhere, one a line: a test card number, a password. They are not stored."
        />
        <div className={styles['below']}>
          <ActionButton type="submit" reason={need} pending={running} onPress={() => void scan()}>
            Scan now
          </ActionButton>
        </div>
      </Form>
      <div role="status">
        {running && (
          <p className={styles['progress']}>
            <LoaderCircle size={14} aria-hidden />
            Decrypting and searching every store. Large ones take minutes; the service goes on working, and so may you: stay on this screen for the result.
          </p>
        )}
        {result && <Found result={result} />}
      </div>
      {fault && <Fault of={fault} />}
    </Section>
  );
}

function Found({ result: { clean, files, bytes: size, unreadable, findings } }: { result: Result }): ReactNode {
  const looked = `${files.toLocaleString('en-GB')} files with ${bytes(size)}`;
  return (
    <div className={styles['below']}>
      {clean ? (
        <Notice tone="good">Nothing was recognised in {looked}.</Notice>
      ) : (
        <Notice tone="bad">
          {findings.length === 0 ? 'Some files could not be read' : 'Something was found'} in {looked}. Keep the files as they are and tell the auditor.
        </Notice>
      )}
      {findings.length > 0 && (
        <ul className={styles['list']} aria-label="Findings">
          {findings.map(({ file, kind, count }) => (
            <li key={`${file} ${kind}`} className={styles['finding']}>
              <code>{file}</code>
              <span>{kind}</span>
              <span>{count.toLocaleString('en-GB')} ×</span>
            </li>
          ))}
        </ul>
      )}
      {unreadable.length > 0 && <p className={styles['note']}>Not readable, so not searched: {unreadable.join(', ')}</p>}
    </div>
  );
}
