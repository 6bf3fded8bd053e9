import type { ReactNode } from 'react';
import type { Analyser, ChildCredential, HttpCredential, McpUpstream } from '../../../proxy/contract/resource.ts';
import { useCall } from '../../data/calls.ts';
import { useLink } from '../../data/place.ts';
import { Badge } from '../../kit/badge.tsx';
import { visibleText } from '../../kit/visible.ts';
import type { WebView } from './web-form.ts';
import styles from './resources.module.css';

type Fact = [name: string, value: ReactNode];
type Reach = Extract<McpUpstream, { transport: 'sse' }> | Extract<WebView, { protocol: 'http' }>;
type Child = Extract<McpUpstream, { transport: 'stdio' }>;

const kib = 1_024;
const number = new Intl.NumberFormat('en-GB');

/** How it is reached or started, and what is done with what it says. */
export function webFacts(resource: WebView): readonly Fact[] {
  if (resource.protocol === 'http') {
    const { bodies } = resource;
    return [
      ...reachFacts(resource),
      ['Longest body', `${number.format(bodies.maxBytes / kib)} KiB`],
      ['Bodies that cannot be searched', bodies.other === 'refuse' ? 'refused' : <Badge tone="warn">passed unmasked</Badge>],
    ];
  }
  const { upstream, analysers, media, name } = resource;
  return [
    ['Transport', transportNames[upstream.transport]],
    ...upstreamFacts(upstream),
    ['Tools', upstream.transport === 'group' ? null : <Tools name={name} />],
    ['Arguments decided, too', analysers.length > 0 && <Analysers of={analysers} />],
    ['Media', media === 'drop' ? 'left out' : <Badge tone="warn">passed unmasked</Badge>],
  ];
}

const transportNames: Readonly<Record<McpUpstream['transport'], string>> = {
  'streamable-http': 'Streamable HTTP',
  sse: 'HTTP with SSE (2024-11-05)',
  stdio: 'stdio: Postern starts it, one for each principal',
  group: 'Group: several servers as one',
};

function upstreamFacts(upstream: McpUpstream): readonly Fact[] {
  switch (upstream.transport) {
    case 'streamable-http':
    case 'sse':
      return reachFacts({ ...upstream, transport: 'sse' });
    case 'stdio':
      return childFacts(upstream);
    case 'group':
      return [['Servers', <Members key="members" of={upstream.members} />]];
  }
}

function reachFacts({ url, ca, allowLocal, credential }: Reach): readonly Fact[] {
  return [
    ['TLS', url.startsWith('https:') ? <Badge tone="good">Verified</Badge> : <Badge tone="warn">Not encrypted</Badge>],
    ['Trusts', url.startsWith('https:') && (ca === undefined ? 'authorities of the operating system' : 'the pasted authority only')],
    ['Addresses of this machine', allowLocal && <Badge tone="warn">allowed</Badge>],
    ['Credential shown', credentialText(credential)],
  ];
}

function credentialText(credential: HttpCredential): ReactNode {
  switch (credential.type) {
    case 'none':
      return 'none';
    case 'header':
      return <code>{`${credential.header}: ${credential.prefix === '' ? '' : `${credential.prefix} `}…`}</code>;
    case 'basic':
      return 'HTTP Basic';
    case 'mtls':
      return 'client certificate';
    case 'oauth-client-credentials':
      return (
        <span>
          OAuth as <code>{credential.clientId}</code>, token from <code>{credential.tokenUrl}</code>
        </span>
      );
  }
}

function childFacts({ command, args, environment, credential, directory, integrity, sandbox, network, readable, writable }: Child): readonly Fact[] {
  return [
    ['Program', <code key="command">{command}</code>],
    ['Arguments', args.length > 0 && <Lines of={args} />],
    ['Environment', Object.keys(environment).length > 0 && <Lines of={Object.entries(environment).map(([name, value]) => `${name}=${value}`)} />],
    ['Directory', directory !== null && <code>{directory}</code>],
    ['Credential given', childCredentialText(credential)],
    ['Sandbox', sandbox === 'required' ? <Badge tone="good">Required</Badge> : <Badge tone="warn">None</Badge>],
    ['Network', network ? <Badge tone="warn">allowed</Badge> : 'none'],
    ['It may read', readable.length > 0 && <Lines of={readable} />],
    ['It may read and write', writable.length > 0 && <Lines of={writable} />],
    ['Files that must not change', integrity.length === 0 ? 'none named' : <Lines of={integrity.map(({ path }) => path)} />],
  ];
}

function childCredentialText(credential: ChildCredential): ReactNode {
  if (credential.type === 'none') return 'none';
  return (
    <span>
      {credential.type === 'environment' ? 'in the variable' : 'in a file, whose path is in'} <code>{credential.variable}</code>
    </span>
  );
}

const mostLines = 12;

function Lines({ of }: { of: readonly string[] }): ReactNode {
  return (
    <span className={styles['lines']}>
      <code>{visibleText(of.slice(0, mostLines).join('\n'))}</code>
      {of.length > mostLines && `\n… and ${of.length - mostLines} more`}
    </span>
  );
}

function Members({ of }: { of: readonly string[] }): ReactNode {
  const link = useLink();
  return of.map((name, at) => (
    <span key={name}>
      {at > 0 && ', '}
      <a href={link('resources', name)}>
        <code>{name}</code>
      </a>
    </span>
  ));
}

function Analysers({ of }: { of: readonly Analyser[] }): ReactNode {
  return <Lines of={of.map(({ tool, pointer, reads }) => `${tool} ${pointer}: ${readingText(reads)}`)} />;
}

function readingText(reads: Analyser['reads']): string {
  if (reads.as === 'sql') return `SQL, as on ${reads.resource}/${reads.database}`;
  return reads.as === 'command' ? 'a command' : `an address of ${reads.allow.length === 0 ? 'none' : reads.allow.join(', ')}`;
}

/** What it offers, and how much of that waits. */
export function Tools({ name }: { name: string }): ReactNode {
  const link = useLink();
  const { data } = useCall('listTools', { resource: name, limit: 1_000 });
  const waiting = useCall('listTools', { resource: name, state: 'quarantined', limit: 1_000 }).data?.items.length ?? 0;
  if (data === undefined) return '…';
  const count = data.items.filter(({ kind }) => kind === 'tool').length;
  if (data.items.length === 0) return 'none seen yet: test the connection';
  return (
    <a href={link('tools', waiting > 0 ? 'quarantined' : 'all', `server=${name}`)}>
      {count === 1 ? '1 tool' : `${count} tools`}
      {waiting > 0 && `, ${waiting} new or changed`}
    </a>
  );
}
