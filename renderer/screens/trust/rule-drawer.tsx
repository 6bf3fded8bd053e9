import { useState, type ReactNode } from 'react';
import type { TrustRule } from '../../../proxy/contract/trust-rule.ts';
import { useMutationCall } from '../../data/calls.ts';
import { Button } from '../../kit/button.tsx';
import { Drawer } from '../../kit/dialog.tsx';
import { Form } from '../../kit/page.tsx';
import { Fault, Notice } from '../../kit/states.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { RuleFields } from './rule-fields.tsx';
import { emptyRule, ruleFaults, ruleFormOf, ruleSettingsOf, servedRuleFaults, type RuleFaults, type RuleForm } from './rule-form.ts';

interface RuleDrawerProps {
  /** null: a new one */
  readonly rule: TrustRule | null;
  /** name of its service account */
  readonly account: string;
  readonly onClose: () => void;
  readonly onDone: (name: string) => void;
}

export function RuleDrawer({ rule, account, onClose, onDone }: RuleDrawerProps): ReactNode {
  const isNew = rule === null;
  const [form, setForm] = useState<RuleForm>(() => (rule === null ? emptyRule : ruleFormOf(rule, account)));
  const [tried, setTried] = useState<RuleFaults>({});
  const create = useMutationCall('createTrustRule');
  const update = useMutationCall('updateTrustRule');
  const toast = useToast();
  const fault = create.fault ?? update.fault;
  const save = async (): Promise<void> => {
    const found = ruleFaults(form, isNew);
    setTried(found);
    if (Object.keys(found).length > 0) return;
    const name = form.name.trim();
    const settings = { name, ...ruleSettingsOf(form) };
    if ((await (isNew ? create.run({ ...settings, disabled: false }) : update.run(settings))) === null) return;
    toast({ tone: 'good', text: isNew ? `${name} was added: its workloads may come.` : `${name} was changed.` });
    onDone(name);
  };
  const actions = (
    <>
      <Button onPress={onClose}>Cancel</Button>
      <Button variant="primary" pending={create.running || update.running} onPress={() => void save()}>
        {isNew ? 'Add' : 'Save'}
      </Button>
    </>
  );
  return (
    <Drawer title={isNew ? 'Add trust rule' : `Edit ${form.name}`} open onClose={onClose} actions={actions}>
      <Form onSubmit={() => void save()}>
        <RuleFields
          form={form}
          set={(change) => setForm((before) => ({ ...before, ...change }))}
          faults={{ ...servedRuleFaults(fault?.faults ?? []), ...tried }}
          isNew={isNew}
        />
        <button type="submit" hidden />
      </Form>
      {!isNew && (
        <Notice tone="warn">
          Saving ends what rests on the rule as it was: its sessions, and tokens that were got in exchange. The next job comes by the new one.
        </Notice>
      )}
      {fault && <Fault of={fault} />}
    </Drawer>
  );
}
