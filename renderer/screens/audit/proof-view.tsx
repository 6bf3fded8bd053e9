import { CircleCheck, CircleX } from 'lucide-react';
import type { ReactNode } from 'react';
import { useBridge } from '../../data/outside.tsx';
import { Button } from '../../kit/button.tsx';
import { CopyButton } from '../../kit/copy-button.tsx';
import { cx } from '../../kit/css.ts';
import { Notice } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { isProven, proofText, type ProofStep } from './proof-steps.ts';
import styles from './audit.module.css';

interface ProofViewProps {
  readonly title: string;
  /** proposed name of the saved text */
  readonly file: string;
  readonly steps: readonly ProofStep[];
  /** when it was computed */
  readonly at: string;
}

/** Every step with its hashes; one that fails is loud. */
export function ProofView({ title, file, steps, at }: ProofViewProps): ReactNode {
  const bridge = useBridge();
  const toast = useToast();
  const text = proofText(title, steps, at);
  const failed = steps.filter(({ ok }) => !ok).length;
  const save = (): void => {
    bridge.saveText(file, text).then(
      (saved) => saved && toast({ tone: 'good', text: 'The proof was saved.' }),
      () => toast({ tone: 'bad', text: 'It could not be saved.' }),
    );
  };
  return (
    <div className={styles['proof']}>
      {isProven(steps) ? (
        <Notice tone="good">
          <strong>Proven.</strong> All {steps.length} steps hold, computed here <Time at={at} />.
        </Notice>
      ) : (
        <Notice tone="bad">
          <strong>Not proven.</strong> {failed === 1 ? '1 step failed' : `${failed} steps failed`}. Do not rely on it. Save this text, keep the log’s files as
          they are, and tell the auditor.
        </Notice>
      )}
      <ol className={styles['steps']}>
        {steps.map((step) => (
          <Step key={step.title} step={step} />
        ))}
      </ol>
      <div className={styles['related']}>
        <CopyButton text={text} label="Copy proof as text">
          Copy as text
        </CopyButton>
        <Button onPress={save}>Save as text</Button>
      </div>
    </div>
  );
}

function Step({ step: { title, ok, detail, values } }: { step: ProofStep }): ReactNode {
  const Icon = ok ? CircleCheck : CircleX;
  return (
    <li className={cx(styles['step'], !ok && styles['failed'])}>
      <Icon size={16} className={styles[ok ? 'good' : 'bad']} aria-label={ok ? 'ok' : 'failed'} />
      <div className={styles['stepWords']}>
        <p className={styles['stepTitle']}>{title}</p>
        <p className={styles['muted']}>{detail}</p>
        {values.length > 0 && (
          <dl className={styles['hashes']}>
            {values.map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value.trimEnd()}</dd>
              </div>
            ))}
          </dl>
        )}
      </div>
    </li>
  );
}
