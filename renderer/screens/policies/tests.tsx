import { FolderOpen, Play, Save } from 'lucide-react';
import { useRef, useState, type ReactNode } from 'react';
import { useMutationCall } from '../../data/calls.ts';
import { useAppliance, useBridge } from '../../data/outside.tsx';
import { usePlace } from '../../data/place.ts';
import { ActionButton } from '../../kit/action-button.tsx';
import { Button } from '../../kit/button.tsx';
import { CodeEditor } from '../../kit/code-editor.tsx';
import { Select } from '../../kit/select.tsx';
import { Empty, Fault } from '../../kit/states.tsx';
import { setWork, useWork } from './draft-store.ts';
import type { PolicyScreen } from './index.tsx';
import styles from './policies.module.css';
import { firstTest, sent, testNameOf, testTextFault, type TestFile, type TestRun } from './policy-tests.ts';
import { TestResults } from './test-results.tsx';

/** Tests of policies, run against what is being edited. */
export function Tests({ draft }: PolicyScreen): ReactNode {
  const { id } = useAppliance();
  const { tests } = useWork(id);
  const { path, replace } = usePlace();
  const names = [...new Set([...draft.files.map(({ name }) => testNameOf(name)), ...tests.map(({ name }) => name)])].sort();
  const name = names.find((each) => each === path[1]) ?? names[0] ?? 'policies.test.json';
  const text = tests.find((test) => test.name === name)?.text ?? '';
  const set = (files: readonly TestFile[]): void =>
    setWork(id, { tests: [...tests.filter((test) => files.every((file) => file.name !== test.name)), ...files] });
  const { run, running, fault } = useMutationCall('testPolicies');
  const [result, setResult] = useState<TestRun | null>(null);
  const full = sent(tests);
  const start = async (): Promise<void> => setResult(await run({ tests: full, files: [...draft.files] }));
  return (
    <>
      <div className={styles['bar']}>
        <Select label="Test file" inline value={name} onChange={(next) => replace('tests', next)} options={names.map((each) => optionOf(each, tests))} />
        <OpenFiles onOpen={set} />
        <SaveFile name={name} text={text} />
        <span className={styles['spacer']} />
        <ActionButton variant="primary" reason={unreadyReason(full)} pending={running} onPress={() => void start()}>
          <Play size={14} aria-hidden />
          {full.length <= 1 ? 'Run tests' : `Run ${full.length} files`}
        </ActionButton>
      </div>
      <div className={styles['two']}>
        <TestText name={name} text={text} onChange={(now) => set([{ name, text: now }])} />
        <section className={styles['scroll']} aria-label="Results" tabIndex={0}>
          {fault ? <Fault of={fault} /> : result ? <TestResults run={result} files={draft.files} /> : <NotRun />}
        </section>
      </div>
    </>
  );
}

function unreadyReason(full: readonly TestFile[]): string | undefined {
  if (full.length === 0) return 'There is no test yet';
  const wrong = full.find(({ text }) => testTextFault(text) !== undefined);
  return wrong && `Correct ${wrong.name} first`;
}

function NotRun(): ReactNode {
  return (
    <Empty title="Not run yet">
      Each test says who, what, and whether that is to be permitted. They run against the text in the editor, saved or not, the way a session would decide.
    </Empty>
  );
}

function TestText({ name, text, onChange }: { name: string; text: string; onChange: (text: string) => void }): ReactNode {
  const wrong = text.trim() === '' ? undefined : testTextFault(text);
  return (
    <div className={styles['pane']}>
      <div className={styles['text']}>
        <CodeEditor key={name} label={name} value={text} onChange={onChange} language="text" marks={wrong === undefined ? [] : [wrong]} />
      </div>
      {wrong && (
        <p className={styles['bad']} role="status">
          Line {wrong.line}: {wrong.message}
        </p>
      )}
      <p className={styles['muted']}>
        The service does not keep tests: keep them beside your policies as <code>{name}</code>. They stay here while this window is open.
      </p>
      {text.trim() === '' && (
        <div>
          <Button onPress={() => onChange(firstTest)}>Begin with an example</Button>
        </div>
      )}
    </div>
  );
}

function optionOf(name: string, tests: readonly TestFile[]): { value: string; label: string; note?: string } {
  const has = tests.some((test) => test.name === name && test.text.trim() !== '');
  return { value: name, label: name, ...(!has && { note: 'empty' }) };
}

const maxFiles = 200;
const maxBytes = 262_144;

function OpenFiles({ onOpen }: { onOpen: (files: readonly TestFile[]) => void }): ReactNode {
  const input = useRef<HTMLInputElement>(null);
  const [refused, setRefused] = useState('');
  const read = async (list: FileList): Promise<void> => {
    const files = [...list].slice(0, maxFiles);
    const large = files.find(({ size }) => size > maxBytes);
    setRefused(large === undefined ? '' : `${large.name} is longer than ${maxBytes / 1_024} KiB.`);
    if (large === undefined) onOpen(await Promise.all(files.map(async (file) => ({ name: file.name.slice(0, 200), text: await file.text() }))));
  };
  return (
    <>
      <input
        ref={input}
        type="file"
        accept=".json"
        multiple
        hidden
        aria-label="Test files"
        onChange={({ currentTarget }) => {
          if (currentTarget.files) void read(currentTarget.files);
          currentTarget.value = '';
        }}
      />
      <Button onPress={() => input.current?.click()}>
        <FolderOpen size={14} aria-hidden />
        Open files…
      </Button>
      {refused !== '' && <span role="alert">{refused}</span>}
    </>
  );
}

function SaveFile({ name, text }: { name: string; text: string }): ReactNode {
  const bridge = useBridge();
  return (
    <ActionButton reason={text.trim() === '' ? 'The file is empty' : undefined} onPress={() => void bridge.saveText(name, text)}>
      <Save size={14} aria-hidden />
      Save as…
    </ActionButton>
  );
}
