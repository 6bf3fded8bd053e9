import { X509Certificate } from 'node:crypto';
import { basename } from 'node:path';
import { fail } from '../contract/errors.ts';
import { Resource, type HttpCredential, type McpUpstream } from '../contract/resource.ts';
import { addressFault, literalHost } from '../lib/address-kind.ts';
import type { AppError, InputFault } from '../lib/errors.ts';

/** What is taken where nothing is said, by protocol. */
const defaults: Readonly<Record<Resource['protocol'], Readonly<Record<string, unknown>>>> = {
  postgres: {},
  http: { allowLocal: false, credential: { type: 'none' }, bodies: { maxBytes: 8_388_608, other: 'refuse' } },
  mcp: { analysers: [], media: 'drop' },
};

/** paths of our own MCP server and of groups */
const reservedForMcp = new Set(['postern', 'group']);

/**
 * The whole resource of flat settings: members of another protocol, and what the members say together, are checked here.
 * Throws ERR_INVALID_INPUT with the path of each fault.
 */
export function wholeResource(settings: Readonly<Record<string, unknown>> & Pick<Resource, 'protocol'>): Resource {
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  const parsed = Resource.safeParse({ ...defaults[settings.protocol], ...given });
  if (!parsed.success) throw invalidResource(parsed.error.issues.flatMap((issue) => faultsOf(issue, settings.protocol)));
  const faults = [...foundFaults(parsed.data)];
  if (faults.length > 0) throw invalidResource(faults);
  return parsed.data;
}

const maxFaults = 20;

export function invalidResource(faults: readonly InputFault[]): AppError {
  return fail('ERR_INVALID_INPUT', { faults: faults.slice(0, maxFaults) });
}

/** Whether a target asks for a secret of the vault. */
export function asksForSecret(resource: Resource): boolean {
  switch (resource.protocol) {
    case 'postgres':
      return true;
    case 'http':
      return resource.credential.type !== 'none';
    case 'mcp':
      return resource.upstream.transport !== 'group' && resource.upstream.credential.type !== 'none';
  }
}

interface Issue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
}

function faultsOf({ code, path, message, keys = [] }: Issue, protocol: string): InputFault[] {
  const place = path.map(String);
  if (code !== 'unrecognized_keys')
    return [{ path: place.join('.'), message: message.includes('received undefined') ? `a resource of protocol ${protocol} needs it` : message }];
  return keys.map((key) => ({
    path: [...place, key].join('.'),
    message: place.length === 0 ? `does not belong to a resource of protocol ${protocol}` : 'does not belong here',
  }));
}

function* foundFaults(resource: Resource): Generator<InputFault> {
  yield* privateKeys(resource, '');
  if (resource.protocol === 'http') yield* httpFaults(resource, '');
  if (resource.protocol !== 'mcp') return;
  if (reservedForMcp.has(resource.name)) yield { path: 'name', message: 'this name is taken by a path of the gateway itself' };
  yield* upstreamFaults(resource.upstream);
  if (resource.upstream.transport === 'group' && resource.analysers.length > 0)
    yield { path: 'analysers', message: 'a group has none: those of its members count' };
}

function* upstreamFaults(upstream: McpUpstream): Generator<InputFault> {
  if (upstream.transport === 'streamable-http' || upstream.transport === 'sse') yield* httpFaults(upstream, 'upstream.');
  if (upstream.transport === 'stdio') yield* childFaults(upstream);
}

interface HttpTarget {
  readonly url: string;
  readonly ca?: string | undefined;
  readonly allowLocal: boolean;
  readonly credential: HttpCredential;
}

function* httpFaults(target: HttpTarget, at: string): Generator<InputFault> {
  yield* urlFaults(target.url, `${at}url`, target.allowLocal);
  if (target.ca !== undefined && !isCertificates(target.ca)) yield { path: `${at}ca`, message: 'is no certificate in PEM form' };
  if (target.credential.type === 'mtls' && !isCertificates(target.credential.certificate))
    yield { path: `${at}credential.certificate`, message: 'is no certificate in PEM form' };
  if (target.credential.type === 'oauth-client-credentials') yield* urlFaults(target.credential.tokenUrl, `${at}credential.tokenUrl`, target.allowLocal);
  if (target.credential.type === 'header' && notForCredentials.has(target.credential.header.toLowerCase()))
    yield { path: `${at}credential.header`, message: 'is a header of the connection itself' };
}

/** RFC 9110 section 7.6.1 and what frames a message */
const notForCredentials = new Set([
  'connection',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** names of programs that fetch what they run */
const runners = new Set(['npx', 'npm', 'pnpm', 'pnpx', 'yarn', 'yarnpkg', 'bunx', 'corepack', 'uv', 'uvx', 'pipx', 'docker', 'podman']);
/** programs whose first word is the program */
const launchers = /^(env|node|nodejs|python[\d.]*|sh|bash|dash|busybox|nice|nohup|setsid|sudo|timeout|stdbuf)$/;

const runnerReason = 'fetches and runs what others publish at that moment: install the server, pin its version, and name its own program';

function* childFaults({ command, args, environment, credential }: Extract<McpUpstream, { transport: 'stdio' }>): Generator<InputFault> {
  if (isRunner(command)) yield { path: 'upstream.command', message: `${basename(command)} ${runnerReason}` };
  const launched = launchers.test(basename(command)) ? launchedBy(args) : undefined;
  if (launched !== undefined && isRunner(launched)) yield { path: 'upstream.args', message: `${basename(launched)} ${runnerReason}` };
  if (credential.type !== 'none' && Object.hasOwn(environment, credential.variable))
    yield { path: 'upstream.environment', message: `${credential.variable} is where the credential goes` };
}

/** `node /usr/lib/npm/bin/npx-cli.js`, `sh -c 'npx …'`, `env A=b npx …`, `python -m pipx` */
function launchedBy(args: readonly string[]): string | undefined {
  return args
    .flatMap((arg) => arg.trim().split(/\s+/))
    .find((word) => word !== '' && !word.startsWith('-') && !/^[A-Za-z_][A-Za-z0-9_]*=/.test(word) && !/^\d+[smhd]?$/.test(word));
}

/** Also where a link is followed: see `command-on-disk.ts`. */
export function isRunner(path: string): boolean {
  return runners.has(
    basename(path)
      .toLowerCase()
      .replace(/\.(c|m)?js$|\.exe$|\.cmd$/, '')
      .replace(/-cli$/, ''),
  );
}

/** Addresses only: what a name stands for is looked at when it is connected to. */
function* urlFaults(text: string, path: string, allowLocal: boolean): Generator<InputFault> {
  if (!URL.canParse(text)) {
    yield { path, message: 'is no address' };
    return;
  }
  const { hostname } = new URL(text);
  const literal = /(^|\.)localhost\.?$/.test(hostname) ? '127.0.0.1' : literalHost(hostname);
  const fault = literal === null ? null : addressFault(literal, { allowLocal, own: new Set() });
  if (fault !== null) yield { path, message: fault };
}

const certificate = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** one or several, each of which can be read */
function isCertificates(pem: string): boolean {
  const found = pem.match(certificate) ?? [];
  return found.length > 0 && found.every(isCertificate);
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

/** Settings stand in the log and can be read back; a key belongs into the vault. */
function* privateKeys(value: unknown, path: string): Generator<InputFault> {
  if (typeof value === 'string') {
    if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(value))
      yield { path, message: 'holds a private key: give it as the credential, and replace it: it was shown here' };
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value)) yield* privateKeys(member, path === '' ? name : `${path}.${name}`);
}
