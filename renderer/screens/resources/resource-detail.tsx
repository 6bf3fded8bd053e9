import { KeyRound, Pencil, Trash2 } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import type { PostgresView, ResourceView } from '../../../proxy/contract/api-views.ts';
import { targetText } from '../../../proxy/contract/resource-target.ts';
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
import { EditWeb } from './edit-web.tsx';
import { ReplaceCredential } from './replace-credential.tsx';
import { ownPort } from './resource-list.tsx';
import styles from './resources.module.css';
import { TlsState } from './tls-state.tsx';
import { WebCommands } from './web-commands.tsx';
import { webFacts } from './web-facts.tsx';
import { hasSecret } from './web-form.ts';

type Asked = 'edit' | 'credential' | 'delete' | null;

export function ResourceDetail({ name }: { name: string }): ReactNode {
  const call = useCall('showResource', { name });
  const link = useLink();
  const { open } = usePlace();
  const [asked, setAsked] = useState<Asked>(null);
  const close = (): void => setAsked(null);
  return (
    <Page title={name} back={{ href: link('resources'), label: 'Resources' }} actions={call.data && <Actions resource={call.data} ask={setAsked} />}>
      <Loaded call={call}>
        {(resource) => (
          <>
            <div className={styles['columns']}>
              <Section title="Target">
                {/* a result is about the target that was tested */}
                <Target key={`${targetText(resource)} ${resource.account}`} resource={resource} />
              </Section>
              <Section title="Connect">
                {resource.protocol === 'postgres' ? <ConnectionCommands resource={resource} /> : <WebCommands resource={resource} />}
              </Section>
            </div>
            {asked === 'edit' &&
              (resource.protocol === 'postgres' ? <EditResource resource={resource} onClose={close} /> : <EditWeb resource={resource} onClose={close} />)}
            {asked === 'credential' && <ReplaceCredential resource={resource} onClose={close} />}
            <DeleteResource name={name} open={asked === 'delete'} onClose={close} onDone={() => open()} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Actions({ resource, ask }: { resource: ResourceView; ask: (asked: Asked) => void }): ReactNode {
  const need = useNeed('administrator');
  const none = hasSecret(resource) ? undefined : 'The target asks for none; Edit says how it would get one';
  return (
    <>
      <ActionButton reason={need ?? none} onPress={() => ask('credential')}>
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
  return bytes === 0 ? 'commands only' : `${(bytes / kib).toLocaleString('en-GB')} KiB masked, per operation`;
}

function Target({ resource }: { resource: ResourceView }): ReactNode {
  const { protocol, account, listenPort, recording, id, createdAt, name } = resource;
  const test = useConnectionTest(name);
  return (
    <>
      <Facts
        items={[
          ['Protocol', <Tag key="protocol">{protocol}</Tag>],
          ['Address', isStarted(resource) ? null : <Copyable key="address" text={targetText(resource)} label="Copy address" />],
          ...(resource.protocol === 'postgres' ? databaseFacts(resource) : webFacts(resource)),
          ['Account', <code key="account">{account}</code>],
          ['Credential', hasSecret(resource) ? 'Stored in the vault. It cannot be read back; it can be replaced.' : 'none'],
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

/** Program or members say where it is. */
function isStarted(resource: ResourceView): boolean {
  return resource.protocol === 'mcp' && (resource.upstream.transport === 'stdio' || resource.upstream.transport === 'group');
}

function databaseFacts({ tls, database }: PostgresView): [label: string, value: ReactNode][] {
  const verified = tls.mode === 'verify-full' ? tls : null;
  return [
    ['TLS', <TlsState key="tls" of={tls.mode} />],
    ['Trusts', verified && (verified.ca === undefined ? 'authorities of the operating system' : 'the pasted authority only')],
    ['Name checked', verified?.serverName && <code>{verified.serverName}</code>],
    ['Database', <code key="database">{database}</code>],
  ];
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
