import { useState, type ReactNode } from 'react';
import type { ToolPin } from '../../../proxy/contract/tool-pin.ts';
import { useMutationCall } from '../../data/calls.ts';
import { Button } from '../../kit/button.tsx';
import { Drawer } from '../../kit/dialog.tsx';
import { Checkbox } from '../../kit/field.tsx';
import { Fault, Notice } from '../../kit/states.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { visibleText } from '../../kit/visible.ts';
import { DefinitionView } from './definition-view.tsx';
import { readDefinition } from './definition.ts';
import { isQuarantined, nameOf, stateOf, stateWords } from './tool-state.ts';
import { ToolStateBadge } from './tool-state-badge.tsx';
import styles from './tools.module.css';

interface AgreeToAllProps {
  readonly server: string;
  readonly pins: readonly ToolPin[];
  readonly onClose: () => void;
}

/** Everything of a server that waits, as it was when this was opened: what comes later is not agreed to with it. */
export function AgreeToAll({ server, pins, onClose }: AgreeToAllProps): ReactNode {
  const [listed] = useState(() => pins.filter((pin) => pin.resource === server && isQuarantined(pin)));
  const [read, setRead] = useState(false);
  const [done, setDone] = useState(0);
  const [running, setRunning] = useState(false);
  const { run, fault } = useMutationCall('decideTool');
  const toast = useToast();
  const left = listed.slice(done);
  const agree = async (): Promise<void> => {
    setRunning(true);
    // one after the other: what was agreed to before a fault stays agreed to
    for (const { id, offered } of left) {
      if ((await run({ id, offered, decision: 'approve', readOnly: false })) === null) {
        setRunning(false);
        return;
      }
      setDone((count) => count + 1);
    }
    toast({ tone: 'good', text: `Agreed to ${listed.length} of ${server}, exactly as shown.` });
    onClose();
  };
  const actions = (
    <>
      <Button onPress={onClose}>{done > 0 ? 'Close' : 'Cancel'}</Button>
      <Button variant="primary" disabled={!read} pending={running} onPress={() => void agree()}>
        {`Agree to ${left.length}`}
      </Button>
    </>
  );
  return (
    <Drawer title={`What ${server} offers`} open wide onClose={onClose} actions={actions}>
      <p className={styles['lead']}>
        {listed.length} new or changed. A tool that only reads can be marked as such afterwards, one by one. Open each to see its whole definition.
      </p>
      {fault && <Fault of={fault} />}
      {fault && done > 0 && <Notice tone="warn">{`${done} of ${listed.length} were agreed to before that; the others still wait.`}</Notice>}
      <ul className={styles['all']}>
        {listed.map((pin, at) => (
          <li key={pin.id}>
            <Offered pin={pin} isDone={at < done} />
          </li>
        ))}
      </ul>
      <Checkbox checked={read} onChange={setRead}>
        I have read all of it, and trust this server with it
      </Checkbox>
    </Drawer>
  );
}

function Offered({ pin, isDone }: { pin: ToolPin; isDone: boolean }): ReactNode {
  const [open, setOpen] = useState(false);
  const definition = readDefinition(pin.offeredDefinition);
  const state = stateOf(pin);
  return (
    <details open={open} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <code>{visibleText(nameOf(pin))}</code>
        {isDone ? <span className={styles['muted']}>agreed to now</span> : <ToolStateBadge pin={pin} />}
        {definition?.hasUnseen === true && <strong className={styles['alarm']}>holds characters that cannot be seen</strong>}
        <span className={styles['summary']}>{definition?.description ?? stateWords[state][2]}</span>
      </summary>
      {open && <DefinitionView pin={pin} />}
    </details>
  );
}
