import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { GatewayRequests } from '../approval/gateway-requests.ts';
import { AuditClient } from '../audit/client.ts';
import { asAppError, fail } from '../contract/errors.ts';
import { Resource } from '../contract/resource.ts';
import type { LeasedCredential, RecordingKey, Snapshot } from '../contract/snapshot.ts';
import type { Approver } from '../contract/user.ts';
import { loadCatalogue } from '../engines/postgres/catalogue.ts';
import { createClassifier, loadParser, type SqlParser } from '../engines/postgres/classify.ts';
import { createPostgresEngine } from '../engines/postgres/index.ts';
import { createInspector, type Inspector } from '../engines/postgres/inspect.ts';
import type { CatalogueLoading } from '../engines/postgres/client-catalogue.ts';
import { createIdentity, type Identity } from '../identity/identity.ts';
import { lastingRpc, type LastingRpc } from '../ipc/rpc.ts';
import { systemClock } from '../lib/clock.ts';
import { Secret } from '../lib/secret.ts';
import { createMasking, type Masking } from '../masking/masking.ts';
import type { Credential, EngineLimits } from '../pipeline/engine.ts';
import { header, timestamp } from '../pipeline/headers.ts';
import { Pipeline } from '../pipeline/pipeline.ts';
import type { ControlPort, RecorderPort } from '../pipeline/ports.ts';
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
  readonly first: PromiseWithResolvers<void> = Promise.withResolvers();
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

  get approvers(): readonly Approver[] {
    return this.#snapshot?.approvers ?? [];
  }

  /** of a service account, by id */
  owner(id: string): string | null {
    return this.#snapshot?.serviceAccounts.find((account) => account.id === id)?.owner ?? null;
  }

  /** Policies come first: if they cannot be taken, nothing of the snapshot is, and the old state stays. */
  apply(snapshot: Snapshot): void {
    if (this.#snapshot !== null && snapshot.version < this.#snapshot.version) return;
    const { identity, policy, masking } = this.#features;
    policy.update(snapshot.policies.version, snapshot.policies.files);
    policy.beside(snapshot.shadow);
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

function requestControl(rpc: LastingRpc): ConstructorParameters<typeof GatewayRequests>[0]['control'] {
  return {
    request: (asked) => rpc.call('request', asked),
    use: async (request) => {
      await rpc.call('use', { request });
    },
    withdraw: async (request, reason) => {
      await rpc.call('withdraw', { request, reason });
    },
  };
}

function featuresOf(parameters: Boot): Features {
  const onFault = (error: unknown): void => {
    log(`policy: ${asAppError(error).detail ?? asAppError(error).message}`);
  };
  return { identity: createIdentity(systemClock, secretBytes(parameters.pepper)), policy: createPolicy({ onFault }), masking: createMasking() };
}

function recorderOf({ dir, instance }: Boot, audit: AuditClient): RecorderPort {
  const actor = { issuer: 'postern', subject: instance, name: instance, kind: 'service', credential: 'none' } as const;
  return createRecorder({
    dir: join(dir, 'recordings'),
    clock: systemClock,
    onCommitted: (session, digests, count) => {
      const at = timestamp(systemClock.now());
      audit.append(header('recording.committed', { at, actor, origin: instance, outcome: 'success', affected: session, session, digests, count }), {
        kind: 'plain',
      });
    },
  });
}

/** The parts of a running gateway; what control says reaches them here. */
class Gateway {
  readonly #parameters: Boot;
  readonly #parser: SqlParser;
  readonly #inspector: Inspector;
  readonly #inForce: InForce;
  readonly #rpc: LastingRpc;
  readonly #requests: GatewayRequests;
  readonly #pipeline: Pipeline;
  readonly #listeners: Listeners;
  /** port of the shared listener; null: not open yet */
  #shared: number | null = null;

  constructor(parameters: Boot, parts: { audit: AuditClient; parser: SqlParser }) {
    const { audit, parser } = parts;
    const features = featuresOf(parameters);
    const loading: CatalogueLoading = {
      loadCatalogue: (query, previous) => loadCatalogue(query, parser, previous),
      createClassifier: (catalogue) => createClassifier(catalogue, { parser }),
    };
    this.#parameters = parameters;
    this.#parser = parser;
    this.#inspector = createInspector(loading);
    this.#inForce = new InForce(features);
    this.#rpc = this.#connect();
    this.#requests = new GatewayRequests({
      clock: systemClock,
      control: requestControl(this.#rpc),
      approvers: () => this.#inForce.approvers,
      owner: (subject) => this.#inForce.owner(subject),
    });
    this.#pipeline = new Pipeline(
      {
        audit,
        identity: features.identity.port,
        policy: features.policy.port,
        masking: features.masking.port,
        recorder: recorderOf(parameters, audit),
        control: controlPort(this.#rpc),
        approval: this.#requests,
        resource: (name) => this.#inForce.resource(name),
      },
      { gateway: parameters.instance, limits, clock: systemClock, digestKey: secretBytes(parameters.digestKey) },
    );
    this.#listeners = new Listeners({
      engine: createPostgresEngine({ ...loading, clock: systemClock }),
      host: parameters.listeners.postgres.host,
      gate: (address, pinned) => this.#pipeline.gate({ address, pinned, tls: parameters.tls }),
      maxConnections,
      maxPerAddress,
      onFault: log,
    });
  }

  /** Listens once there is something to decide by. */
  async open(): Promise<Record<string, number>> {
    const late = setTimeout(() => {
      this.#inForce.first.reject(fail('ERR_CONTROL_UNAVAILABLE', { detail: 'no snapshot in time' }));
    }, firstSnapshotDeadlineMs);
    await this.#inForce.first.promise;
    clearTimeout(late);
    const shared = await this.#listeners.listen(this.#parameters.listeners.postgres.port);
    await this.#listeners.follow(this.#inForce.resources);
    this.#shared = shared;
    this.#sayListening();
    return { ...this.#listeners.ports(), postgres: shared };
  }

  /** What expires is noticed here; control hears how the sessions get on. */
  tick(): void {
    this.#pipeline.recheck();
    this.#rpc.notify('progress', { sessions: Object.fromEntries(this.#pipeline.sessions.map(({ listed }) => [listed.id, listed.operations])) });
  }

  async close(): Promise<void> {
    await this.#listeners.close();
    this.#rpc.close();
    await this.#parser[Symbol.asyncDispose]();
  }

  #connect(): LastingRpc {
    const { controlSocket, controlSecret, instance } = this.#parameters;
    return lastingRpc({
      path: controlSocket,
      secret: controlSecret,
      name: instance,
      // control may have been started again: it learns what is live
      onConnect: (peer) => {
        void peer.call('resume', { sessions: this.#pipeline.sessions.map(({ listed }) => listed) }).catch((error: unknown) => {
          log(`resume: ${asAppError(error).message}`);
        });
        this.#sayListening();
      },
      onLost: () => {
        this.#requests.lost();
      },
      handlers: {
        snapshot: (snapshot) => {
          this.#follow(snapshot as Snapshot);
        },
        decided: (request) => {
          void this.#requests.decided(request).catch((error: unknown) => {
            log(`decided: ${asAppError(error).detail ?? asAppError(error).message}`);
          });
        },
        kill: (given) => {
          const { session, reason } = Kill.parse(given);
          return this.#pipeline.kill(session, reason);
        },
        probe: async (given) => {
          const { resource, credential } = OnTarget.parse(given);
          await this.#inspector.probe(resource, secretOf(credential));
        },
        classify: (given) => {
          const { resource, credential, database, statement } = Classify.parse(given);
          return this.#inspector.classify(resource, secretOf(credential), { database, statement });
        },
      },
    });
  }

  #sayListening(): void {
    const { host } = this.#parameters.listeners.postgres;
    if (this.#shared !== null) this.#rpc.notify('listening', { listeners: [{ protocol: 'postgres', host, port: this.#shared }] });
  }

  #follow(snapshot: Snapshot): void {
    this.#inForce.apply(snapshot);
    this.#pipeline.recheck();
    if (this.#listeners.isOpen) void this.#listeners.follow(this.#inForce.resources);
  }
}

async function start(parameters: Boot): Promise<{ ready: Record<string, unknown>; stop: () => Promise<void> }> {
  const audit = new AuditClient({ socketPath: parameters.auditSocket, client: `gateway-${randomBytes(9).toString('base64url')}` });
  await audit.ready();
  const gateway = new Gateway(parameters, { audit, parser: await loadParser() });
  const ports = await gateway.open();
  const timer = setInterval(() => {
    gateway.tick();
  }, recheckMs);
  return {
    ready: { ports },
    stop: async () => {
      clearInterval(timer);
      await gateway.close();
      await audit.close();
    },
  };
}

function secretBytes(base64: string): Secret<Uint8Array> {
  return new Secret(Buffer.from(base64, 'base64'));
}

function secretOf(credential: { account: string; password: string }): Credential {
  return { account: credential.account, password: new Secret(credential.password) };
}

await boot(Boot, start);
