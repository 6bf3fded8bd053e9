import type { Input } from '../../../proxy/contract/api.ts';
import { HttpResource, McpResource, type Analyser, type HttpCredential, type McpUpstream } from '../../../proxy/contract/resource.ts';
import type { InputFault } from '../../../proxy/lib/errors.ts';
import { asksForSecret, emptyWebForm, type AnalyserForm, type WebForm } from './web-form.ts';

type Settings = Omit<Input<'createResource'>, 'name' | 'password'>;
export type WebField = Exclude<keyof WebForm, 'protocol'>;
/** by field; of an argument that is decided `analysers.0`, … */
export type WebFaults = Readonly<Partial<Record<string, string>>>;

const kib = 1_024;

/** As the service takes them; whether they can be is said by `webFaults`. */
export function webSettingsOf(form: WebForm): Settings {
  const { protocol, account, listenPort, recordKib, media } = form;
  const common = {
    account: account.trim(),
    listenPort: listenPort.trim() === '' ? null : numberOf(listenPort),
    recording: { maxBytesPerOperation: Math.round(numberOf(recordKib) * kib) },
  };
  if (protocol === 'http')
    return { protocol, ...common, ...reachOf(form), bodies: { maxBytes: Math.round(numberOf(form.maxBodyKib) * kib), other: form.otherBodies } };
  return { protocol, ...common, upstream: upstreamOf(form), analysers: form.transport === 'group' ? [] : form.analysers.map(analyserOf), media };
}

export function webCreationOf(form: WebForm): Input<'createResource'> {
  return { name: form.name.trim(), ...webSettingsOf(form), ...(asksForSecret(form) && { password: secretOf(form) }) };
}

/** A private key is kept as it was written; around another secret blanks are a slip of the clipboard. */
export function secretOf({ secret }: WebForm): string {
  return secret.includes('-----BEGIN') ? `${secret.trim()}\n` : secret.trim();
}

/** Empty is no number: 0 would be taken for one. */
function numberOf(text: string): number {
  return /^\d{1,7}(\.\d{1,10})?$/.test(text.trim()) ? Number(text) : NaN;
}

function reachOf(form: WebForm): { url: string; ca?: string; allowLocal: boolean; credential: HttpCredential } {
  const ca = form.ca.trim();
  return { url: form.url.trim(), ...(ca !== '' && { ca: `${ca}\n` }), allowLocal: form.allowLocal, credential: credentialOf(form) };
}

function credentialOf(form: WebForm): HttpCredential {
  switch (form.credential) {
    case 'none':
    case 'basic':
      return { type: form.credential };
    case 'header':
      return { type: 'header', header: form.header.trim(), prefix: form.prefix.trim() };
    case 'mtls':
      return { type: 'mtls', certificate: `${form.certificate.trim()}\n` };
    case 'oauth-client-credentials':
      return {
        type: 'oauth-client-credentials',
        tokenUrl: form.tokenUrl.trim(),
        clientId: form.clientId.trim(),
        authentication: form.authentication,
        scope: form.scope.trim(),
        resource: form.audience.trim(),
      };
  }
}

function upstreamOf(form: WebForm): McpUpstream {
  const { transport, members } = form;
  if (transport === 'group') return { transport, members: [...members] };
  return transport === 'stdio' ? childOf(form) : { transport, ...reachOf(form) };
}

function childOf(form: WebForm): McpUpstream {
  const { childCredential: type, variable, directory, sandbox, network } = form;
  return {
    transport: 'stdio',
    command: form.command.trim(),
    args: argumentsOf(form.args),
    environment: Object.fromEntries(linesOf(form.environment).map(variableOf)),
    credential: type === 'none' ? { type } : { type, variable: variable.trim() },
    directory: directory.trim() === '' ? null : directory.trim(),
    integrity: linesOf(form.integrity).map(pinOf),
    sandbox,
    network,
    readable: linesOf(form.readable),
    writable: linesOf(form.writable),
  };
}

/** Arguments may begin with blanks, and be empty; only the end of the field is not one. */
function argumentsOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n+$/, '').split('\n');
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

function variableOf(line: string): [name: string, value: string] {
  const at = line.indexOf('=');
  return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)];
}

function pinOf(line: string): { path: string; sha256: string } {
  const [, sha256 = '', path = ''] = /^(\S+)\s+\*?(.*)$/.exec(line) ?? [];
  return { sha256: sha256.toLowerCase(), path };
}

function analyserOf({ tool, pointer, as, resource, database, allow }: AnalyserForm): Analyser {
  const of = { tool: tool.trim(), pointer: pointer.trim() };
  if (as === 'sql') return { ...of, reads: { as, resource: resource.trim(), database: database.trim() } };
  return { ...of, reads: as === 'command' ? { as } : { as, allow: linesOf(allow) } };
}

const words: Readonly<Partial<Record<WebField, string>>> = {
  name: 'Lower-case letters, digits, dot, dash and underscore; it begins with a letter and has at most 63.',
  account: 'This is needed, at most 63 characters: a name for what the credential stands for.',
  url: 'An address that begins with https:// or http://, without user, query and fragment.',
  header: 'The name of a header: letters, digits and dashes.',
  prefix: 'At most 40 characters.',
  tokenUrl: 'An address that begins with https:// or http://, without user, query and fragment.',
  clientId: 'This is needed, at most 200 characters.',
  listenPort: 'A number from 0 to 65,535.',
  recordKib: 'A number from 0 to 1,048,576.',
  maxBodyKib: 'A number from 1 to 65,536.',
  command: 'A whole path, like /opt/servers/files/bin/server. It is installed before; nothing is fetched when it starts.',
  args: 'At most 64 arguments of at most 4,096 characters each.',
  environment: 'One NAME=VALUE a line; names are letters, digits and underscores.',
  variable: 'The name of a variable: letters, digits and underscores.',
  directory: 'A whole path.',
  integrity: 'One file a line, as sha256sum writes it: 64 hexadecimal digits, blanks, the whole path.',
  readable: 'One whole path a line.',
  writable: 'One whole path a line.',
  members: 'At least one MCP server, at most 32.',
};
const analyserWords = 'It needs a tool, the pointer of an argument like /query, and what the argument is.';

const parsers = {
  http: HttpResource.omit({ id: true, createdAt: true, secret: true }),
  mcp: McpResource.omit({ id: true, createdAt: true, secret: true }),
};

/** What is wrong, field by field, in words; empty: nothing. `wantsSecret`: it is new, or asked for none before. */
export function webFaults(form: WebForm, { isNew, wantsSecret }: { readonly isNew: boolean; readonly wantsSecret: boolean }): WebFaults {
  const settings = { name: isNew ? form.name.trim() : 'known', ...webSettingsOf(form) };
  const parsed = parsers[form.protocol].safeParse(settings);
  const found = (parsed.error?.issues ?? []).map(({ path, message }) => {
    const field = fieldOf(path.join('.'), form.protocol);
    return [field, field.startsWith('analysers.') ? analyserWords : ((words as WebFaults)[field] ?? message)] as const;
  });
  const missing = wantsSecret && asksForSecret(form) && form.secret.trim() === '' ? { secret: 'This is needed.' } : {};
  return { ...Object.fromEntries(found), ...missing, ...ownFaults(form) };
}

/** What the contract alone does not say. */
function ownFaults(form: WebForm): WebFaults {
  const isReached = form.protocol === 'http' || form.transport === 'streamable-http' || form.transport === 'sse';
  const badLine = form.protocol === 'mcp' && form.transport === 'stdio' ? linesOf(form.environment).find((line) => line.indexOf('=') < 1) : undefined;
  return {
    ...(isReached && pemFault('ca', form.ca, false)),
    ...(isReached && form.credential === 'mtls' && pemFault('certificate', form.certificate, true)),
    ...(badLine !== undefined && { environment: `${badLine.slice(0, 40)} is not NAME=VALUE.` }),
  };
}

function pemFault(field: 'ca' | 'certificate', pem: string, needed: boolean): WebFaults {
  if (pem.trim() === '') return needed ? { [field]: 'This is needed.' } : {};
  if (pem.includes('PRIVATE KEY'))
    return { [field]: 'This holds a private key. Paste only the certificate here; a key that was shown to others must be replaced.' };
  return /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/.test(pem)
    ? {}
    : { [field]: 'This is no certificate in PEM form: it begins with -----BEGIN CERTIFICATE-----.' };
}

const fieldByPath: Readonly<Record<string, WebField>> = {
  password: 'secret',
  'recording.maxBytesPerOperation': 'recordKib',
  'bodies.maxBytes': 'maxBodyKib',
  'bodies.other': 'otherBodies',
  'credential.resource': 'audience',
};
const fields = new Set<string>(Object.keys(emptyWebForm('http')));

/** The field that a path of the service's settings is typed in; itself when it is typed nowhere. */
function fieldOf(path: string, protocol: 'http' | 'mcp'): string {
  const [analyser] = /^analysers\.\d+/.exec(path) ?? [];
  if (analyser !== undefined) return analyser;
  const inside = path.replace(/^upstream\./, '');
  const known = fieldByPath[inside];
  if (known !== undefined) return known;
  const [first = '', second = ''] = inside.split('.');
  if (first !== 'credential') return fields.has(first) ? first : path;
  return fields.has(second) ? second : protocol === 'http' ? 'credential' : 'variable';
}

/** The faults the service found, at their fields. */
export function servedWebFaults(found: readonly InputFault[], protocol: 'http' | 'mcp'): WebFaults {
  return Object.fromEntries(found.map(({ path, message }) => [fieldOf(path, protocol), message]));
}

/** Live sessions go on unless the target, or how it is reached, is another one. */
export function endsWebSessions(before: WebForm, after: WebForm): boolean {
  const rests = ({ listenPort: _port, recording: _recording, ...target }: Settings): string => JSON.stringify(target);
  return rests(webSettingsOf(before)) !== rests(webSettingsOf(after));
}
