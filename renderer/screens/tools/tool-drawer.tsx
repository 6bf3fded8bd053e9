import { Check, X } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import type { ToolPin } from '../../../proxy/contract/tool-pin.ts';
import { useMutationCall } from '../../data/calls.ts';
import { useLink } from '../../data/place.ts';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { Button } from '../../kit/button.tsx';
import { Copyable } from '../../kit/copy-button.tsx';
import { Drawer } from '../../kit/dialog.tsx';
import { Checkbox } from '../../kit/field.tsx';
import { Facts } from '../../kit/page.tsx';
import { Fault, Notice } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { visibleText } from '../../kit/visible.ts';
import { DefinitionView } from './definition-view.tsx';
import { ToolStateBadge } from './tool-state-badge.tsx';
import { nameOf, stateOf, stateWords } from './tool-state.ts';
import styles from './tools.module.css';

/** One tool whole. What is decided is what was on the screen: when the server changes it meanwhile, it must be looked at anew. */
export function ToolDrawer({ pin: now, onClose }: { pin: ToolPin; onClose: () => void }): ReactNode {
  const [looked, setLooked] = useState(now);
  // what was confirmed of another definition says nothing of this one
  const [readOnly, setReadOnly] = useState(now.readOnly && stateOf(now) === 'agreed');
  const need = useNeed('administrator');
  const { run, running, fault, reset } = useMutationCall('decideTool');
  const toast = useToast();
  const isOther = looked.offered !== now.offered;
  // decided elsewhere meanwhile: the state may change under the eyes, the definition may not
  const pin = isOther ? looked : now;
  const decide = async (decision: 'approve' | 'reject'): Promise<void> => {
    const { id, offered, resource } = pin;
    if ((await run({ id, decision, offered, readOnly: decision === 'approve' && readOnly })) === null) return;
    const what = `${visibleText(nameOf(pin))} of ${resource}`;
    toast({ tone: 'good', text: decision === 'approve' ? `Agreed to ${what}, exactly as shown.` : `Refused ${what}. It stays hidden until it changes.` });
    onClose();
  };
  const look = (): void => {
    reset();
    setLooked(now);
    setReadOnly(false);
  };
  const reason = need ?? (isOther ? 'Look at what is offered now first' : undefined);
  return (
    <Drawer
      title={visibleText(nameOf(pin))}
      open
      wide
      onClose={onClose}
      actions={<Decision pin={pin} reason={reason} readOnly={readOnly} running={running} onDecide={(decision) => void decide(decision)} />}
    >
      {isOther && (
        <Notice tone="warn" action={<Button onPress={look}>Show what is offered now</Button>}>
          The server offers something else by now. Below is what you looked at; it can no longer be agreed to.
        </Notice>
      )}
      {fault && <Fault of={fault} />}
      <PinFacts pin={pin} />
      <DefinitionView pin={pin} />
      {pin.kind === 'tool' && (
        <div className={styles['confirm']}>
          <Checkbox
            checked={readOnly}
            onChange={setReadOnly}
            disabled={reason !== undefined}
            help="Only if you checked that it changes nothing, whatever the server says: then rules for reading count for it, and its calls are forwarded while they are still being recorded. In doubt leave it open."
          >
            I confirm that this tool only reads
          </Checkbox>
        </div>
      )}
    </Drawer>
  );
}

function PinFacts({ pin }: { pin: ToolPin }): ReactNode {
  const link = useLink();
  const { resource, kind, offered, approved, seenAt, decidedAt, decidedBy } = pin;
  return (
    <Facts
      items={[
        [
          'State',
          <span key="state" className={styles['state']}>
            <ToolStateBadge pin={pin} />
            <span className={styles['muted']}>{stateWords[stateOf(pin)][2]}</span>
          </span>,
        ],
        [
          'Server',
          <a key="server" href={link('resources', resource)}>
            <code>{resource}</code>
          </a>,
        ],
        ['Kind', kind],
        ['First seen so', <Time key="seen" at={seenAt} />],
        [
          'Decided',
          decidedAt && (
            <span>
              <Time at={decidedAt} /> by {decidedBy ?? 'somebody'}
            </span>
          ),
        ],
        ['SHA-256 of what is offered', <Copyable key="offered" text={offered} label="Copy SHA-256 of what is offered" />],
        ['SHA-256 of what was agreed to', approved !== null && approved !== offered && <Copyable text={approved} label="Copy SHA-256 of what was agreed to" />],
      ]}
    />
  );
}

interface DecisionProps {
  readonly pin: ToolPin;
  readonly reason: string | undefined;
  readonly readOnly: boolean;
  readonly running: boolean;
  readonly onDecide: (decision: 'approve' | 'reject') => void;
}

/** Agreed to already: the same button only changes what was confirmed. */
function Decision({ pin, reason, readOnly, running, onDecide }: DecisionProps): ReactNode {
  const state = stateOf(pin);
  const isSame = state === 'agreed' && readOnly === pin.readOnly;
  return (
    <>
      {state !== 'rejected' && (
        <ActionButton reason={reason} pending={running} onPress={() => onDecide('reject')}>
          <X size={14} aria-hidden />
          Refuse
        </ActionButton>
      )}
      {!isSame && (
        <ActionButton variant="primary" reason={reason} pending={running} onPress={() => onDecide('approve')}>
          <Check size={14} aria-hidden />
          {state === 'agreed' ? 'Save' : 'Agree to exactly this'}
        </ActionButton>
      )}
    </>
  );
}
