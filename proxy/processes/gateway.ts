import { randomBytes, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { GatewayRequests } from '../approval/gateway-requests.ts';
import { AuditClient } from '../audit/client.ts';
import { asAppError, fail } from '../contract/errors.ts';
import { Resource, type Protocol } from '../contract/resource.ts';
import type { LeasedCredential, RecordingKey, Snapshot } from '../contract/snapshot.ts';
import { loadCatalogue } from '../engines/postgres/catalogue.ts';
import { createClassifier, loadParser, type SqlParser } from '../engines/postgres/classify.ts';
import { createPostgresEngine } from '../engines/postgres/index.ts';
import { createInspector, type Inspector } from '../engines/postgres/inspect.ts';
import type { CatalogueLoading } from '../engines/postgres/client-catalogue.ts';
import { createIdentity } from '../identity/identity.ts';
import { lastingRpc, type LastingRpc } from '../ipc/rpc.ts';
import { systemClock } from '../lib/clock.ts';
import { Secret } from '../lib/secret.ts';
import { createMasking } from '../masking/masking.ts';
import { maskText } from '../masking/text.ts';
import type { Credential, Engine, EngineLimits } from '../pipeline/engine.ts';
import { header, timestamp } from '../pipeline/headers.ts';
import { Pipeline } from '../pipeline/pipeline.ts';
import type { ControlPort, RecorderPort } from '../pipeline/ports.ts';
import { createPolicy } from '../policy/policy.ts';
import { createRecorder } from '../recording/recorder.ts';
import { Upstreams } from '../wire/web/upstream.ts';
import { boot } from './boot.ts';
import { jsonFetcher } from './fetch-json.ts';
import { InForce, type Features } from './gateway-in-force.ts';
import { Listeners } from './gateway-listeners.ts';
import { webParts, type WebParts } from './gateway-web.ts';

const Listener = z.strictObject({ host: z.string(), port: z.int() });
const Boot = z.strictObject({
  dir: z.string(),
  instance: z.string(),
  auditSocket: z.string(),
  controlSocket: z.string(),
  controlSecret: z.string(),
  listeners: z.strictObject({ postgres: Listener, web: Listener }),
  /** of the control API: our own MCP server is there */
  controlUrl: z.string(),
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
const OnTarget = z.object({ resource: Resource, credential: z.object({ account: z.string(), password: z.string(), secretVersion: z.int() }) });
const Classify = OnTarget.extend({ database: z.string(), statement: z.string() });

function log(line: string): void {
  process.stderr.write(`${new Date().toISOString()} ${line.slice(0, 2_000)}\n`);
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

function featuresOf(parameters: Boot, upstreams: Upstreams): Features {
  const onFault = (error: unknown): void => {
    log(`policy: ${asAppError(error).detail ?? asAppError(error).message}`);
  };
  const trusting = { fetchJson: jsonFetcher(upstreams), mask: maskText };
  return { identity: createIdentity(systemClock, secretBytes(parameters.pepper), trusting), policy: createPolicy({ onFault }), masking: createMasking() };
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
  readonly #databases: Listeners;
  readonly #web: Listeners;
  readonly #brokers: WebParts;
  /** ports of the shared listeners; null: not open yet */
  #shared: { readonly postgres: number; readonly web: number } | null = null;

  constructor(parameters: Boot, parts: { audit: AuditClient; parser: SqlParser }) {
    const { audit, parser } = parts;
    const upstreams = new Upstreams();
    const features = featuresOf(parameters, upstreams);
    const loading: CatalogueLoading = {
      loadCatalogue: (query, previous) => loadCatalogue(query, parser, previous),
      createClassifier: (catalogue) => createClassifier(catalogue, { parser }),
    };
    this.#parameters = parameters;
    this.#parser = parser;
    this.#inspector = createInspector(loading);
    this.#inForce = new InForce(features);
    this.#rpc = this.#connect();
    const control = controlPort(this.#rpc);
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
        control,
        approval: this.#requests,
        resource: (name) => this.#inForce.resource(name),
      },
      { gateway: parameters.instance, limits, clock: systemClock, digestKey: secretBytes(parameters.digestKey) },
    );
    this.#brokers = webParts({
      own: { controlUrl: parameters.controlUrl, cert: parameters.tls.cert, forwarder: new Secret(parameters.controlSecret) },
      upstreams,
      identity: features.identity,
      pins: () => this.#inForce.toolPins,
      resource: (name) => this.#inForce.resource(name),
      control: this.#rpc,
      loading,
      masking: features.masking.port,
      lease: (session, resource) => control.lease(session, resource),
      audit,
      log,
    });
    this.#databases = this.#listenersOf('postgres', createPostgresEngine({ ...loading, clock: systemClock }), ['postgres']);
    this.#web = this.#listenersOf('web', this.#brokers.engine, ['http', 'mcp']);
  }

  #listenersOf(name: 'postgres' | 'web', engine: Engine, protocols: readonly Protocol[]): Listeners {
    const { tls, listeners } = this.#parameters;
    const names = namesOf(tls.cert);
    return new Listeners({
      engine,
      host: listeners[name].host,
      protocols,
      gate: (address, pinned) => this.#pipeline.gate({ protocols, address, pinned, tls, names }),
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
    const { listeners } = this.#parameters;
    const shared = { postgres: await this.#databases.listen(listeners.postgres.port), web: await this.#web.listen(listeners.web.port) };
    await this.#followPorts();
    this.#shared = shared;
    this.#sayListening();
    return { ...this.#databases.ports(), ...this.#web.ports(), ...shared };
  }

  /** What expires is noticed here; control hears how the sessions get on. */
  tick(): void {
    this.#pipeline.recheck();
    this.#rpc.notify('progress', { sessions: Object.fromEntries(this.#pipeline.sessions.map(({ listed }) => [listed.id, listed.operations])) });
  }

  async close(): Promise<void> {
    await Promise.all([this.#databases.close(), this.#web.close()]);
    await this.#pipeline.stop('The gateway stops.');
    await this.#brokers.close();
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
          if (resource.protocol !== 'postgres') return this.#brokers.probe(resource, secretOf(credential));
          await this.#inspector.probe(resource, secretOf(credential));
          return null;
        },
        classify: (given) => {
          const { resource, credential, database, statement } = Classify.parse(given);
          if (resource.protocol !== 'postgres') throw fail('ERR_INVALID_INPUT', { message: 'Only resources of databases have statements.' });
          return this.#inspector.classify(resource, secretOf(credential), { database, statement });
        },
      },
    });
  }

  #sayListening(): void {
    const { postgres, web } = this.#parameters.listeners;
    if (this.#shared === null) return;
    const listeners = [
      { protocol: 'postgres', host: postgres.host, port: this.#shared.postgres },
      { protocol: 'web', host: web.host, port: this.#shared.web },
    ];
    this.#rpc.notify('listening', { listeners });
  }

  #follow(snapshot: Snapshot): void {
    this.#inForce.apply(snapshot);
    this.#pipeline.recheck();
    if (this.#shared !== null) void this.#followPorts();
  }

  async #followPorts(): Promise<void> {
    await Promise.all([this.#databases, this.#web].map((listeners) => listeners.follow(this.#inForce.resources)));
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

function secretOf({ account, password, secretVersion }: { account: string; password: string; secretVersion: number }): Credential {
  return { account, password: new Secret(password), version: secretVersion };
}

/** Host names and addresses of the certificate: what clients call this gateway. */
function namesOf(cert: string): string[] {
  const names = new X509Certificate(cert).subjectAltName ?? '';
  return names.split(', ').map((name) => name.replace(/^(DNS|IP Address):/, '').toLowerCase());
}

await boot(Boot, start);
