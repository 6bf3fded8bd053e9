import { useState, type ReactNode } from 'react';
import type { AuditEventView } from '../../../proxy/contract/api-views.ts';
import { useMutationCall } from '../../data/calls.ts';
import { useAppliance } from '../../data/outside.tsx';
import { Button } from '../../kit/button.tsx';
import { Fault } from '../../kit/states.tsx';
import { primitives } from './primitives.ts';
import { proveEvent, type ProofStep } from './proof-steps.ts';
import { ProofView } from './proof-view.tsx';
import styles from './audit.module.css';

interface Proven {
  readonly steps: readonly ProofStep[];
  readonly at: string;
}

/** One click: checkpoint and path are fetched, and everything is computed here from the bytes that are shown. */
export function EventProof({ event }: { event: AuditEventView }): ReactNode {
  const { name } = useAppliance();
  const head = useMutationCall('auditCheckpoint');
  const inclusion = useMutationCall('auditInclusion');
  const [proven, setProven] = useState<Proven | null>(null);
  const prove = async (): Promise<void> => {
    setProven(null);
    const signed = await head.run({});
    if (signed === null) return;
    const proof = await inclusion.run({ index: event.index, ...sizeOf(signed.checkpoint) });
    if (proof === null) return;
    setProven({ steps: await proveEvent({ event, signed, proof }, primitives), at: new Date().toISOString() });
  };
  const fault = head.fault ?? inclusion.fault;
  return (
    <>
      {proven && <ProofView title={`Event ${event.index} of ${name}`} file={`proof-event-${event.index}.txt`} {...proven} />}
      {fault && <Fault of={fault} />}
      <div className={styles['below']}>
        <Button variant={proven ? 'plain' : 'primary'} pending={head.running || inclusion.running} onPress={() => void prove()}>
          {proven ? 'Prove again' : 'Prove that it is in the log'}
        </Button>
      </div>
      <p className={styles['note']}>
        The hashes and the signature are computed in this window. The key comes from the service: compare its fingerprint with the one you keep elsewhere. The
        body is bound by the commitment in the header; <code>postern audit verify</code> opens and compares bodies.
      </p>
    </>
  );
}

/** The size that the checkpoint states; whether it is signed is looked at afterwards. */
function sizeOf(note: string): { size?: number } {
  const size = Number(note.split('\n')[1]);
  return Number.isSafeInteger(size) && size >= 0 ? { size } : {};
}
