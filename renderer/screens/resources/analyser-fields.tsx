import { Plus, X } from 'lucide-react';
import type { ReactNode } from 'react';
import { useCall } from '../../data/calls.ts';
import { Button, IconButton } from '../../kit/button.tsx';
import { FieldRow, TextField } from '../../kit/field.tsx';
import { ComboBox, Select } from '../../kit/select.tsx';
import type { WebFieldsProps } from './reach-fields.tsx';
import { emptyAnalyser, type AnalyserForm } from './web-form.ts';
import styles from './resources.module.css';

const most = 64;
const readings = [
  { value: 'sql', label: 'SQL', note: 'as on a database' },
  { value: 'command', label: 'Command', note: 'of a shell' },
  { value: 'url', label: 'Address', note: 'what it may reach' },
] as const;

/** Arguments that are more than data: what they say is decided, too. */
export function AnalyserFields({ form, set, faults }: WebFieldsProps): ReactNode {
  const { analysers } = form;
  const change = (at: number, part: Partial<AnalyserForm>): void =>
    set({ analysers: analysers.map((each, index) => (index === at ? { ...each, ...part } : each)) });
  return (
    <>
      <p className={styles['muted']}>
        An argument can be a statement, a command or an address. Named here, it is read and decided like one; everywhere else it is compared as text.
      </p>
      <ul className={styles['analysers']}>
        {analysers.map((analyser, at) => (
          // they have no name but their place
          <li key={at}>
            <fieldset className={styles['analyser']}>
              <legend className="visually-hidden">{`Argument ${at + 1}`}</legend>
              <AnalyserRow analyser={analyser} change={(part) => change(at, part)} />
              <IconButton
                label={`Remove argument ${at + 1}`}
                icon={<X size={14} />}
                onPress={() => set({ analysers: analysers.filter((_, index) => index !== at) })}
              />
            </fieldset>
            {faults[`analysers.${at}`] !== undefined && (
              <p className={styles['fault']} role="alert">
                {faults[`analysers.${at}`]}
              </p>
            )}
          </li>
        ))}
      </ul>
      {analysers.length < most && (
        <Button small onPress={() => set({ analysers: [...analysers, emptyAnalyser] })}>
          <Plus size={14} aria-hidden />
          Add argument
        </Button>
      )}
    </>
  );
}

function AnalyserRow({ analyser, change }: { analyser: AnalyserForm; change: (part: Partial<AnalyserForm>) => void }): ReactNode {
  return (
    <div>
      <FieldRow>
        <TextField label="Tool" value={analyser.tool} onChange={(tool) => change({ tool })} mono maxLength={128} placeholder="query" />
        <TextField label="Argument" value={analyser.pointer} onChange={(pointer) => change({ pointer })} mono maxLength={3_216} placeholder="/sql" />
        <Select label="It is" value={analyser.as} onChange={(as) => change({ as })} options={readings} />
      </FieldRow>
      {analyser.as === 'sql' && <Database analyser={analyser} change={change} />}
      {analyser.as === 'url' && (
        <TextField
          label="Addresses it may name"
          value={analyser.allow}
          onChange={(allow) => change({ allow })}
          mono
          rows={3}
          maxLength={32_064}
          placeholder="https://api.example.com/v1/*"
          help="One pattern a line. Without one, none."
        />
      )}
      {analyser.as === 'command' && (
        <p className={styles['muted']}>Policies see its programs, and what a shell would do with them: pipes, redirects, substitution.</p>
      )}
    </div>
  );
}

function Database({ analyser, change }: { analyser: AnalyserForm; change: (part: Partial<AnalyserForm>) => void }): ReactNode {
  const resources = useCall('listResources', { limit: 1_000 });
  const databases = (resources.data?.items ?? []).filter((resource) => resource.protocol === 'postgres');
  const choose = (resource: string): void => {
    const found = databases.find(({ name }) => name === resource);
    change({ resource, ...(found && { database: found.database }) });
  };
  return (
    <FieldRow>
      <ComboBox
        label="Decided as on the resource"
        value={analyser.resource}
        onChange={choose}
        options={databases.map(({ name, database }) => ({ value: name, label: name, note: database }))}
        help="A PostgreSQL resource of this service."
      />
      <TextField label="Database" value={analyser.database} onChange={(database) => change({ database })} mono maxLength={63} />
    </FieldRow>
  );
}
