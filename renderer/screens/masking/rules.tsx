import { EyeOff, Plus, Trash2 } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import { useCall } from '../../data/calls.ts';
import { useAppliance } from '../../data/outside.tsx';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { Badge, Tag } from '../../kit/badge.tsx';
import { Button, IconButton } from '../../kit/button.tsx';
import { DataTable, type Column } from '../../kit/data-table.tsx';
import { SearchField } from '../../kit/field.tsx';
import { Toolbar } from '../../kit/page.tsx';
import { Select } from '../../kit/select.tsx';
import { Empty, Notice } from '../../kit/states.tsx';
import { setDraft, useDraft } from './draft-store.ts';
import { Review } from './review.tsx';
import { RuleForm } from './rule-form.tsx';
import { applied, changesOf, columnOf, keyOf, tagWords, withRule, type Rule, type RuleChange } from './rule-set.ts';
import styles from './masking.module.css';

const everyResource = '*';

export interface RuleFilter {
  /** empty: all */
  readonly resource: string;
  readonly search: string;
}

interface RulesProps {
  readonly filter: RuleFilter;
  readonly onFilter: (part: Partial<RuleFilter>) => void;
}

/** The tagged columns: changed here, saved as one change. */
export function Rules({ filter, onFilter }: RulesProps): ReactNode {
  const { id } = useAppliance();
  const call = useCall('getMaskingRules', {});
  const inForce = call.data?.rules ?? [];
  const draft = useDraft(id);
  const need = useNeed('administrator');
  const [edited, setEdited] = useState<Rule | 'new' | null>(null);
  const [reviewing, setReviewing] = useState(false);
  const changes = changesOf(inForce, draft);
  const rules = applied(inForce, draft);
  const shown = rules.filter((rule) => isShown(rule, filter));
  const put = (former: Rule | null, rule: Rule | null): void => setDraft(id, withRule(draft, { former, rule }));
  const add = (
    <ActionButton reason={need} onPress={() => setEdited('new')}>
      <Plus size={14} aria-hidden />
      Tag a column
    </ActionButton>
  );
  return (
    <>
      {changes.length > 0 && <Unsaved count={changes.length} onDiscard={() => setDraft(id, {})} onReview={() => setReviewing(true)} />}
      <RuleTools rules={rules} filter={filter} onFilter={onFilter} add={add} />
      <DataTable
        label="Tagged columns"
        columns={columnsOf({ changes, need, onRemove: (rule) => put(rule, null) })}
        rows={shown}
        idOf={keyOf}
        {...(need === undefined && { onOpen: setEdited })}
        loading={call.loading}
        fault={call.fault}
        again={call.again}
        empty={<NoRules isFiltered={rules.length > 0} add={add} onClear={() => onFilter({ resource: '', search: '' })} />}
      />
      {edited !== null && (
        <RuleForm
          rule={edited === 'new' ? null : edited}
          rules={rules}
          resource={filter.resource}
          onClose={() => setEdited(null)}
          onDone={(rule) => {
            put(edited === 'new' ? null : edited, rule);
            setEdited(null);
          }}
        />
      )}
      {reviewing && <Review changes={changes} rules={[...rules]} onClose={() => setReviewing(false)} onSaved={() => setDraft(id, {})} />}
    </>
  );
}

function isShown(rule: Rule, { resource, search }: RuleFilter): boolean {
  return (resource === '' || rule.resource === resource) && `${rule.resource} ${columnOf(rule)}`.toLowerCase().includes(search.toLowerCase());
}

function Unsaved({ count, onDiscard, onReview }: { count: number; onDiscard: () => void; onReview: () => void }): ReactNode {
  const need = useNeed('administrator');
  return (
    <Notice
      tone="warn"
      action={
        <span className={styles['pair']}>
          <Button small onPress={onDiscard}>
            Discard
          </Button>
          <ActionButton small variant="primary" reason={need} onPress={onReview}>
            Review and save
          </ActionButton>
        </span>
      }
    >
      {count === 1 ? '1 change is' : `${count} changes are`} not saved. Until then nothing is masked differently.
    </Notice>
  );
}

interface RuleToolsProps extends RulesProps {
  readonly rules: readonly Rule[];
  readonly add: ReactNode;
}

function RuleTools({ rules, filter, onFilter, add }: RuleToolsProps): ReactNode {
  const names = [...new Set(rules.map(({ resource }) => resource))].sort();
  const known = filter.resource === '' || names.includes(filter.resource) ? names : [...names, filter.resource];
  const options = [{ value: everyResource, label: 'All' }, ...known.map((value) => ({ value, label: value }))];
  return (
    <Toolbar end={add}>
      <SearchField label="Find a column" value={filter.search} onChange={(search) => onFilter({ search })} />
      <Select
        inline
        label="Resource"
        value={filter.resource === '' ? everyResource : filter.resource}
        onChange={(value) => onFilter({ resource: value === everyResource ? '' : value })}
        options={options}
      />
    </Toolbar>
  );
}

interface ColumnsInput {
  readonly changes: readonly RuleChange[];
  readonly need: string | undefined;
  readonly onRemove: (rule: Rule) => void;
}

function columnsOf({ changes, need, onRemove }: ColumnsInput): readonly Column<Rule>[] {
  const kinds = new Map(changes.map(({ kind, rule }) => [keyOf(rule), kind]));
  const unsaved: Column<Rule> = { id: 'state', title: '', width: '120px', cell: (rule) => kinds.has(keyOf(rule)) && <Badge tone="warn">Not saved</Badge> };
  return [
    { id: 'resource', title: 'Resource', width: 'minmax(110px, 0.8fr)', mono: true, cell: ({ resource }) => resource, sortBy: ({ resource }) => resource },
    { id: 'column', title: 'Column', width: 'minmax(200px, 1.6fr)', mono: true, cell: columnOf, sortBy: columnOf },
    { id: 'tag', title: 'Tag', width: '64px', cell: ({ tag }) => <Tag>{tag}</Tag>, sortBy: ({ tag }) => tag },
    { id: 'means', title: 'What callers see', width: 'minmax(240px, 2.6fr)', cell: ({ tag }) => <Means of={tag} /> },
    ...(changes.length > 0 ? [unsaved] : []),
    {
      id: 'act',
      title: '',
      width: '48px',
      align: 'end',
      cell: (rule) =>
        need === undefined && <IconButton small label={`Remove the tag of ${columnOf(rule)}`} icon={<Trash2 size={14} />} onPress={() => onRemove(rule)} />,
    },
  ];
}

function Means({ of }: { of: Rule['tag'] }): ReactNode {
  const text = `${tagWords[of].label}: ${tagWords[of].means}`;
  return <span title={text}>{text}</span>;
}

function NoRules({ isFiltered, add, onClear }: { isFiltered: boolean; add: ReactNode; onClear: () => void }): ReactNode {
  if (isFiltered) {
    return (
      <Empty title="No tagged column fits" icon={EyeOff} actions={<Button onPress={onClear}>Clear filter</Button>}>
        Search finds parts of resource, schema, table and column.
      </Empty>
    );
  }
  return (
    <Empty title="No column is tagged" icon={EyeOff} actions={add}>
      The detector masks card numbers that it recognises in every reply. Tag the columns that hold card data, so that they are masked whatever their values look
      like, also through aliases and views.
    </Empty>
  );
}
