import { useState, type ReactNode } from 'react';
import { useCall } from '../../data/calls.ts';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { Badge, State } from '../../kit/badge.tsx';
import { Section } from '../../kit/page.tsx';
import { Loaded } from '../../kit/states.tsx';
import { conditionsOf, isRestartable, type Condition, type Restartable } from './condition.ts';
import { Restart } from './restart.tsx';
import styles from './health.module.css';

/** Each part: its state, a sentence, and what to do about it. */
export function Parts(): ReactNode {
  const status = useCall('status', {});
  const doctor = useCall('doctor', {});
  const [asked, setAsked] = useState<Restartable | null>(null);
  return (
    <Section title="Parts of the service">
      <Loaded call={status}>
        {({ parts }) => (
          <ul className={styles['list']} aria-label="Parts of the service">
            {conditionsOf(parts, doctor.data?.checks ?? []).map((condition) => (
              <Row key={condition.name} condition={condition} onRestart={setAsked} />
            ))}
          </ul>
        )}
      </Loaded>
      {asked !== null && <Restart part={asked} onClose={() => setAsked(null)} />}
    </Section>
  );
}

function Row({ condition: { name, state, detail, remedy }, onRestart }: { condition: Condition; onRestart: (part: Restartable) => void }): ReactNode {
  const need = useNeed('administrator');
  return (
    <li className={styles['row']}>
      {state === 'good' ? <Badge tone="good">Good</Badge> : <State of={state} />}
      <strong>{name}</strong>
      <div>
        <p>{detail}</p>
        {remedy !== null && remedy !== '' && <p className={styles['remedy']}>{remedy}</p>}
      </div>
      {isRestartable(name) && (
        <ActionButton small reason={need} onPress={() => onRestart(name)} label={`Restart ${name}`}>
          Restart
        </ActionButton>
      )}
    </li>
  );
}
