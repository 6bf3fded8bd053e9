import { Plus, X } from 'lucide-react';
import type { ReactNode } from 'react';
import { Button, IconButton } from '../../kit/button.tsx';
import { FieldRow, TextField } from '../../kit/field.tsx';
import { ComboBox, Select } from '../../kit/select.tsx';
import { platforms } from './platforms.ts';
import type { RuleFieldsProps } from './rule-fields.tsx';
import { emptyCondition, type ConditionForm } from './rule-form.ts';
import styles from './trust.module.css';

const most = 32;
const tests = [
  { value: 'one-of', label: 'exactly', note: 'or one of several' },
  { value: 'like', label: 'like', note: 'with *' },
] as const;

/** Every one must hold. */
export function ConditionFields({ form, set, faults }: RuleFieldsProps): ReactNode {
  const { conditions, platform } = form;
  const change = (at: number, part: Partial<ConditionForm>): void =>
    set({ conditions: conditions.map((each, index) => (index === at ? { ...each, ...part } : each)) });
  return (
    <>
      <ul className={styles['list']}>
        {conditions.map((condition, at) => (
          // they have no name but their place
          <li key={at}>
            <fieldset className={styles['condition']}>
              <legend className="visually-hidden">{`Condition ${at + 1}`}</legend>
              <FieldRow>
                <ComboBox
                  label="Claim"
                  value={condition.claim}
                  onChange={(claim) => change(at, { claim })}
                  options={platforms[platform].claims.map((claim) => ({ value: claim, label: claim }))}
                />
                <Select label="Is" value={condition.is} onChange={(is) => change(at, { is })} options={tests} />
                <TextField
                  label={condition.is === 'like' ? 'Pattern' : 'Value'}
                  value={condition.values}
                  onChange={(values) => change(at, { values })}
                  mono
                  {...(condition.is === 'one-of' && { rows: 2 })}
                  maxLength={condition.is === 'like' ? 500 : 32_064}
                  help={condition.is === 'like' ? '* stops at / and :, ** does not.' : 'Several: one a line.'}
                />
              </FieldRow>
              <IconButton
                label={`Remove condition ${at + 1}`}
                icon={<X size={14} />}
                onPress={() => set({ conditions: conditions.filter((_, index) => index !== at) })}
              />
            </fieldset>
            <Wrong fault={faults[`conditions.${at}`]} />
          </li>
        ))}
      </ul>
      <Wrong fault={faults['conditions']} />
      {conditions.length < most && (
        <Button small onPress={() => set({ conditions: [...conditions, emptyCondition] })}>
          <Plus size={14} aria-hidden />
          Add condition
        </Button>
      )}
    </>
  );
}

function Wrong({ fault }: { fault: string | undefined }): ReactNode {
  return (
    fault !== undefined && (
      <p className={styles['fault']} role="alert">
        {fault}
      </p>
    )
  );
}
