import type { ReactNode } from 'react';
import { useMutationCall } from '../../data/calls.ts';
import { Badge } from '../../kit/badge.tsx';
import { Button } from '../../kit/button.tsx';
import { Dialog } from '../../kit/dialog.tsx';
import { Fault, Notice } from '../../kit/states.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { columnOf, keyOf, revealing, type Rule, type RuleChange } from './rule-set.ts';
import styles from './masking.module.css';

interface ReviewProps {
  readonly changes: readonly RuleChange[];
  /** as they are after saving */
  readonly rules: Rule[];
  readonly onClose: () => void;
  readonly onSaved: () => void;
}

const tones = { added: 'good', changed: 'wait', removed: 'warn' } as const;
const words = { added: 'Added', changed: 'Changed', removed: 'Removed' } as const;

/** What saving changes, line by line, and what callers see then. */
export function Review({ changes, rules, onClose, onSaved }: ReviewProps): ReactNode {
  const { run, running, fault } = useMutationCall('putMaskingRules');
  const toast = useToast();
  const more = revealing(changes);
  const save = async (): Promise<void> => {
    if ((await run({ rules })) === null) return;
    toast({
      tone: 'good',
      text: changes.length === 1 ? '1 change of the masking rules is in force.' : `${changes.length} changes of the masking rules are in force.`,
    });
    onSaved();
    onClose();
  };
  const actions = (
    <>
      <Button onPress={onClose}>Go on editing</Button>
      <Button variant={more > 0 ? 'danger' : 'primary'} pending={running} disabled={changes.length === 0} onPress={() => void save()}>
        Save rules
      </Button>
    </>
  );
  return (
    <Dialog title={changes.length === 1 ? 'Save 1 change' : `Save ${changes.length} changes`} open wide onClose={onClose} actions={actions}>
      {more > 0 && (
        <Notice tone="warn">
          {more === 1 ? '1 change shows' : `${more} changes show`} callers more than before. Without a tag, a column is only masked where the detector
          recognises what stands in it.
        </Notice>
      )}
      <ul className={styles['changes']}>
        {changes.map(({ kind, rule, before }) => (
          <li key={keyOf(rule)}>
            <Badge tone={tones[kind]}>{words[kind]}</Badge>
            <code>
              {rule.resource} · {columnOf(rule)}
            </code>
            <span className={styles['muted']}>{kind === 'changed' ? `${before ?? ''} → ${rule.tag}` : rule.tag}</span>
          </li>
        ))}
      </ul>
      <p className={styles['note']}>All of them take effect together, in live sessions too. The full new rules are kept in the audit log.</p>
      {fault && <Fault of={fault} />}
    </Dialog>
  );
}
