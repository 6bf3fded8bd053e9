import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { AuditClient } from '../audit/client.ts';
import { asAppError, fail } from '../contract/errors.ts';
import { Resource } from '../contract/resource.ts';
import type { LeasedCredential, RecordingKey, Snapshot } from '../contract/snapshot.ts';
import { loadCatalogue } from '../engines/postgres/catalogue.ts';
import { createClassifier, loadParser } from '../engines/postgres/classify.ts';
import { createPostgresEngine } from '../engines/postgres/index.ts';
import { createInspector } from '../engines/postgres/inspect.ts';
import type { CatalogueLoading } from '../engines/postgres/client-catalogue.ts';
import { createIdentity, type Identity } from '../identity/identity.ts';
import { lastingRpc, type LastingRpc } from '../ipc/rpc.ts';
import { systemClock } from '../lib/clock.ts';
import { Secret } from '../lib/secret.ts';
import { createMasking, type Masking } from '../masking/masking.ts';
import type { Credential, EngineLimits } from '../pipeline/engine.ts';
import { header, timestamp } from '../pipeline/headers.ts';
import { Pipeline } from '../pipeline/pipeline.ts';
import type { ApprovalPort, ControlPort } from '../pipeline/ports.ts';
import { createPolicy, type Policy } from '../policy/policy.ts';
import { createRecorder } from '../recording/recorder.ts';
import { boot } from './boot.ts';
import { Listeners } from './gateway-listeners.ts';

const Listener = z.strictObject({ host: z.string(), port: z.int() });
const Boot = z.strictObject({
  dir: z.string(),
  instance: z.string(),
  auditSocket: z.string(),
  controlSocket: z.string(),
  controlSecret: z.string(),
  listeners: z.strictObject({ postgres: Listener }),
  tls: z.strictObject({ key: z.string(), cert: z.string() }),
  digestKey: z.base64(),
  pepper: z.base64(),
});
type Boot = z.infer<typeof Boot>;

const limits: EngineLimits = { maxHandshakeBytes: 16_384, maxMessageBytes: 67_108_864, handshakeTimeoutMs: 15_000, highWaterBytes: 1_048_576 };
const maxConnections = 4_096;
const maxPerAddress = 2_048;
const recheckMs = 500;
const firstSnapshotDeadlineMs = 15_000;

const Kill = z.object({ session: z.string(), reason: z.string() });
const OnTarget = z.object({ resource: Resource, credential: z.object({ account: z.string(), password: z.string() }) });
const Classify = OnTarget.extend({ database: z.string(), statement: z.string() });

/** Nothing can be held yet: a policy that asks for approval is refused when it is saved. */
const noApproval: ApprovalPort = {
  hold: () => {
    throw fail('ERR_FEATURE_REFUSED', { message: 'Approvals are not available in this version.' });
  },
};

interface Features {
  readonly identity: Identity;
  readonly policy: Policy;
  readonly masking: Masking;
}

function log(line: string): void {
  process.stderr.write(`${new Date().toISOString()} ${line.slice(0, 2_000)}\n`);
}

/** The snapshot in force, applied to every feature at once. */
class InForce {
  readonly first = Promise.withResolvers<void>();
  readonly #features: Features;
  #snapshot: Snapshot | null = null;
  #byName = new Map<string, Resource>();

  constructor(features: Features) {
    this.#features = features;
  }

  resource(name: string): Resource | null {
    return this.#byName.get(name) ?? null;
  }

  get resources(): readonly Resource[] {
    return this.#snapshot?.resources ?? [];
  }

  /** Policies come first: if they cannot be taken, nothing of the snapshot is, and the old state stays. */
  apply(snapshot: Snapshot): void {
    if (this.#snapshot !== null && snapshot.version < this.#snapshot.version) return;
    const { identity, policy, masking } = this.#features;
    policy.update(snapshot.policies.version, snapshot.policies.files);
    identity.update(snapshot);
    masking.update(snapshot.maskingRules);
    this.#snapshot = snapshot;
    this.#byName = new Map(snapshot.resources.map((resource) => [resource.name, resource]));
    this.first.resolve();
  }
}

function controlPort(rpc: LastingRpc): ControlPort {
  return {
    // control's own schema guards both directions of its socket
    open: async (session) => (await rpc.call('open', session)) as RecordingKey,
    lease: async (session, resource) => (await rpc.call('lease', { session, resource })) as LeasedCredential,
    ended: (session) => {
      rpc.notify('ended', { session });
    },
  };
}

async function start(parameters: Boot): Promise<{ ready: Record<string, unknown>; stop: () => Promise<void> }> {
  const clock = systemClock;
  const audit = new AuditClient({ socketPath: parameters.auditSocket, client: `gateway-${randomBytes(9).toString('base64url')}` });
  await audit.ready();
  const features: Features = {
    identity: createIdentity(clock, new Secret(Buffer.from(parameters.pepper, 'base64'))),
    policy: createPolicy({ onFault: (error) => { log(`policy: ${asAppError(error).detail ?? asAppError(error).message}`); } }),
    masking: createMasking(),
  };
  const inForce = new InForce(features);
  const actor = { issuer: 'postern', subject: parameters.instance, name: parameters.instance, kind: 'service', credential: 'none' } as const;
  const recorder = createRecorder({
    dir: join(parameters.dir, 'recordings'),
    clock,
    onCommitted: (session, digests, first) => {
      audit.append(header('recording.committed', { at: timestamp(clock.now()), actor, origin: parameters.instance, outcome: 'success', affected: session, session, digests, count: first }), { kind: 'plain' });
    },
  });
  const parser = await loadParser();
  const loading: CatalogueLoading = {
    loadCatalogue: (query, previous) => loadCatalogue(query, parser, previous),
    createClassifier: (catalogue) => createClassifier(catalogue, { parser }),
  };
  const inspector = createInspector(loading);
  const rpc = lastingRpc({
    path: parameters.controlSocket,
    secret: parameters.controlSecret,
    name: parameters.instance,
    // control may have been started again: it learns what is live
    onConnect: (peer) => {
      void peer.call('resume', { sessions: pipeline.sessions.map(({ listed }) => listed) }).catch((error: unknown) => { log(`resume: ${asAppError(error).message}`); });
    },
    handlers: {
      snapshot: (snapshot) => {
        inForce.apply(snapshot as Snapshot);
        pipeline.recheck();
        void listeners.follow(inForce.resources);
      },
      kill: (given) => {
        const { session, reason } = Kill.parse(given);
        return pipeline.kill(session, reason);
      },
      probe: async (given) => {
        const { resource, credential } = OnTarget.parse(given);
        await inspector.probe(resource, secretOf(credential));
      },
      classify: (given) => {
        const { resource, credential, database, statement } = Classify.parse(given);
        return inspector.classify(resource, secretOf(credential), { database, statement });
      },
    },
  });
  const pipeline = new Pipeline(
    { audit, identity: features.identity.port, policy: features.policy.port, masking: features.masking.port, recorder, control: controlPort(rpc), approval: noApproval, resource: (name) => inForce.resource(name) },
    { gateway: parameters.instance, limits, clock, digestKey: new Secret(Buffer.from(parameters.digestKey, 'base64')) },
  );
  const { host, port } = parameters.listeners.postgres;
  const listeners = new Listeners({
    engine: createPostgresEngine({ ...loading, clock }),
    host,
    gate: (address, pinned) => pipeline.gate({ address, pinned, tls: parameters.tls }),
    maxConnections,
    maxPerAddress,
    onFault: log,
  });
  const late = setTimeout(() => {
    inForce.first.reject(fail('ERR_CONTROL_UNAVAILABLE', { detail: 'no snapshot in time' }));
  }, firstSnapshotDeadlineMs);
  await inForce.first.promise;
  clearTimeout(late);
  const shared = await listeners.listen(port);
  await listeners.follow(inForce.resources);
  const timer = setInterval(() => {
    pipeline.recheck();
    rpc.notify('progress', { sessions: Object.fromEntries(pipeline.sessions.map(({ listed }) => [listed.id, listed.operations])) });
  }, recheckMs);
  return {
    ready: { ports: { ...listeners.ports(), postgres: shared } },
    stop: async () => {
      clearInterval(timer);
      await listeners.close();
      rpc.close();
      await parser[Symbol.asyncDispose]();
    },
  };
}

function secretOf(credential: { account: string; password: string }): Credential {
  return { account: credential.account, password: new Secret(credential.password) };
}

await boot(Boot, start);
