import { useState, type ReactNode } from 'react';
import type { Output } from '../../../proxy/contract/api.ts';
import { useCall, useMutationCall, usePages } from '../../data/calls.ts';
import { useLink } from '../../data/place.ts';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { Badge, State } from '../../kit/badge.tsx';
import { Button } from '../../kit/button.tsx';
import { Code } from '../../kit/code.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import { DataTable, type Column } from '../../kit/data-table.tsx';
import { Drawer } from '../../kit/dialog.tsx';
import { Empty, Fault, Loaded } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { useToast } from '../../kit/toasts.tsx';
import { Changes } from './changes.tsx';
import type { PolicyScreen } from './index.tsx';
import styles from './policies.module.css';
import { changesBetween, changesText, type PolicySetText } from './policy-set.ts';

type Result = Output<'listShadowResults'>['items'][number];

/** Policies that are evaluated beside those in force and decide nothing. */
export function Shadow(screen: PolicyScreen): ReactNode {
  const call = useCall('getShadowPolicies', {});
  return (
    <div className={styles['stack']}>
      <Loaded call={call} lines={3}>
        {(shadow) => <ShadowState {...screen} shadow={shadow} />}
      </Loaded>
    </div>
  );
}

function ShadowState({ draft, inForce, shadow }: PolicyScreen & { shadow: PolicySetText }): ReactNode {
  const [asked, setAsked] = useState<'put' | 'off' | 'show' | null>(null);
  const need = useNeed('administrator');
  const on = shadow.files.length > 0;
  const same = on && changesBetween(shadow.files, draft.files).length === 0;
  const close = (): void => setAsked(null);
  return (
    <>
      <div className={styles['bar']}>
        <Badge tone={on ? 'good' : 'quiet'}>{on ? 'Shadow is on' : 'Shadow is off'}</Badge>
        <span className={styles['muted']}>
          {on
            ? `Against those in force, ${changesText(changesBetween(inForce.files, shadow.files))}.`
            : 'Try edited policies on real commands: they are evaluated, and decide nothing.'}
        </span>
        <span className={styles['spacer']} />
        {on && <Button onPress={() => setAsked('show')}>Show differences</Button>}
        {on && (
          <ActionButton reason={need} onPress={() => setAsked('off')}>
            Turn off
          </ActionButton>
        )}
        <ActionButton
          variant="primary"
          reason={need ?? (same ? 'What is edited is in shadow already' : draft.files.length === 0 ? 'There is no policy' : undefined)}
          onPress={() => setAsked('put')}
        >
          Put edited policies into shadow
        </ActionButton>
      </div>
      <Results version={on ? shadow.version : null} />
      {asked === 'show' && <Differences before={inForce} after={shadow} onClose={close} title="Shadow against those in force" />}
      <PutShadow files={draft.files} inForce={inForce} open={asked === 'put'} onClose={close} />
      <PutShadow files={[]} inForce={inForce} open={asked === 'off'} onClose={close} />
    </>
  );
}

function Differences({ title, before, after, onClose }: { title: string; before: PolicySetText; after: PolicySetText; onClose: () => void }): ReactNode {
  const changes = changesBetween(before.files, after.files);
  return (
    <Drawer title={title} open onClose={onClose} wide>
      {changes.length === 0 ? <Empty title="No difference">Both are the same policies.</Empty> : <Changes of={changes} />}
    </Drawer>
  );
}

interface PutShadowProps {
  /** empty: shadow is turned off */
  readonly files: PolicySetText['files'];
  readonly inForce: PolicySetText;
  readonly open: boolean;
  readonly onClose: () => void;
}

function PutShadow({ files, inForce, open, onClose }: PutShadowProps): ReactNode {
  const { run, running, fault, reset } = useMutationCall('putShadowPolicies');
  const toast = useToast();
  const off = files.length === 0;
  const close = (): void => {
    reset();
    onClose();
  };
  const confirm = async (): Promise<void> => {
    if ((await run({ files: [...files] })) === null) return;
    toast({ tone: 'good', text: off ? 'Shadow is off.' : 'The edited policies are in shadow.' });
    close();
  };
  if (off) {
    return (
      <Confirm title="Turn shadow off?" action="Turn off" open={open} onClose={close} onConfirm={() => void confirm()} pending={running} fault={fault}>
        Commands are not compared any more. Results so far stay in the audit log. No session ends.
      </Confirm>
    );
  }
  const changes = changesBetween(inForce.files, files);
  const actions = (
    <>
      <Button onPress={close}>Cancel</Button>
      <Button variant="primary" pending={running} onPress={() => void confirm()}>
        Put into shadow
      </Button>
    </>
  );
  return (
    <Drawer title="Put edited policies into shadow" open={open} onClose={close} actions={actions} wide>
      {fault && <Fault of={fault} />}
      <p>
        They decide nothing: every command is decided by those in force, and each on which these would have decided otherwise is listed. Against those in force,{' '}
        {changesText(changes)}.
      </p>
      <Changes of={changes} />
    </Drawer>
  );
}

function Results({ version }: { version: string | null }): ReactNode {
  const link = useLink();
  const pages = usePages('listShadowResults', version === null ? { limit: 100 } : { version, limit: 100 });
  const columns: readonly Column<Result>[] = [
    { id: 'at', title: 'When', width: '128px', cell: ({ at }) => <Time at={at} /> },
    { id: 'principal', title: 'Principal', width: 'minmax(110px, 0.8fr)', mono: true, cell: ({ principal }) => principal },
    { id: 'resource', title: 'Resource', width: 'minmax(100px, 0.7fr)', mono: true, cell: ({ resource }) => resource },
    {
      id: 'command',
      title: 'Command',
      width: 'minmax(200px, 2.4fr)',
      cell: ({ command }) => (command === null ? <span className={styles['muted']}>kept as a digest</span> : <Code text={command} label="Command" inline />),
    },
    { id: 'decided', title: 'In force', width: '104px', cell: ({ decided }) => <State of={decided} /> },
    { id: 'shadow', title: 'Shadow', width: '104px', cell: ({ shadow }) => <State of={shadow} /> },
    { id: 'event', title: 'Event', width: '96px', align: 'end', mono: true, cell: ({ index }) => <a href={link('audit', 'event', String(index))}>{index}</a> },
  ];
  return (
    <DataTable
      label="Commands on which shadow decides otherwise"
      columns={columns}
      rows={pages.items}
      idOf={({ index }) => String(index)}
      loading={pages.loading}
      fault={pages.fault}
      again={pages.again}
      onEnd={pages.loadMore}
      more={pages.more}
      empty={
        <Empty title={version === null ? 'Nothing to compare' : 'No difference so far'}>
          {version === null
            ? 'Edit policies and put them into shadow.'
            : 'Every command since then would have been decided alike. New differences appear here by themselves.'}
        </Empty>
      }
    />
  );
}
