import { useState, type ReactNode } from 'react';
import type { AppError } from '../../../proxy/lib/errors.ts';
import { useCall, useMutationCall } from '../../data/calls.ts';
import { useMay } from '../../data/outside.tsx';
import { usePlace } from '../../data/place.ts';
import { Button } from '../../kit/button.tsx';
import { CodeEditor } from '../../kit/code-editor.tsx';
import { TextField } from '../../kit/field.tsx';
import { Form, Section } from '../../kit/page.tsx';
import { ComboBox } from '../../kit/select.tsx';
import { Empty, Fault, Loading, Notice } from '../../kit/states.tsx';
import { Explained } from './explained.tsx';
import type { PolicyScreen } from './index.tsx';
import { changesOf } from './policy-set.ts';
import styles from './policies.module.css';
import type { Explanation } from './verdict.ts';

interface Question {
  readonly principal: string;
  readonly resource: string;
  readonly database: string;
  readonly statement: string;
}

export interface Answer {
  readonly question: Question;
  readonly explanation: Explanation;
}

interface Asking {
  readonly answer: Answer | null;
  readonly running: boolean;
  readonly fault: AppError | null;
  readonly ask: (question: Question) => Promise<void>;
}

/** First what the command would touch, then what the policies say of that. */
function useAsking(): Asking {
  const [answer, setAnswer] = useState<Answer | null>(null);
  const classify = useMutationCall('classifyStatement');
  const explain = useMutationCall('explainPolicy');
  const ask = async (question: Question): Promise<void> => {
    const { principal, resource, database, statement } = question;
    setAnswer(null);
    classify.reset();
    explain.reset();
    const place = database.trim() === '' ? {} : { database: database.trim() };
    const facts = statement.trim() === '' ? undefined : await classify.run({ name: resource, ...place, statement });
    if (facts === null) return;
    const explanation = await explain.run({ principal, resource, ...place, ...(facts && { facts }) });
    if (explanation !== null) setAnswer({ question, explanation });
  };
  return { answer, running: classify.running || explain.running, fault: classify.fault ?? explain.fault, ask };
}

/** stands in the address where no principal is chosen yet */
const nobody = '-';

/** What the policies in force say of a principal, a resource and a command. Nothing is executed. */
export function Explain({ draft }: PolicyScreen): ReactNode {
  const { path, replace } = usePlace();
  const [, named = '', resource = ''] = path;
  const principal = named === nobody ? '' : named;
  const [typed, setTyped] = useState({ database: '', statement: '' });
  const [tried, setTried] = useState(false);
  const asking = useAsking();
  const submit = (): void => {
    setTried(true);
    if (principal !== '' && resource !== '') void asking.ask({ principal, resource, ...typed });
  };
  const set = (who: string, what: string): void => replace('explain', who === '' ? nobody : who, ...(what === '' ? [] : [what]));
  return (
    <div className={styles['scroll']} tabIndex={0} role="region" aria-label="Explain">
      {changesOf(draft).length > 0 && (
        <Notice tone="quiet">This is about the policies in force; your unsaved changes do not count here. Tests run against them.</Notice>
      )}
      <div className={styles['explain']}>
        <Form onSubmit={submit} end={<AskButton running={asking.running} />}>
          <Who principal={principal} resource={resource} tried={tried} set={set} />
          <TextField
            label="Database (optional)"
            value={typed.database}
            onChange={(database) => setTyped({ ...typed, database })}
            mono
            maxLength={63}
            help="Another one than the resource's own."
          />
          <Statement value={typed.statement} onChange={(statement) => setTyped((before) => ({ ...before, statement }))} />
        </Form>
        <Section title="Verdict">
          <Outcome asking={asking} draft={draft} />
        </Section>
      </div>
    </div>
  );
}

function Outcome({ asking: { answer, running, fault }, draft }: { asking: Asking } & Pick<PolicyScreen, 'draft'>): ReactNode {
  if (running) return <Loading lines={4} label="Asking" />;
  if (fault) return <Fault of={fault} />;
  if (answer) return <Explained answer={answer} files={draft.files} />;
  return <Empty title="Nothing asked yet">Choose who and what. Without a command, the question is whether they may connect.</Empty>;
}

function AskButton({ running }: { running: boolean }): ReactNode {
  return (
    <Button variant="primary" type="submit" pending={running}>
      Explain
    </Button>
  );
}

interface WhoProps {
  readonly principal: string;
  readonly resource: string;
  readonly tried: boolean;
  readonly set: (principal: string, resource: string) => void;
}

function Who({ principal, resource, tried, set }: WhoProps): ReactNode {
  const accounts = useCall('listServiceAccounts', { limit: 1_000 });
  const resources = useCall('listResources', { limit: 1_000 });
  const needed = (value: string): string | undefined => (tried && value === '' ? 'This is needed.' : undefined);
  return (
    <>
      <ComboBox
        label="Service account"
        value={principal}
        onChange={(next) => set(next, resource)}
        options={(accounts.data?.items ?? []).map(({ name, groups }) => ({ value: name, label: name, note: groups.join(', ').slice(0, 40) }))}
        error={needed(principal)}
        help="With its own groups; those it has for a time by a grant do not count here."
      />
      <ComboBox
        label="Resource"
        value={resource}
        onChange={(next) => set(principal, next)}
        options={(resources.data?.items ?? []).map((resource) => ({
          value: resource.name,
          label: resource.name,
          note: resource.protocol === 'postgres' ? resource.database : resource.protocol,
        }))}
        error={needed(resource)}
      />
    </>
  );
}

function Statement({ value, onChange }: { value: string; onChange: (value: string) => void }): ReactNode {
  const may = useMay('administrator');
  return (
    <div className={styles['statement']}>
      <span className={styles['label']}>Command (optional)</span>
      {may ? (
        <CodeEditor label="Command (optional)" value={value} onChange={onChange} language="sql" height={140} placeholder="select * from cards" />
      ) : (
        <p className={styles['muted']}>Needs the role administrator: reading a command takes a look into the target's catalogue.</p>
      )}
      <span className={styles['hint']}>Looked up in the catalogue of the target with the stored credential. It is not executed.</span>
    </div>
  );
}
