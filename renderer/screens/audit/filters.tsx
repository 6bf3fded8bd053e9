import { SlidersHorizontal } from 'lucide-react';
import { useEffect, useState, type ReactNode } from 'react';
import { Button } from '../../kit/button.tsx';
import { SearchField, TextField } from '../../kit/field.tsx';
import { Toolbar } from '../../kit/page.tsx';
import { Select } from '../../kit/select.tsx';
import { CodePicker } from './code-picker.tsx';
import { localZone, type Zone } from './local-time.ts';
import { filterNames, noFilters, type FilterName, type Filters as FilterValues } from './place-of-audit.ts';
import { TimeField } from './time-field.tsx';
import styles from './audit.module.css';

interface FiltersProps {
  readonly filters: FilterValues;
  readonly wrong: Partial<Record<FilterName, string>>;
  readonly onChange: (part: Partial<FilterValues>) => void;
  readonly end: ReactNode;
}

const outcomeOptions = [
  { value: 'any', label: 'Any' },
  { value: 'success', label: 'Success' },
  { value: 'failure', label: 'Failure' },
  { value: 'pending', label: 'Pending' },
  { value: 'indeterminate', label: 'Unknown' },
] as const;
const further: readonly FilterName[] = ['principal', 'resource', 'session', 'operation', 'from', 'to'];

/** What is searched for; the address keeps it. */
export function Filters({ filters, wrong, onChange, end }: FiltersProps): ReactNode {
  const used = further.filter((name) => filters[name] !== '').length;
  const [opened, setOpened] = useState(used > 0);
  const isOpen = opened || further.some((name) => wrong[name] !== undefined);
  return (
    <>
      <Toolbar end={end}>
        <Typed value={filters.text} onChange={(text) => onChange({ text })}>
          {(typed) => <SearchField label="Search in headers and bodies" placeholder="Text in events" {...typed} />}
        </Typed>
        <CodePicker value={filters.code} onChange={(code) => onChange({ code })} />
        <Select
          inline
          label="Outcome"
          value={outcomeOptions.find(({ value }) => value === filters.outcome)?.value ?? 'any'}
          onChange={(value) => onChange({ outcome: value === 'any' ? '' : value })}
          options={outcomeOptions}
        />
        <Button onPress={() => setOpened(!isOpen)}>
          <SlidersHorizontal size={14} aria-hidden />
          {used === 0 ? 'More filters' : `More filters (${used})`}
        </Button>
        {filterNames.some((name) => filters[name] !== '') && (
          <Button variant="quiet" onPress={() => onChange(noFilters)}>
            Clear
          </Button>
        )}
      </Toolbar>
      {isOpen && <Further filters={filters} wrong={wrong} onChange={onChange} />}
    </>
  );
}

const words = [
  ['principal', 'Principal', 'Whole name'],
  ['resource', 'Resource', 'Whole name'],
  ['session', 'Session', 'ses_…'],
  ['operation', 'Operation', 'opr_…'],
] as const;

function Further({ filters, wrong, onChange }: Omit<FiltersProps, 'end'>): ReactNode {
  const [zone, setZone] = useState<Zone>('local');
  const zoneOptions = [
    { value: 'local', label: localZone() },
    { value: 'utc', label: 'UTC' },
  ] as const;
  return (
    <div className={styles['further']} role="group" aria-label="More filters">
      {words.map(([name, label, placeholder]) => (
        <Typed key={name} value={filters[name]} onChange={(value) => onChange({ [name]: value })}>
          {(typed) => (
            <TextField
              label={label}
              placeholder={placeholder}
              mono={name === 'session' || name === 'operation'}
              maxLength={200}
              error={wrong[name]}
              {...typed}
            />
          )}
        </Typed>
      ))}
      <TimeField label="From" value={filters.from} onChange={(from) => onChange({ from })} zone={zone} error={wrong.from} />
      <TimeField label="To" value={filters.to} onChange={(to) => onChange({ to })} zone={zone} error={wrong.to} />
      <Select label="Time zone" value={zone} onChange={setZone} options={zoneOptions} />
    </div>
  );
}

const applyMs = 400;

interface TypedProps {
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly children: (field: { value: string; onChange: (text: string) => void }) => ReactNode;
}

/** Searches when the writing pauses: each search is an event in the log. */
function Typed({ value, onChange, children }: TypedProps): ReactNode {
  const [text, setText] = useState(value);
  const [applied, setApplied] = useState(value);
  if (applied !== value) {
    // the address changed from elsewhere
    setApplied(value);
    setText(value);
  }
  useEffect(() => {
    if (text.trim() === value) return;
    const timer = setTimeout(() => onChange(text.trim()), applyMs);
    return () => clearTimeout(timer);
  }, [onChange, text, value]);
  return children({ value: text, onChange: setText });
}
