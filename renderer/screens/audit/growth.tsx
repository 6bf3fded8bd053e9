import { useState, type ReactNode } from 'react';
import type { WitnessState } from '../../../main/contract/views.ts';
import { fromBase64 } from '../../../proxy/proof/bytes.ts';
import type { Checkpoint } from '../../../proxy/proof/checkpoint.ts';
import { hashBytes } from '../../../proxy/proof/merkle.ts';
import { useWitness } from '../../app/use-witness.ts';
import { useMutationCall } from '../../data/calls.ts';
import { useAppliance, useBridge } from '../../data/outside.tsx';
import { ActionButton } from '../../kit/action-button.tsx';
import { Button } from '../../kit/button.tsx';
import { TextField } from '../../kit/field.tsx';
import { Form } from '../../kit/page.tsx';
import { Fault, Notice } from '../../kit/states.tsx';
import { primitives } from './primitives.ts';
import { checkHead, proveGrowth, type ProofStep } from './proof-steps.ts';
import { ProofView } from './proof-view.tsx';
import styles from './audit.module.css';

type Older = Pick<Checkpoint, 'size' | 'root'>;

interface Comparing {
  readonly compare: (older: Older) => Promise<void>;
  readonly comparePasted: (note: string) => Promise<void>;
  readonly proven: { readonly steps: readonly ProofStep[]; readonly at: string } | null;
  /** why what was pasted is not compared */
  readonly refused: string | undefined;
  readonly running: boolean;
  readonly fault: ReturnType<typeof useMutationCall>['fault'];
}

function useComparing(): Comparing {
  const head = useMutationCall('auditCheckpoint');
  const consistency = useMutationCall('auditConsistency');
  const [proven, setProven] = useState<Comparing['proven']>(null);
  const [refused, setRefused] = useState<string>();
  const readHead = async (): Promise<{ signed: NonNullable<Awaited<ReturnType<typeof head.run>>>; size: number } | null> => {
    setProven(null);
    setRefused(undefined);
    const signed = await head.run({});
    if (signed === null) return null;
    return { signed, size: (await checkHead(signed, primitives)).head?.size ?? -1 };
  };
  const against = async (older: Older, now: NonNullable<Awaited<ReturnType<typeof readHead>>>): Promise<void> => {
    // a log that is shorter than it was has no such proof: that is the finding
    const proof = older.size > now.size ? { hashes: [] } : await consistency.run({ from: older.size, size: now.size });
    if (proof === null) return;
    setProven({ steps: await proveGrowth({ older, signed: now.signed, hashes: proof.hashes }, primitives), at: new Date().toISOString() });
  };
  const compare = async (older: Older): Promise<void> => {
    const now = await readHead();
    if (now) await against(older, now);
  };
  const comparePasted = async (note: string): Promise<void> => {
    const now = await readHead();
    if (!now) return;
    const { head: older, step } = await checkHead({ checkpoint: noteOf(note), key: now.signed.key }, primitives);
    if (older) await against(older, now);
    else setRefused(`This is no checkpoint of this log: ${step.detail}`);
  };
  return { compare, comparePasted, proven, refused, running: head.running || consistency.running, fault: head.fault ?? consistency.fault };
}

/** Pasted text may have lost its last newline, or have got those of another system. */
function noteOf(text: string): string {
  return `${text.replaceAll('\r\n', '\n').trim()}\n`;
}

/** Compares the log of now with an earlier checkpoint: what this machine kept, or one that somebody else did. */
export function Growth(): ReactNode {
  const comparing = useComparing();
  const { proven, fault } = comparing;
  return (
    <>
      {proven && <ProofView title="Growth of the log" file="proof-growth.txt" {...proven} />}
      {fault && <Fault of={fault} />}
      <Kept comparing={comparing} />
      <Pasted comparing={comparing} />
    </>
  );
}

function Kept({ comparing: { compare, running } }: { comparing: Comparing }): ReactNode {
  const { id } = useAppliance();
  const machine = useBridge().kind === 'http' ? 'this browser' : 'this machine';
  const kept = useWitness().find(({ appliance }) => appliance === id);
  const older = kept ? olderOf(kept) : null;
  const isAlarm = kept?.state === 'alarm';
  const missing = isAlarm ? 'There is an alarm: what was kept stays untouched, as evidence' : 'It is kept at the next contact with the service';
  return (
    <>
      {isAlarm && <Notice tone="bad">{kept.detail}</Notice>}
      {!isAlarm && <p className={styles['note']}>{keptWords(older, machine)}</p>}
      <ActionButton pending={running} reason={older ? undefined : missing} onPress={() => void (older && compare(older))}>
        Compare with what {machine} kept
      </ActionButton>
    </>
  );
}

function keptWords(older: Older | null, machine: string): string {
  return older === null
    ? `No checkpoint was kept in ${machine} yet.`
    : `The newest checkpoint that ${machine} kept has ${older.size.toLocaleString('en-GB')} events.`;
}

function olderOf({ size, root: text }: WitnessState): Older | null {
  const root = fromBase64(text ?? '');
  return size !== null && root?.length === hashBytes ? { size, root } : null;
}

function Pasted({ comparing: { comparePasted, refused, running } }: { comparing: Comparing }): ReactNode {
  const [note, setNote] = useState('');
  const isEmpty = note.trim() === '';
  return (
    <div className={styles['pasted']}>
      <Form onSubmit={() => void (!isEmpty && comparePasted(note))}>
        <TextField
          label="A checkpoint that was kept elsewhere"
          value={note}
          onChange={setNote}
          rows={5}
          mono
          maxLength={10_000}
          error={refused}
          placeholder={'origin\nsize\nroot\n\n— origin signature'}
          help="All lines, with the signature."
        />
        <div className={styles['below']}>
          <Button type="submit" disabled={isEmpty} pending={running}>
            Compare with this checkpoint
          </Button>
        </div>
      </Form>
    </div>
  );
}
