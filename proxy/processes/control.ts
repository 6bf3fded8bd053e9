import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { z } from 'zod';
import { AuditClient } from '../audit/client.ts';
import { AuditReader } from '../audit/reader.ts';
import { fail } from '../contract/errors.ts';
import type { LeasedCredential, LiveSession, Snapshot } from '../contract/snapshot.ts';
import { Changes } from '../control/changes.ts';
import { Failures } from '../control/failures.ts';
import { readConsole } from '../control/console.ts';
import { Live } from '../control/live.ts';
import type { ControlCaller } from '../control/context.ts';
import { createHandlers } from '../control/handlers.ts';
import { TokenExchange } from '../control/token-exchange.ts';
import { ToolOffers } from '../control/tool-offers.ts';
import { createApiServer, createApp } from '../control/http.ts';
import { listenLocally } from '../control/local-socket.ts';
import type { ControlPorts, EnrolmentAddress } from '../control/ports.ts';
import { looksLikeSignIn } from '../approval/sign-in.ts';
import type { News } from '../history/follower.ts';
import { createIdentity, type Identity } from '../identity/identity.ts';
import { systemClock } from '../lib/clock.ts';
import { Secret } from '../lib/secret.ts';
import { maskText } from '../masking/text.ts';
import { positionOf } from '../store/position.ts';
import type { State } from '../store/state.ts';
import { newRecordingKey, openRecordingKey } from '../vault/secret-file.ts';
import type { Vault } from '../vault/vault.ts';
import { boot } from './boot.ts';
import { accessPolicy } from './control-access.ts';
import { Approvals, enrolmentAddress } from './control-approvals.ts';
import { auditReading, controlLog } from './control-audit.ts';
import { Gateways } from './control-gateways.ts';
import { HistoryThread, historyReading } from './control-history.ts';
import { watchHealth } from './control-live.ts';
import { needsSandbox, serviceChecks, serviceStatus, type HealthSources } from './control-health.ts';
import { recordingsOf } from './control-recordings.ts';
import { keepLogOpen } from './control-reopen.ts';
import { scanStores } from './control-scan.ts';
import { ensureAdministrator, hasEnrolledAdministrator, makeSetUpLink, type SetUpParts } from './control-set-up.ts';
import { Current, followLog, openCurrentState } from './control-state.ts';
import { openVaultOf, secretsOf } from './control-vault.ts';
import { layoutOf, type Layout } from './layout.ts';
import { serviceLogs } from './service-logs.ts';
import { Custody } from './settings.ts';

const Boot = z.strictObject({
  dir: z.string(),
  version: z.string(),
  origin: z.string(),
  auditSocket: z.string(),
  controlSocket: z.string(),
  controlSecret: z.string().min(32),
  readerToken: z.string().min(32),
  custody: Custody,
  pepper: z.base64(),
  listener: z.strictObject({ host: z.string(), port: z.int() }),
  tls: z.strictObject({ key: z.string(), cert: z.string() }),
  /** files and directories of the data directory that are no store of ours */
  scanExclude: z.array(z.string()),
  /** directory of the built console */
  console: z.string().nullable(),
  /** whether the first administrator's link is made */
  setUp: z.boolean(),
});
type Boot = z.infer<typeof Boot>;

const leaseMs = 60_000;
const cursorMs = 60_000;
const itself = { actor: { issuer: 'postern', subject: 'control', name: 'control', kind: 'service', credential: 'none' }, origin: 'control' } as const;

function log(line: string): void {
  process.stderr.write(`${line.replaceAll('\n', ' | ').slice(0, 4_000)}\n`);
}

interface Parts {
  readonly parameters: Boot;
  readonly layout: Layout;
  readonly reader: AuditReader;
  readonly current: Current;
  readonly vault: Vault;
  readonly identity: Identity;
  readonly changes: Changes;
  readonly gateways: Gateways;
  readonly approvals: Approvals;
  readonly history: HistoryThread;
  readonly live: Live;
  /** of the API's server; 0 before it listens */
  port: number;
}

function openLog({ auditSocket, readerToken }: Boot): { client: AuditClient; reader: AuditReader; keeper: Disposable } {
  const client = new AuditClient({ socketPath: auditSocket, client: `control-${randomBytes(9).toString('base64url')}` });
  const reader = new AuditReader({ socketPath: auditSocket, token: readerToken });
  // before anything that needs the log: a restarted control may find it lost
  return { client, reader, keeper: keepLogOpen(reader, log) };
}

async function start(parameters: Boot): Promise<{ ready: Record<string, unknown>; stop: () => Promise<void> }> {
  const layout = layoutOf(parameters.dir);
  const { client, reader, keeper } = openLog(parameters);
  await client.ready();
  const { history, live } = historyOf(layout);
  const state = await openCurrentState(layout.state, reader, log);
  const current = new Current(state);
  const vault = await openVaultOf(layout.vault, parameters.custody, false);
  const identity = identityOf(parameters, current.snapshot);
  const changes = new Changes({
    log: controlLog(client),
    clock: systemClock,
    state,
    resync: () => followLog(state, reader),
    changed: (code) => {
      if (code !== null) live.committed(code);
      if (code === 'approver-key.enrolled') forgetSetUpLink(state, layout);
      if (code !== null && isBesideSnapshot(code)) return;
      identity.update(current.refresh());
      gateways.push();
      if (code === 'policy.updated') approvals.policiesChanged();
    },
  });
  const approvals = new Approvals({
    state,
    snapshot: () => current.snapshot,
    changes,
    reader,
    vault,
    origin: parameters.origin,
    itself,
    told: (told) => {
      if ('request' in told) gateways.decided(told.request);
    },
    log,
  });
  const gateways: Gateways = gatewaysOf({ current, vault, changes, approvals, live });
  const parts: Parts = { parameters, layout, reader, current, vault, identity, changes, gateways, approvals, history, live, port: 0 };
  await changes.record('service.started', itself, { affected: 'control' });
  const adminToken = await ensureAdministrator({ snapshot: () => current.snapshot, changes, itself });
  // before anybody can ask: what gateways held is void
  await approvals.book.start();
  const closeApi = await serveApi(parts);
  const link = parameters.setUp ? await makeSetUpLink(setUpOf(parts)) : null;
  await gateways.serve(parameters.controlSocket, parameters.controlSecret);
  const timer = setInterval(() => {
    void advanceCursor(parts);
  }, cursorMs);
  await history.started();
  return {
    ready: { port: parts.port, ...(adminToken && { adminToken: adminToken.reveal() }), ...(link && { setUpLink: link.reveal() }) },
    stop: async () => {
      clearInterval(timer);
      keeper[Symbol.dispose]();
      closeApi();
      await close(parts);
      await client.close();
    },
  };
}

function identityOf({ pepper }: Boot, snapshot: Snapshot): Identity {
  const identity = createIdentity(systemClock, new Secret(Buffer.from(pepper, 'base64')));
  identity.update(snapshot);
  return identity;
}

/** Gives what closes it. */
async function serveApi(parts: Parts): Promise<() => void> {
  const { parameters, layout } = parts;
  const own = { version: parameters.version, forwarder: new Secret(parameters.controlSecret) };
  const app = createApp(dispatchingOf(parts), parameters.console === null ? null : await readConsole(parameters.console), own);
  const server = createApiServer(app, parameters.tls);
  parts.port = await listen(server, parameters.listener);
  const local = await listenLocally(app, layout.apiSocket);
  return () => {
    server.close();
    server.closeAllConnections();
    local.close();
  };
}

async function close(parts: Parts): Promise<void> {
  const { approvals, changes, gateways, vault, current, reader, history } = parts;
  await history.close();
  await approvals.stop();
  await changes.record('service.stopped', itself, { affected: 'control' }).catch(() => undefined);
  await advanceCursor(parts);
  await gateways.close();
  await vault.close();
  current.state.close();
  await reader.close();
}

/** Requests and witnesses are no part of the snapshot: gateways need not hear of them. */
function isBesideSnapshot(code: string): boolean {
  return ['approval-request.', 'witness.', 'checkpoint.'].some((kind) => code.startsWith(kind));
}

function historyOf({ history: path, dir, audit, auditSocket }: Layout): { history: HistoryThread; live: Live } {
  const live = new Live(systemClock);
  const told = ({ codes }: News): void => {
    live.heard(codes);
  };
  return { history: new HistoryThread({ path, dir, audit, auditSocket }, { told, log }), live };
}

function gatewaysOf({ current, vault, changes, approvals, live }: Pick<Parts, 'current' | 'vault' | 'changes' | 'approvals' | 'live'>): Gateways {
  const { read } = current.state;
  const exchange = new TokenExchange({
    clock: systemClock,
    read,
    exclusive: (work) => changes.exclusive(work),
    commit: (code, who, change) => changes.commit(code, who, change),
  });
  const offers = new ToolOffers({
    clock: systemClock,
    read,
    exclusive: (work) => changes.exclusive(() => work((code, change) => changes.commit(code, itself, change))),
    mask: maskText,
    log,
  });
  return new Gateways({
    snapshot: () => current.snapshot,
    recordingKey: (session) => Promise.resolve(newRecordingKey(vault.derive('recording-wrapping'), session.id, randomBytes)),
    lease: (session, resource) => lease({ current, vault, changes }, session, resource),
    ended: (session) => {
      vault.release(session.id);
    },
    requests: approvals.held,
    exchange: (wanted) => exchange.exchange(wanted),
    offered: (resource, tools) => {
      void offers.offer(resource, tools);
    },
    sessionsChanged: () => {
      live.tell(['sessions']);
    },
    listenersChanged: () => {
      live.tell(['status']);
    },
    changed: (what) => {
      live.tell(['status', 'sessions']);
      recordGateway(changes, what);
    },
    log,
  });
}

function recordGateway(changes: Changes, { gateway, connected, sessions }: { gateway: string; connected: boolean; sessions: number }): void {
  const code = connected ? 'service.started' : 'service.stopped';
  void changes.record(code, itself, { affected: gateway, count: sessions }).catch((error: unknown) => {
    log(`${code} of ${gateway} could not be recorded: ${String(error)}`);
  });
}

function setUpOf(parts: Parts): SetUpParts {
  const { current, changes, layout } = parts;
  return { read: current.state.read, snapshot: () => current.snapshot, changes, itself, address: addressOf(parts), file: layout.setUpLink };
}

function addressOf({ parameters: { listener, tls, origin }, port }: Parts): EnrolmentAddress {
  return enrolmentAddress({ host: listener.host, port, cert: tls.cert, origin });
}

function forgetSetUpLink({ read }: State, { setUpLink }: Layout): void {
  if (hasEnrolledAdministrator(read)) void rm(setUpLink, { force: true }).catch(forgotten);
}

function forgotten(error: unknown): void {
  log(`the set-up link could not be removed: ${String(error)}`);
}

function dispatchingOf(parts: Parts): Parameters<typeof createApp>[0] {
  const { changes } = parts;
  return {
    handlers: createHandlers(portsOf(parts)),
    changes,
    mask: maskText,
    failures: new Failures(systemClock),
    clock: systemClock,
    log,
    authenticate: (token, address) => authenticate(parts, token, address),
  };
}

/** A sign-in of an approver, or the token of a service account; each of those may speak for itself besides its roles. */
function authenticate({ identity, approvals }: Pick<Parts, 'identity' | 'approvals'>, token: Secret<string>, address: string): ControlCaller | null {
  if (looksLikeSignIn(token)) return approvals.authenticate(token);
  const found = identity.verifyBearer(token.reveal(), address);
  if (found === null) return null;
  const { caller, roles } = found;
  const kind = roles.includes('administrator') ? 'administrator' : roles.includes('auditor') ? 'auditor' : 'service-account';
  return {
    actor: { issuer: caller.issuer, subject: caller.subject, name: caller.name, kind, credential: caller.credential },
    roles: [...roles, 'caller'],
    resources: caller.resources,
    revoked: () => identity.port.revoked(caller),
  };
}

function portsOf(parts: Parts): ControlPorts {
  const { parameters, layout, reader, current, vault, gateways, approvals, history, live } = parts;
  const unwrap = (session: string, wrapped: string): Secret<Uint8Array> => openRecordingKey(vault.derive('recording-wrapping'), session, wrapped);
  const audit = auditReading(reader, history);
  const sources: HealthSources = {
    dir: layout.dir,
    version: parameters.version,
    origin: parameters.origin,
    startedAt: new Date().toISOString(),
    cert: parameters.tls.cert,
    reader,
    gateways: () => gateways.connected,
    listeners: () => gateways.listeners,
    history: () => history.part(),
    liveSessions: () => gateways.list().length,
    unreviewed: () => current.state.read.grants.all().filter(({ request, review }) => request === null && review === null).length,
    witnesses: () => current.state.read.witnesses.all(),
    needsSandbox: () => current.state.read.resources.all().some((resource) => resource.protocol === 'mcp' && needsSandbox(resource)),
    secrets: async () => (await vault.list()).length,
  };
  watchHealth(() => serviceStatus(sources), live);
  return {
    clock: systemClock,
    version: parameters.version,
    restart: (part) => {
      process.stdout.write(`${JSON.stringify({ restart: part })}\n`);
    },
    state: { snapshot: () => current.snapshot, secretVersion: (id) => current.state.read.secrets.find(id)?.version ?? 0 },
    secrets: secretsOf(vault, parameters.custody),
    audit,
    history: historyReading(history, reader),
    live,
    serviceLogs: serviceLogs(layout),
    sessions: gateways,
    recordings: recordingsOf(layout.recordings, unwrap, { audit, reader, isLive: (id) => gateways.list().some((session) => session.id === id) }),
    targets: gateways,
    mask: maskText,
    read: current.state.read,
    requests: approvals.book,
    nextRequestChange: approvals.nextRequestChange,
    tell: approvals.tell,
    signIns: approvals.signIns,
    access: accessPolicy(() => current.snapshot, systemClock),
    shadowed: async ({ version }, page) => {
      const { items, next } = await audit.search({ codes: null, shadowed: version ?? true }, page);
      return { events: items, before: next };
    },
    enrolment: () => addressOf(parts),
    webhooks: approvals.webhooks,
    health: {
      status: () => serviceStatus(sources),
      checks: () => serviceChecks(sources),
      selfScan: async (needles, signal) => {
        const secrets = await everySecret(vault);
        return scanStores({ dir: layout.dir, reader, unwrap, secrets, needles, exclude: parameters.scanExclude }, signal);
      },
    },
  };
}

/** What must be nowhere in clear. */
async function everySecret(vault: Vault): Promise<string[]> {
  const secrets: string[] = [];
  for (const { id } of await vault.list()) secrets.push((await vault.lease(id, { holder: 'self-scan', ttlMs: leaseMs })).value.reveal());
  vault.release('self-scan');
  return secrets;
}

/** Lends the credential of a live session's resource: recorded first, then taken from the vault between two changes. */
async function lease({ current, vault, changes }: Pick<Parts, 'current' | 'vault' | 'changes'>, session: LiveSession, name: string): Promise<LeasedCredential> {
  const resource = current.snapshot.resources.find((candidate) => candidate.name === name);
  if (!resource) throw fail('ERR_RESOURCE_UNKNOWN');
  await changes.record('credential.leased', itself, {
    affected: name,
    session: session.id,
    account: resource.account,
    database: session.database,
    reason: `to ${session.principal}`,
  });
  const { secret } = resource;
  if (secret === null) return { account: resource.account, password: '', secretVersion: 0 };
  const lent = await changes.exclusive(() => {
    const version = current.state.read.secrets.find(secret)?.version;
    return vault.lease(secret, { holder: session.id, ttlMs: leaseMs, ...(version !== undefined && { version }) });
  });
  return { account: resource.account, password: lent.value.reveal(), secretVersion: lent.version };
}

/** Keeps the next start short: events that change no state need not be read again. */
async function advanceCursor({ reader, current, changes }: Pick<Parts, 'reader' | 'current' | 'changes'>): Promise<void> {
  await changes
    .exclusive(async () => {
      const { size } = await reader.status();
      // control alone writes events of state, and one at a time: nothing new to it can stand before this
      if (changes.isCertain && size > 0) current.state.passTo(positionOf(size - 1));
    })
    .catch((error: unknown) => {
      log(`the state's cursor could not be advanced: ${String(error)}`);
    });
}

function listen(server: ReturnType<typeof createApiServer>, { host, port }: { host: string; port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

await boot(Boot, start);
