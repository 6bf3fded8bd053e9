import { useState, type ReactNode } from 'react';
import type { Tag } from '../../../proxy/contract/masking-rule.ts';
import { useCall } from '../../data/calls.ts';
import { Button } from '../../kit/button.tsx';
import { Drawer } from '../../kit/dialog.tsx';
import { FieldRow, TextField } from '../../kit/field.tsx';
import { Form } from '../../kit/page.tsx';
import { ComboBox, Select } from '../../kit/select.tsx';
import { columnOf, keyOf, nameFault, tags, tagWords, type Rule } from './rule-set.ts';

interface RuleFormProps {
  /** null: a new one */
  readonly rule: Rule | null;
  /** all others */
  readonly rules: readonly Rule[];
  /** proposed for a new one */
  readonly resource: string;
  readonly onClose: () => void;
  readonly onDone: (rule: Rule) => void;
}

const mostProposals = 1_000;
const tagOptions = tags.map((value) => ({ value, label: `${value}: ${tagWords[value].label}` }));

/** One tagged column. It joins the changes; nothing is saved here. */
export function RuleForm({ rule, rules, resource, onClose, onDone }: RuleFormProps): ReactNode {
  const [form, setForm] = useState<Rule>(rule ?? { resource, schema: 'public', table: '', column: '', tag: 'pan' });
  const [tried, setTried] = useState(false);
  const { data } = useCall('listResources', { limit: mostProposals });
  const faults = faultsOf(form, { rule, rules, resources: data?.next === null ? data.items.map(({ name }) => name) : null });
  const set = (change: Partial<Rule>): void => setForm((before) => ({ ...before, ...change }));
  const done = (): void => {
    setTried(true);
    if (Object.values(faults).every((fault) => fault === undefined)) onDone(form);
  };
  const error = (name: keyof typeof faults): string | undefined => (tried ? faults[name] : undefined);
  const field = (name: 'schema' | 'table' | 'column', label: string, help: string): ReactNode => (
    <TextField
      label={label}
      value={form[name]}
      onChange={(text) => set({ [name]: text.trim() })}
      mono
      required
      maxLength={63}
      error={error(name)}
      help={help}
    />
  );
  const actions = (
    <>
      <Button onPress={onClose}>Cancel</Button>
      <Button variant="primary" onPress={done}>
        {rule === null ? 'Add to changes' : 'Change'}
      </Button>
    </>
  );
  return (
    <Drawer title={rule === null ? 'Tag a column' : `Change ${columnOf(rule)}`} open onClose={onClose} actions={actions}>
      <Form onSubmit={done}>
        <ComboBox
          label="Resource"
          value={form.resource}
          onChange={(text) => set({ resource: text.trim() })}
          options={(data?.items ?? []).map(({ name }) => ({ value: name, label: name }))}
          error={error('resource')}
          help="The tag counts in all of its databases."
        />
        <FieldRow>
          {field('schema', 'Schema', 'As the target spells it.')}
          {field('table', 'Table or view', 'Tags go by name.')}
        </FieldRow>
        {field('column', 'Column', 'Found through aliases, subqueries and views over it.')}
        <Select<Tag> label="Tag" value={form.tag} onChange={(tag) => set({ tag })} options={tagOptions} help={`Callers see: ${tagWords[form.tag].means}.`} />
        <button type="submit" hidden />
      </Form>
    </Drawer>
  );
}

interface Among {
  readonly rule: Rule | null;
  readonly rules: readonly Rule[];
  /** null: not all are known */
  readonly resources: readonly string[] | null;
}

function faultsOf(form: Rule, { rule, rules, resources }: Among): Readonly<Record<'resource' | 'schema' | 'table' | 'column', string | undefined>> {
  const isKnown = resources === null || resources.includes(form.resource);
  const twice = (rule === null || keyOf(rule) !== keyOf(form)) && rules.some((other) => keyOf(other) === keyOf(form));
  return {
    resource: form.resource === '' ? 'This is needed.' : isKnown ? undefined : 'There is no such resource.',
    schema: nameFault(form.schema),
    table: nameFault(form.table),
    column: nameFault(form.column) ?? (twice ? 'This column is tagged already.' : undefined),
  };
}
