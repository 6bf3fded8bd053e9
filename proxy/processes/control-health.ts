import { X509Certificate } from 'node:crypto';
import { stat, statfs } from 'node:fs/promises';
import type { AuditReader } from '../audit/reader.ts';
import type { Check, PartStatus, Status } from '../contract/api-views.ts';
import type { McpResource } from '../contract/resource.ts';
import type { Witness } from '../contract/witness.ts';
import { sandboxAvailable } from '../engines/mcp/sandbox-trial.ts';
import { reasonOf } from '../lib/errors.ts';

export interface HealthSources {
  readonly dir: string;
  readonly version: string;
  readonly origin: string;
  readonly startedAt: string;
  readonly cert: string;
  readonly reader: AuditReader;
  gateways(): readonly string[];
  /** whether lists and searches follow the log */
  history(): PartStatus;
  /** where callers connect, as the gateways say */
  listeners(): Status['listeners'];
  liveSessions(): number;
  /** break-glass accesses that nobody has looked at yet */
  unreviewed(): number;
  witnesses(): readonly Witness[];
  /** MCP servers are to be started in a sandbox */
  needsSandbox(): boolean;
  /** how many secrets there are; throws when the vault is locked */
  secrets(): Promise<number>;
}

const lowDiskBytes = 1_073_741_824;
const fullDiskBytes = 67_108_864;
const certificateDays = 14;
const dayMs = 86_400_000;

export async function serviceStatus(sources: HealthSources): Promise<Status> {
  const { reader } = sources;
  const log = await reader.status().catch(() => null);
  const audit: PartStatus =
    log === null
      ? { name: 'audit', state: 'down', detail: 'The audit process does not answer: everything is refused.' }
      : {
          name: 'audit',
          state: log.condition === 'open' ? 'up' : 'down',
          detail: log.condition === 'open' ? 'The log is written.' : `The log is ${log.condition}: ${log.reason ?? 'unknown reason'}.`,
        };
  const parts = [
    audit,
    { name: 'control', state: 'up' as const, detail: 'Answers.' },
    gatewayPart(sources.gateways()),
    sources.history(),
    await vaultPart(sources),
    await diskPart(sources.dir),
    ...breakGlassPart(sources.unreviewed()),
    ...witnessPart(sources.witnesses(), Date.now()),
  ];
  const state = parts.some((part) => part.state === 'down') ? 'down' : parts.some((part) => part.state === 'degraded') ? 'degraded' : 'up';
  return {
    state,
    version: sources.version,
    startedAt: sources.startedAt,
    parts,
    liveSessions: sources.liveSessions(),
    log: { origin: sources.origin, size: log?.size ?? 0 },
    listeners: sources.listeners(),
  };
}

function gatewayPart(names: readonly string[]): PartStatus {
  return names.length === 0
    ? { name: 'gateway', state: 'down', detail: 'No gateway is connected.' }
    : { name: 'gateway', state: 'up', detail: `Connected: ${names.join(', ')}.` };
}

function breakGlassPart(unreviewed: number): PartStatus[] {
  if (unreviewed === 0) return [];
  return [{ name: 'break-glass', state: 'degraded', detail: `${String(unreviewed)} emergency accesses were not reviewed yet.` }];
}

/** A log that nobody outside has seen for a day could be replaced unseen. */
export function witnessPart(witnesses: readonly Pick<Witness, 'name' | 'last'>[], now: number): PartStatus[] {
  if (witnesses.length === 0) return [];
  const [newest] = witnesses.flatMap(({ name, last }) => (last === null ? [] : [{ name, ...last }])).sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
  if (newest === undefined) return [{ name: 'witness', state: 'degraded', detail: 'No witness has cosigned the log yet.' }];
  const isFresh = now - Date.parse(newest.at) < dayMs;
  const detail = `${newest.name} cosigned ${String(newest.size)} events at ${newest.at}.`;
  return [{ name: 'witness', state: isFresh ? 'up' : 'degraded', detail: isFresh ? detail : `No witness has cosigned the log for a day: ${detail}` }];
}

async function vaultPart(sources: HealthSources): Promise<PartStatus> {
  try {
    const count = await sources.secrets();
    return { name: 'vault', state: 'up', detail: `Open, ${count === 1 ? '1 credential' : `${String(count)} credentials`}.` };
  } catch (error) {
    return { name: 'vault', state: 'down', detail: reasonOf(error) };
  }
}

async function diskPart(dir: string): Promise<PartStatus> {
  const free = await freeBytes(dir);
  const state = free < fullDiskBytes ? 'down' : free < lowDiskBytes ? 'degraded' : 'up';
  return { name: 'disk', state, detail: `${String(Math.floor(free / 1_048_576))} MiB free.` };
}

async function freeBytes(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}

export async function serviceChecks(sources: HealthSources): Promise<Check[]> {
  const { parts } = await serviceStatus(sources);
  const fromParts = parts.map(
    ({ name, state, detail }): Check => ({ name, ok: state === 'up', detail, remedy: state === 'up' ? null : (remedies[name] ?? 'See the logs directory.') }),
  );
  const { mode } = await stat(sources.dir);
  const open = (mode & 0o077) !== 0;
  const permissions: Check = {
    name: 'permissions',
    ok: !open,
    detail: `The data directory has mode ${(mode & 0o777).toString(8)}.`,
    remedy: open ? `chmod 700 ${sources.dir}` : null,
  };
  const until = new X509Certificate(sources.cert).validToDate;
  const near = until.getTime() - Date.now() < certificateDays * dayMs;
  const certificate: Check = {
    name: 'certificate',
    ok: !near,
    detail: `The server certificate is good until ${until.toISOString()}.`,
    remedy: near ? 'Restart the service: it renews its own certificate.' : null,
  };
  return [...fromParts, permissions, certificate, ...(sources.needsSandbox() ? [await sandboxCheck()] : [])];
}

export function needsSandbox({ upstream }: McpResource): boolean {
  return upstream.transport === 'stdio' && upstream.sandbox === 'required';
}

async function sandboxCheck(): Promise<Check> {
  const { available, why } = await sandboxAvailable();
  const remedy = 'Install bubblewrap and let this account make user namespaces; until then these servers do not start.';
  return { name: 'sandbox', ok: available, detail: `MCP servers run in a sandbox: ${why}.`, remedy: available ? null : remedy };
}

const remedies: Readonly<Record<string, string>> = {
  audit: 'Free disk space or repair the disk; the log is opened anew by itself.',
  gateway: 'See logs/gateway.log; it is started again by itself.',
  history: 'Wait: it is made anew from the log by itself. Decisions do not depend on it.',
  vault: 'Give the key-encryption key.',
  'break-glass': 'Look at each with `postern access list`, then `postern access review GRANT --finding …`.',
  witness: 'Open the app on a device that is a witness, or look at them with `postern witness list`.',
  disk: 'Free disk space: when none is left, everything is refused.',
};
