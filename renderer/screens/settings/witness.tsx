import { Eye } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import type { WitnessState } from '../../../main/contract/views.ts';
import type { WitnessView } from '../../../proxy/contract/api-console.ts';
import { useWitness } from '../../app/use-witness.ts';
import { useMutationCall, usePages } from '../../data/calls.ts';
import { useAppliances, useBridge } from '../../data/outside.tsx';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { State } from '../../kit/badge.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import { Copyable } from '../../kit/copy-button.tsx';
import { DataTable, type Column } from '../../kit/data-table.tsx';
import { Facts, Section } from '../../kit/page.tsx';
import { Empty, Notice } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { useToast } from '../../kit/toasts.tsx';
import styles from './settings.module.css';

const number = new Intl.NumberFormat('en-GB');

/** What this machine keeps of the logs of its services, and who else cosigns the one shown. */
export function Witness(): ReactNode {
  const { kind } = useBridge();
  const states = useWitness();
  const machine = kind === 'http' ? 'This browser' : 'This machine';
  return (
    <div className={styles['wide']}>
      <Section title={`${machine} as witness`}>
        <p className={styles['note']}>
          It keeps the newest checkpoint of each log it saw and checks every later one against it: a log that was rolled back or rewritten is noticed.{' '}
          {kind === 'http' ? 'A browser checks; it does not cosign. The Postern app does both.' : 'It cosigns what it checked, with a key of its own.'}
        </p>
        {states.length === 0 ? (
          <Empty title="No log was checked yet" icon={Eye}>
            It is checked at the next contact with a service.
          </Empty>
        ) : (
          <ul className={styles['list']} aria-label="Logs that are checked">
            {states.map((state) => (
              <Log key={state.appliance} of={state} />
            ))}
          </ul>
        )}
      </Section>
      <Witnesses />
    </div>
  );
}

function Log({ of: { appliance, state, size, root, checkedAt, cosignedAt, detail } }: { of: WitnessState }): ReactNode {
  const name = (useAppliances() ?? []).find(({ id }) => id === appliance)?.name ?? appliance;
  return (
    <li className={styles['service']}>
      <div className={styles['serviceHead']}>
        <strong>{name}</strong>
        <State of={state} />
      </div>
      {state === 'alarm' ? <Alarm name={name} detail={detail} /> : detail !== '' && <p className={styles['muted']}>{detail}</p>}
      <Facts
        items={[
          ['Size', size === null ? null : `${number.format(size)} events`],
          ['Root', root === null ? null : <Copyable key="root" text={root} label="Copy root" />],
          ['Checked', checkedAt === null ? null : <Time key="checked" at={checkedAt} />],
          ['Cosigned', cosignedAt === null ? null : <Time key="cosigned" at={cosignedAt} />],
        ]}
      />
    </li>
  );
}

function Alarm({ name, detail }: { name: string; detail: string }): ReactNode {
  return (
    <Notice tone="bad">
      <strong>The log of {name} is not the one that was seen here.</strong> {detail}
      <ol className={styles['todo']}>
        <li>Decide nothing and change nothing at this service.</li>
        <li>Keep this machine as it is: it holds both signed checkpoints, which are the evidence.</li>
        <li>Tell your auditor through another channel: by telephone or in person.</li>
        <li>Have the service’s data directory copied before anybody repairs it. A restored backup looks the same: find out whether there was one.</li>
        <li>Only when it is explained: forget the service under Services, and enrol anew. Forgetting it destroys the evidence.</li>
      </ol>
    </Notice>
  );
}

const pageSize = 100;

function Witnesses(): ReactNode {
  const pages = usePages('listWitnesses', { limit: pageSize });
  const [asked, setAsked] = useState<WitnessView | null>(null);
  const need = useNeed('administrator');
  return (
    <Section title="Devices that cosign the log of this service">
      <DataTable
        label="Witnesses"
        columns={columnsOf(need, setAsked)}
        rows={pages.items}
        idOf={({ id }) => id}
        loading={pages.loading}
        fault={pages.fault}
        again={pages.again}
        onEnd={pages.loadMore}
        more={pages.more}
        maxHeight={320}
        empty={
          <Empty title="Nobody cosigns the log yet" icon={Eye}>
            Somebody who enrols the Postern app at this service makes their machine a witness by that.
          </Empty>
        }
      />
      {asked && <Remove witness={asked} onClose={() => setAsked(null)} />}
    </Section>
  );
}

function columnsOf(need: string | undefined, onRemove: (witness: WitnessView) => void): readonly Column<WitnessView>[] {
  return [
    { id: 'name', title: 'Device', width: 'minmax(140px, 1.2fr)', mono: true, cell: ({ name }) => name, sortBy: ({ name }) => name },
    { id: 'user', title: 'Person', cell: ({ user }) => user, sortBy: ({ user }) => user },
    { id: 'size', title: 'Cosigned size', width: '112px', align: 'end', cell: ({ last }) => (last === null ? '' : number.format(last.size)) },
    { id: 'at', title: 'Last', width: '136px', cell: ({ last }) => (last === null ? 'not yet' : <Time at={last.at} />) },
    { id: 'since', title: 'Registered', width: '136px', cell: ({ registeredAt }) => <Time at={registeredAt} /> },
    {
      id: 'act',
      title: '',
      width: '96px',
      align: 'end',
      cell: (witness) => (
        <ActionButton small reason={need} onPress={() => onRemove(witness)} label={`Remove ${witness.name}`}>
          Remove
        </ActionButton>
      ),
    },
  ];
}

function Remove({ witness: { id, name, user }, onClose }: { witness: WitnessView; onClose: () => void }): ReactNode {
  const { run, running, fault } = useMutationCall('deleteWitness');
  const toast = useToast();
  const confirm = async (): Promise<void> => {
    if ((await run({ id })) === null) return;
    toast({ tone: 'good', text: `${name} cosigns no more.` });
    onClose();
  };
  return (
    <Confirm title={`Remove ${name}?`} action="Remove witness" open onClose={onClose} onConfirm={() => void confirm()} pending={running} fault={fault}>
      The service takes no more cosignatures of this device of {user}. What it cosigned stays in the log, and the device goes on checking for itself.
    </Confirm>
  );
}
