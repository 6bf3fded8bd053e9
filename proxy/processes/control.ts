import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { AuditClient } from '../audit/client.ts';
import { AuditReader } from '../audit/reader.ts';
import { asAppError, fail } from '../contract/errors.ts';
import type { ServiceAccount } from '../contract/principal.ts';
import type { LeasedCredential, LiveSession, Snapshot } from '../contract/snapshot.ts';
import { Changes } from '../control/changes.ts';
import { Failures } from '../control/failures.ts';
import type { ControlCaller } from '../control/context.ts';
import { createHandlers } from '../control/handlers.ts';
import { hasAdministrator } from '../control/handlers/service-accounts.ts';
import { createApiServer, createApp } from '../control/http.ts';
import type { ControlPorts } from '../control/ports.ts';
import { looksLikeSignIn } from '../approval/sign-in.ts';
import { createIdentity, type Identity } from '../identity/identity.ts';
import { mintToken, newScramSalt } from '../identity/token.ts';
import { systemClock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import { Secret } from '../lib/secret.ts';
import { maskText } from '../masking/text.ts';
import { discardDatabase } from '../store/database.ts';
import { positionOf } from '../store/position.ts';
import { openState, type State } from '../store/state.ts';
import { newRecordingKey, openRecordingKey } from '../vault/secret-file.ts';
import type { Vault } from '../vault/vault.ts';
import { boot } from './boot.ts';
import { accessPolicy } from './control-access.ts';
import { Approvals, enrolmentAddress } from './control-approvals.ts';
import { auditReading, controlLog, loggedEvents } from './control-audit.ts';
import { Gateways } from './control-gateways.ts';
import { serviceChecks, serviceStatus, type HealthSources } from './control-health.ts';
import { recordingsOf } from './control-recordings.ts';
import { keepLogOpen } from './control-reopen.ts';
import { scanStores } from './control-scan.ts';
import { openVaultOf, secretsOf } from './control-vault.ts';
import { layoutOf, type Layout } from './layout.ts';
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
});
type Boot = z.infer<typeof Boot>;

const leaseMs = 60_000;
const cursorMs = 60_000;
const firstAdminDays = 366;
const dayMs = 86_400_000;
const itself = { actor: { issuer: 'postern', subject: 'control', name: 'control', kind: 'service', credential: 'none' }, origin: 'control' } as const;

function log(line: string): void {
  process.stderr.write(`${line.replaceAll('\n', ' | ').slice(0, 4_000)}\n`);
}

/** The state as it is now; a new value after every change. */
class Current {
  snapshot: Snapshot;
  readonly state: State;

  constructor(state: State) {
    this.state = state;
    this.snapshot = state.snapshot();
  }

  refresh(): Snapshot {
    this.snapshot = this.state.snapshot();
    return this.snapshot;
  }
}

/** Opens the state and brings it up to the log; a damaged one is made anew from the whole log. */
async function openCurrentState(layout: Layout, reader: AuditReader): Promise<State> {
  try {
    return await upToDate(openState(layout.state), reader);
  } catch (error) {
    if (asAppError(error).code !== 'ERR_STATE_DAMAGED') throw error;
    log(`state: made anew from the log: ${asAppError(error).detail ?? ''}`);
    discardDatabase(layout.state);
    return upToDate(openState(layout.state), reader);
  }
}

async function upToDate(state: State, reader: AuditReader): Promise<State> {
  try {
    const { size } = await reader.status();
    if (state.read.cursor >= size) throw fail('ERR_STATE_DAMAGED', { detail: 'the state is ahead of the log' });
    await state.replayFrom(loggedEvents(reader, state.read.cursor + 1));
    return state;
  } catch (error) {
    state.close();
    throw error;
  }
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
  /** of the API's server; 0 before it listens */
  port: number;
}

async function follow(state: State, reader: AuditReader): Promise<void> {
  await state.replayFrom(loggedEvents(reader, state.read.cursor + 1));
}

async function start(parameters: Boot): Promise<{ ready: Record<string, unknown>; stop: () => Promise<void> }> {
  const layout = layoutOf(parameters.dir);
  const client = new AuditClient({ socketPath: parameters.auditSocket, client: `control-${randomBytes(9).toString('base64url')}` });
  const reader = new AuditReader({ socketPath: parameters.auditSocket, token: parameters.readerToken });
  // before anything that needs the log: a restarted control may find it lost
  const keeper = keepLogOpen(reader, log);
  await client.ready();
  const state = await openCurrentState(layout, reader);
  const current = new Current(state);
  const vault = await openVaultOf(layout.vault, parameters.custody, false);
  const identity = createIdentity(systemClock, new Secret(Buffer.from(parameters.pepper, 'base64')));
  identity.update(current.snapshot);
  const changes = new Changes({
    log: controlLog(client),
    clock: systemClock,
    state,
    resync: () => follow(state, reader),
    changed: (code) => {
      // requests are no part of the snapshot
      if (code?.startsWith('approval-request.') === true) return;
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
  const gateways: Gateways = gatewaysOf({ current, vault, changes, approvals });
  const parts: Parts = { parameters, layout, reader, current, vault, identity, changes, gateways, approvals, port: 0 };
  await changes.record('service.started', itself, { affected: 'control' });
  const adminToken = await ensureAdministrator(parts);
  // before anybody can ask: what gateways held is void
  await approvals.book.start();
  const server = createApiServer(createApp(dispatchingOf(parts)), parameters.tls);
  parts.port = await listen(server, parameters.listener);
  await gateways.serve(parameters.controlSocket, parameters.controlSecret);
  const timer = setInterval(() => {
    void advanceCursor(parts);
  }, cursorMs);
  return {
    ready: { port: parts.port, ...(adminToken && { adminToken: adminToken.reveal() }) },
    stop: async () => {
      clearInterval(timer);
      keeper[Symbol.dispose]();
      server.close();
      server.closeAllConnections();
      await close(parts);
      await client.close();
    },
  };
}

async function close(parts: Parts): Promise<void> {
  const { approvals, changes, gateways, vault, current, reader } = parts;
  await approvals.stop();
  await changes.record('service.stopped', itself, { affected: 'control' }).catch(() => undefined);
  await advanceCursor(parts);
  await gateways.close();
  await vault.close();
  current.state.close();
  await reader.close();
}

function gatewaysOf({ current, vault, changes, approvals }: Pick<Parts, 'current' | 'vault' | 'changes' | 'approvals'>): Gateways {
  return new Gateways({
    snapshot: () => current.snapshot,
    recordingKey: (session) => Promise.resolve(newRecordingKey(vault.derive('recording-wrapping'), session.id, randomBytes)),
    lease: (session, resource) => lease({ current, vault, changes }, session, resource),
    ended: (session) => {
      vault.release(session.id);
    },
    requests: approvals.held,
    changed: (what) => {
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

function dispatchingOf(parts: Parts): Parameters<typeof createApp>[0] {
  const { changes } = parts;
  return {
    handlers: createHandlers(portsOf(parts)),
    changes,
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
    revoked: () => identity.port.revoked(caller),
  };
}

function portsOf(parts: Parts): ControlPorts {
  const { parameters, layout, reader, current, vault, gateways, approvals } = parts;
  const unwrap = (session: string, wrapped: string): Secret<Uint8Array> => openRecordingKey(vault.derive('recording-wrapping'), session, wrapped);
  const audit = auditReading(reader);
  const sources: HealthSources = {
    dir: layout.dir,
    version: parameters.version,
    origin: parameters.origin,
    startedAt: new Date().toISOString(),
    cert: parameters.tls.cert,
    reader,
    gateways: () => gateways.connected,
    liveSessions: () => gateways.list().length,
    unreviewed: () => current.state.read.grants.all().filter(({ request, review }) => request === null && review === null).length,
    secrets: async () => (await vault.list()).length,
  };
  return {
    clock: systemClock,
    state: { snapshot: () => current.snapshot, secretVersion: (id) => current.state.read.secrets.find(id)?.version ?? 0 },
    secrets: secretsOf(vault, parameters.custody),
    audit,
    sessions: gateways,
    recordings: recordingsOf(layout.recordings, unwrap, audit),
    targets: gateways,
    mask: maskText,
    read: current.state.read,
    requests: approvals.book,
    nextRequestChange: approvals.nextRequestChange,
    tell: approvals.tell,
    signIns: approvals.signIns,
    access: accessPolicy(() => current.snapshot, systemClock),
    enrolment: () => enrolmentAddress({ host: parameters.listener.host, port: parts.port, cert: parameters.tls.cert, origin: parameters.origin }),
    webhooks: approvals.webhooks,
    health: {
      status: () => serviceStatus(sources),
      checks: () => serviceChecks(sources),
      selfScan: async (needles, signal) => {
        const secrets: string[] = [];
        for (const { id } of await vault.list()) secrets.push((await vault.lease(id, { holder: 'self-scan', ttlMs: leaseMs })).value.reveal());
        vault.release('self-scan');
        return scanStores({ dir: layout.dir, reader, unwrap, secrets, needles, exclude: parameters.scanExclude }, signal);
      },
    },
  };
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
  const lent = await changes.exclusive(() => {
    const version = current.state.read.secrets.find(resource.secret)?.version;
    return vault.lease(resource.secret, { holder: session.id, ttlMs: leaseMs, ...(version !== undefined && { version }) });
  });
  return { account: resource.account, password: lent.value.reveal(), secretVersion: lent.version };
}

/** Without a good administrator token nobody could do anything: whoever can start the service gets one, and the log says so. */
async function ensureAdministrator({ current, changes }: Parts): Promise<Secret<string> | null> {
  return changes.exclusive(async () => {
    const { serviceAccounts, tokens } = current.snapshot;
    if (hasAdministrator(serviceAccounts, tokens, systemClock)) return null;
    const found = serviceAccounts.find((account) => account.name === 'admin');
    const account: ServiceAccount = found
      ? { ...found, disabled: false }
      : {
          id: newId('svc'),
          name: 'admin',
          owner: 'whoever installed Postern',
          purpose: 'administration',
          groups: [],
          disabled: false,
          createdAt: new Date(systemClock.now()).toISOString(),
          scramSalt: newScramSalt(),
        };
    await changes.commit(found ? 'service-account.updated' : 'service-account.created', itself, { affected: 'service-account:admin', value: account });
    const { token, record } = mintToken(
      account,
      { expiresAt: systemClock.now() + firstAdminDays * dayMs, resources: [], networks: [], roles: ['administrator', 'auditor'] },
      systemClock,
    );
    await changes.commit('token.created', itself, { affected: `token:${record.id}`, value: record });
    return token;
  });
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
