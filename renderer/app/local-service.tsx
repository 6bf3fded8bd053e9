import { useState, type ReactNode } from 'react';
import type { LocalService, ServiceVerb } from '../../main/contract/views.ts';
import type { AppError } from '../../proxy/lib/errors.ts';
import { appErrorOf } from '../data/calls.ts';
import { useBridge } from '../data/outside.tsx';
import { Badge } from '../kit/badge.tsx';
import { Button } from '../kit/button.tsx';
import { Fault } from '../kit/states.tsx';
import { serviceState } from './service-state.ts';
import styles from './doorway.module.css';

const verbs: Readonly<Record<ServiceVerb, string>> = { install: 'Install', repair: 'Repair', start: 'Start', stop: 'Stop', restart: 'Restart' };
/** what a person wants first in each state */
const first: Partial<Record<LocalService['state'], ServiceVerb>> = {
  'not-installed': 'install',
  stopped: 'start',
  degraded: 'restart',
  'version-mismatch': 'repair',
  'untrusted-socket': 'repair',
};

interface ServiceActions {
  readonly run: (verb: ServiceVerb) => void;
  readonly running: ServiceVerb | null;
  readonly fault: AppError | null;
}

export function useServiceActions(): ServiceActions {
  const bridge = useBridge();
  const [running, setRunning] = useState<ServiceVerb | null>(null);
  const [fault, setFault] = useState<AppError | null>(null);
  const run = (verb: ServiceVerb): void => {
    if (!bridge.service) return;
    setRunning(verb);
    setFault(null);
    bridge.service
      .run(verb)
      .catch((error: unknown) => setFault(appErrorOf(error)))
      .finally(() => setRunning(null));
  };
  return { run, running, fault };
}

/** The buttons that the service of this machine understands now. */
export function ServiceButtons({ service, actions }: { service: LocalService; actions: ServiceActions }): ReactNode {
  const main = first[service.state];
  return service.verbs.map((verb) => (
    <Button
      key={verb}
      small
      variant={verb === main ? 'primary' : 'plain'}
      pending={actions.running === verb}
      disabled={actions.running !== null && actions.running !== verb}
      onPress={() => actions.run(verb)}
    >
      {verbs[verb]}
    </Button>
  ));
}

/** State, what can be done, and the last lines when it is not well. */
export function LocalServicePanel({ service }: { service: LocalService }): ReactNode {
  const actions = useServiceActions();
  const { word, tone, detail } = serviceState({ appliance: null, status: undefined, local: service });
  return (
    <section className={styles['service']} aria-label="Service on this machine">
      <div className={styles['line']}>
        <span>Service on this machine</span>
        <Badge tone={tone}>{word}</Badge>
        <ServiceButtons service={service} actions={actions} />
      </div>
      {detail !== '' && <p className={styles['muted']}>{detail}</p>}
      {actions.fault && <Fault of={actions.fault} />}
      <LastLines service={service} />
    </section>
  );
}

export function LastLines({ service: { state, lastLines, logFile } }: { service: LocalService }): ReactNode {
  if (state === 'running' || lastLines.length === 0) return null;
  return (
    <>
      <pre className={styles['lines']} tabIndex={0} role="region" aria-label="Last lines of the service">
        {lastLines.join('\n')}
      </pre>
      {logFile !== null && (
        <p className={styles['muted']}>
          Log: <code>{logFile}</code>
        </p>
      )}
    </>
  );
}
