import { useState, type ReactNode } from 'react';
import type { LocalService, ServiceVerb } from '../../../main/contract/views.ts';
import { useServiceActions } from '../../app/local-service.tsx';
import { serviceState } from '../../app/service-state.ts';
import { useLocalService } from '../../app/use-local-service.ts';
import { Badge } from '../../kit/badge.tsx';
import { Button } from '../../kit/button.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import { Copyable, CopyButton } from '../../kit/copy-button.tsx';
import { cx } from '../../kit/css.ts';
import { Facts, Section } from '../../kit/page.tsx';
import { Fault } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import styles from './health.module.css';

const owners: Readonly<Record<LocalService['owner'], string>> = {
  installed: 'The operating system runs it',
  child: 'This app runs it, from source',
  none: 'There is none on this machine',
};

interface Act {
  readonly label: string;
  readonly does: string;
  /** asked before it is done; absent: nothing is lost */
  readonly ends?: string;
}

const acts: Readonly<Record<ServiceVerb, Act>> = {
  install: { label: 'Install', does: 'Installs the service package that came with this app, and starts it. Asks for an administrator’s password.' },
  repair: {
    label: 'Repair',
    does: 'Installs the package anew over what is there. Data and settings stay. Asks for an administrator’s password.',
    ends: 'The service is stopped for it: every live session ends, and commands that wait for a decision are withdrawn. Data and settings stay.',
  },
  start: { label: 'Start', does: 'Starts the service.' },
  stop: {
    label: 'Stop',
    does: 'Stops the service. Nobody reaches a resource through it until it is started again.',
    ends: 'Every live session ends, commands that wait for a decision are withdrawn, and nobody reaches a resource until it is started again.',
  },
  restart: {
    label: 'Restart',
    does: 'Stops the service and starts it again.',
    ends: 'Every live session ends, and commands that wait for a decision are withdrawn. New connections are accepted again within seconds.',
  },
};

/** The service of this machine; nothing in the console, which has none. */
export function Local(): ReactNode {
  const service = useLocalService();
  return service && <Panel service={service} />;
}

function Panel({ service }: { service: LocalService }): ReactNode {
  const { word, tone } = serviceState({ appliance: null, status: undefined, local: service });
  const { detail, appVersion, serviceVersion, owner, socket, startedAt, restarts, logFile } = service;
  return (
    <Section title="Service on this machine">
      <Facts
        items={[
          [
            'State',
            <Badge key="state" tone={tone}>
              {word}
            </Badge>,
          ],
          ['Says', detail],
          ['Version of the service', serviceVersion],
          ['Version of this app', appVersion],
          ['Owner', owners[owner]],
          ['Socket', socket === null ? null : <Copyable key="socket" text={socket} label="Copy socket" />],
          ['Started', startedAt === null ? null : <Time key="started" at={startedAt} />],
          ['Started again by itself', restarts === 1 ? 'Once' : restarts === 0 ? 'Never' : `${restarts} times`],
          ['Log file', logFile === null ? null : <Copyable key="log" text={logFile} label="Copy path of the log" />],
        ]}
      />
      <Verbs verbs={service.verbs} />
      <LastLines lines={service.lastLines} />
    </Section>
  );
}

function Verbs({ verbs }: { verbs: readonly ServiceVerb[] }): ReactNode {
  const { run, running, fault } = useServiceActions();
  const [asked, setAsked] = useState<ServiceVerb | null>(null);
  const press = (verb: ServiceVerb): void => (acts[verb].ends === undefined ? run(verb) : setAsked(verb));
  if (verbs.length === 0) return null;
  return (
    <>
      <ul className={cx(styles['list'], styles['verbs'])} aria-label="What can be done with the service">
        {verbs.map((verb) => (
          <li key={verb} className={styles['verb']}>
            <Button small pending={running === verb} disabled={running !== null && running !== verb} onPress={() => press(verb)}>
              {acts[verb].label}
            </Button>
            <span>{acts[verb].does}</span>
          </li>
        ))}
      </ul>
      {fault && <Fault of={fault} />}
      <Confirm
        title={`${asked === null ? '' : acts[asked].label} the service of this machine?`}
        action={asked === null ? '' : acts[asked].label}
        open={asked !== null}
        onClose={() => setAsked(null)}
        onConfirm={() => {
          if (asked !== null) run(asked);
          setAsked(null);
        }}
      >
        {asked === null ? '' : acts[asked].ends}
      </Confirm>
    </>
  );
}

function LastLines({ lines }: { lines: readonly string[] }): ReactNode {
  if (lines.length === 0) return null;
  return (
    <>
      <p className={styles['label']}>
        Last {lines.length} lines <CopyButton text={lines.join('\n')} label="Copy last lines" />
      </p>
      <pre className={styles['lines']} tabIndex={0} role="region" aria-label="Last lines of the service on this machine">
        {lines.join('\n')}
      </pre>
    </>
  );
}
