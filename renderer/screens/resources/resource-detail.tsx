import { KeyRound, Pencil, Trash2 } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import type { ResourceView } from '../../../proxy/contract/api-views.ts';
import { useCall } from '../../data/calls.ts';
import { useLink, usePlace } from '../../data/place.ts';
import { ActionButton, useNeed } from '../../kit/action-button.tsx';
import { Tag } from '../../kit/badge.tsx';
import { Copyable } from '../../kit/copy-button.tsx';
import { Facts, Page, Section } from '../../kit/page.tsx';
import { Loaded } from '../../kit/states.tsx';
import { Time } from '../../kit/time.tsx';
import { ConnectionCommands } from './connection-commands.tsx';
import { TestButton, TestResult, useConnectionTest } from './connection-test.tsx';
import { DeleteResource } from './delete-resource.tsx';
import { EditResource } from './edit-resource.tsx';
import { ReplaceCredential } from './replace-credential.tsx';
import { ownPort } from './resource-list.tsx';
import styles from './resources.module.css';
import { TlsState } from './tls-state.tsx';

type Asked = 'edit' | 'credential' | 'delete' | null;

export function ResourceDetail({ name }: { name: string }): ReactNode {
  const call = useCall('showResource', { name });
  const link = useLink();
  const { open } = usePlace();
  const [asked, setAsked] = useState<Asked>(null);
  const close = (): void => setAsked(null);
  return (
    <Page title={name} back={{ href: link('resources'), label: 'Resources' }} actions={call.data && <Actions ask={setAsked} />}>
      <Loaded call={call}>
        {(resource) => (
          <>
            <div className={styles['columns']}>
              <Section title="Target">
                {/* a result is about the target that was tested */}
                <Target key={`${resource.host}:${resource.port} ${resource.account}`} resource={resource} />
              </Section>
              <Section title="Connect">
                <ConnectionCommands resource={resource} />
              </Section>
            </div>
            {asked === 'edit' && <EditResource resource={resource} onClose={close} />}
            {asked === 'credential' && <ReplaceCredential resource={resource} onClose={close} />}
            <DeleteResource name={name} open={asked === 'delete'} onClose={close} onDone={() => open()} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Actions({ ask }: { ask: (asked: Asked) => void }): ReactNode {
  const need = useNeed('administrator');
  return (
    <>
      <ActionButton reason={need} onPress={() => ask('credential')}>
        <KeyRound size={14} aria-hidden />
        Replace credential
      </ActionButton>
      <ActionButton reason={need} onPress={() => ask('edit')}>
        <Pencil size={14} aria-hidden />
        Edit
      </ActionButton>
      <ActionButton reason={need} onPress={() => ask('delete')}>
        <Trash2 size={14} aria-hidden />
        Delete
      </ActionButton>
    </>
  );
}

const kib = 1_024;

function recordingText(bytes: number): string {
  return bytes === 0 ? 'commands only' : `${(bytes / kib).toLocaleString('en-GB')} KiB of masked result per operation`;
}

function Target({ resource }: { resource: ResourceView }): ReactNode {
  const { host, port, protocol, database, account, tls, listenPort, recording, id, createdAt, name } = resource;
  const test = useConnectionTest(name);
  const verified = tls.mode === 'verify-full' ? tls : null;
  return (
    <>
      <Facts
        items={[
          ['Protocol', <Tag key="protocol">{protocol}</Tag>],
          ['Address', <Copyable key="address" text={`${host}:${port}`} label="Copy address" />],
          ['TLS', <TlsState key="tls" of={tls.mode} />],
          ['Trusts', verified && (verified.ca === undefined ? 'authorities of the operating system' : 'the pasted authority only')],
          ['Name checked', verified?.serverName && <code>{verified.serverName}</code>],
          ['Database', <code key="database">{database}</code>],
          ['Account', <code key="account">{account}</code>],
          ['Credential', 'Stored in the vault. It cannot be read back; it can be replaced.'],
          ['Own port', ownPort(listenPort)],
          ['Recording', recordingText(recording.maxBytesPerOperation)],
          ['Last used', <LastUsed key="used" name={name} />],
          ['Added', <Time key="added" at={createdAt} />],
          ['Id', <Copyable key="id" text={id} label="Copy id" />],
        ]}
      />
      <div className={styles['outcome']}>
        <div>
          <TestButton test={test} />
        </div>
        <TestResult test={test} />
      </div>
    </>
  );
}

function LastUsed({ name }: { name: string }): ReactNode {
  const link = useLink();
  const { data } = useCall('listSessions', { resource: name, limit: 1 });
  if (data === undefined) return '…';
  const [session] = data.items;
  if (session === undefined) return 'never';
  return (
    <a href={link('sessions', session.id)}>
      {session.state === 'live' ? 'now' : <Time at={session.endedAt ?? session.startedAt} />}, by {session.principal}
    </a>
  );
}
