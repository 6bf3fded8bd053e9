import { useEffect, useState, type ReactNode } from 'react';
import { toBase64 } from '../../../proxy/proof/bytes.ts';
import type { Output } from '../../../proxy/contract/api.ts';
import { useCall } from '../../data/calls.ts';
import { useBridge } from '../../data/outside.tsx';
import { Badge } from '../../kit/badge.tsx';
import { Button } from '../../kit/button.tsx';
import { Copyable } from '../../kit/copy-button.tsx';
import { Facts, Section } from '../../kit/page.tsx';
import { Loaded } from '../../kit/states.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { Growth } from './growth.tsx';
import { primitives } from './primitives.ts';
import { checkHead } from './proof-steps.ts';
import styles from './audit.module.css';

type SignedHead = Output<'auditCheckpoint'>;
type Checked = Awaited<ReturnType<typeof checkHead>>;

/** Whether the log can be trusted: its head, whether it only grew, and how to check it without the service. */
export function Verify(): ReactNode {
  const call = useCall('auditCheckpoint', {});
  return (
    <div className={styles['verify']}>
      <Section title="Newest checkpoint">
        <Loaded call={call} lines={5}>
          {(signed) => <Head signed={signed} />}
        </Loaded>
      </Section>
      <Section title="Did the log only grow?">
        <Growth />
      </Section>
      <Section title="Without the service">
        <p className={styles['note']}>
          This checks every event, hash, signature and body from the files of the log, on any machine that has a copy of them. Give it the key and a checkpoint
          that were kept elsewhere.
        </p>
        <Command text={`postern audit verify --dir COPY-OF-THE-LOG --key ${call.data?.key ?? 'KEY'} --checkpoint checkpoint.txt`} />
      </Section>
    </div>
  );
}

function Command({ text }: { text: string }): ReactNode {
  return (
    <div className={styles['command']}>
      <Copyable text={text} label="Copy command" />
    </div>
  );
}

function useChecked(signed: SignedHead): Checked | null {
  const [checked, setChecked] = useState<{ of: SignedHead; result: Checked } | null>(null);
  useEffect(() => {
    let current = true;
    void checkHead(signed, primitives).then((result) => current && setChecked({ of: signed, result }));
    return () => {
      current = false;
    };
  }, [signed]);
  return checked?.result ?? null;
}

function Head({ signed }: { signed: SignedHead }): ReactNode {
  const bridge = useBridge();
  const toast = useToast();
  const checked = useChecked(signed);
  if (checked === null) return null;
  const { head, step } = checked;
  const fingerprint = step.values.find(([name]) => name === 'Fingerprint')?.[1] ?? '';
  const save = (): void => {
    bridge.saveText(`checkpoint-${head?.size ?? 0}.txt`, signed.checkpoint).then(
      (saved) => saved && toast({ tone: 'good', text: 'The checkpoint was saved. Keep it outside of the service’s machine.' }),
      () => toast({ tone: 'bad', text: 'It could not be saved.' }),
    );
  };
  return (
    <>
      <Facts
        items={[
          ['Signature', head ? <Badge tone="good">Holds</Badge> : <Badge tone="bad">Does not hold</Badge>],
          ['', head ? '' : step.detail],
          ['Log', head?.origin],
          ['Size', head && `${head.size.toLocaleString('en-GB')} events`],
          ['Root', head && <Copyable key="root" text={toBase64(head.root)} label="Copy root" />],
          ['Key', <Copyable key="key" text={signed.key} label="Copy key" />],
          ['Fingerprint', fingerprint === '' ? null : <code key="fingerprint">{fingerprint}</code>],
        ]}
      />
      <div className={styles['below']}>
        <Button onPress={save}>Save checkpoint</Button>
      </div>
    </>
  );
}
