import { Circle, CircleCheck } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import { screens } from '../../app/screens.ts';
import { useMutationCall } from '../../data/calls.ts';
import { useAppliance } from '../../data/outside.tsx';
import { useLink } from '../../data/place.ts';
import { Button, ButtonLink } from '../../kit/button.tsx';
import { cx } from '../../kit/css.ts';
import { Section } from '../../kit/page.tsx';
import { useSteps, type Step } from './steps.ts';
import styles from './overview.module.css';

const hiddenKey = (appliance: string): string => `postern.first-run.${appliance}`;

/** From nothing to the first recorded session. Each step is read from the service, so it can be left and taken up at any time. */
export function FirstRun(): ReactNode {
  const { id } = useAppliance();
  const steps = useSteps();
  const [hidden, setHidden] = useState(() => localStorage.getItem(hiddenKey(id)) === 'hidden');
  const [open, setOpen] = useState(false);
  const known = steps.every(({ done }) => done !== null);
  const left = steps.filter(({ done }) => done !== true).length;
  if (!known || (hidden && left === 0)) return null;
  const hide = (): void => {
    localStorage.setItem(hiddenKey(id), 'hidden');
    setHidden(true);
  };
  if (left === 0 && !open) {
    return (
      <div className={styles['complete']}>
        <CircleCheck size={16} aria-hidden />
        Set-up is complete.
        <Button small variant="quiet" onPress={() => setOpen(true)}>
          Show the steps
        </Button>
        <Button small variant="quiet" onPress={hide}>
          Hide for good
        </Button>
      </div>
    );
  }
  return (
    <Section title={`Set-up: ${steps.length - left} of ${steps.length}`}>
      <ol className={cx(styles['list'], styles['steps'])}>
        {steps.map((step) => (
          <StepRow key={step.id} step={step} />
        ))}
      </ol>
    </Section>
  );
}

function StepRow({ step }: { step: Step }): ReactNode {
  const { title, text, done, screen, path, action } = step;
  const link = useLink();
  const { verify, verifying, told } = useVerify(step);
  const Icon = done === true ? CircleCheck : Circle;
  return (
    <li className={cx(styles['step'], done === true && styles['done'])}>
      <Icon size={18} aria-label={done === true ? 'done' : 'open'} />
      <div>
        <p className={styles['stepTitle']}>{title}</p>
        <p className={styles['stepText']} role="status">
          {told === '' ? text : told}
        </p>
      </div>
      <div className={styles['buttons']}>
        {done !== true && screen !== '' && screens.some(({ id }) => id === screen) && (
          <ButtonLink small variant="primary" href={link(screen, ...path)}>
            {action}
          </ButtonLink>
        )}
        <Button small pending={verifying} onPress={verify} label={`Verify: ${title}`}>
          Verify
        </Button>
      </div>
    </li>
  );
}

interface Verifying {
  readonly verify: () => void;
  readonly verifying: boolean;
  readonly told: string;
}

/** Reads the step anew; a resource is tried by logging in at it. */
function useVerify({ read, resource }: Step): Verifying {
  const test = useMutationCall('testResource');
  const [verifying, setVerifying] = useState(false);
  const [told, setTold] = useState('');
  const verify = (): void => {
    setVerifying(true);
    setTold('');
    const act =
      resource === null
        ? read()
        : test.run({ name: resource }).then((tested) => (tested ? setTold(`${resource}: ${tested.detail}`) : setTold(`${resource} could not be tested.`)));
    void act.finally(() => setVerifying(false));
  };
  return { verify, verifying, told: told === '' ? '' : (test.fault?.message ?? told) };
}
