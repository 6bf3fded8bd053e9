import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readFile, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lockWriter } from '../audit/writer-lock.ts';
import { fail } from '../contract/errors.ts';
import { ensureServerTls, serverNames, type ServerTls } from '../control/certificates.ts';
import { Secret } from '../lib/secret.ts';
import { openAppliance, type Appliance } from '../store/appliance.ts';
import { nodeFiles, replaceFile } from '../store/files.ts';
import type { KeyPurpose } from '../vault/vault.ts';
import { openVaultOf } from './control-vault.ts';
import { layoutOf, makeLayout, type Layout } from './layout.ts';
import { LogFile } from './log-file.ts';
import type { Custody, ServeConfig } from './settings.ts';
import { Supervised } from './supervised.ts';

export interface ServiceOptions {
  readonly dir: string;
  readonly version: string;
  readonly config: ServeConfig;
  /** of a systemd unit: $CREDENTIALS_DIRECTORY */
  readonly credentialsDirectory?: string | undefined;
  /** where the token of the first administrator is written, 0600; without it, it is only in `adminToken` */
  readonly adminTokenFile?: string | undefined;
  /** files and directories in `dir` that are no store of ours: the self-scan leaves them out */
  readonly scanExclude?: readonly string[] | undefined;
  /** directory of the built console; without it the one of this checkout, null: none */
  readonly console?: string | null | undefined;
  /** false: no set-up link is made */
  readonly setUp?: boolean | undefined;
}

export interface Service {
  readonly layout: Layout;
  readonly ports: Readonly<Record<string, number>>;
  readonly controlUrl: string;
  /** of the first administrator; null when one exists already */
  readonly adminToken: Secret<string> | null;
  /** where the first administrator enrols, once and for a day; null when one is enrolled */
  readonly setUpLink: Secret<string> | null;
  readonly processes: readonly Supervised['state'][];
  /** gateway, control, audit: each after the one before has ended */
  stop(): Promise<void>;
}

type Keys = Readonly<Record<KeyPurpose, string>>;

interface Started {
  readonly layout: Layout;
  readonly appliance: Appliance;
  readonly custody: Custody;
  readonly keys: Keys;
  readonly logSeed: string;
  readonly tls: ServerTls;
  readonly secrets: { readonly control: string; readonly reader: string };
}

/** Starts audit, control and gateway on a data directory and keeps them running. Throws ERR_CONFLICT when it is in use. */
export async function startService(options: ServiceOptions): Promise<Service> {
  const layout = layoutOf(resolve(options.dir));
  await makeLayout(layout);
  const lock = lockDirectory(layout);
  const running: Supervised[] = [];
  try {
    await prepareRun(dirname(layout.controlSocket));
    const started = await prepare(layout, options);
    return await launch(options, { started, lock, running });
  } catch (error) {
    for (const process of running.toReversed()) await process.stop();
    lock[Symbol.dispose]();
    throw error;
  }
}

async function prepare(layout: Layout, options: ServiceOptions): Promise<Started> {
  const document = await openAppliance(layout.appliance, () => initialAppliance(options.config));
  const stored = document.read();
  const appliance = { ...stored, listeners: { ...stored.listeners, ...withoutUndefined(options.config.listeners ?? {}) } };
  const custody = await custodyFor(layout, options);
  const vault = await openVaultOf(layout.vault, custody, true);
  const key = (purpose: KeyPurpose): string => Buffer.from(vault.derive(purpose).reveal()).toString('base64');
  const keys: Keys = {
    'audit-body': key('audit-body'),
    'input-digest': key('input-digest'),
    'recording-wrapping': key('recording-wrapping'),
    'scram-fake-salt': key('scram-fake-salt'),
  };
  await vault.close();
  return {
    layout,
    appliance,
    custody,
    keys,
    logSeed: await seedOf(join(layout.keys, 'log.key')),
    tls: await tlsOf(layout, appliance, options.config),
    secrets: { control: randomBytes(32).toString('base64url'), reader: randomBytes(32).toString('base64url') },
  };
}

/** The three processes of one service and what they said when they were ready. */
class Launch {
  readonly #options: ServiceOptions;
  readonly #started: Started;
  readonly #running: Supervised[];
  readonly #startedAt = new Date().toISOString();
  #isSetUp = false;
  #controlPort = 0;
  #writing: Promise<void> = Promise.resolve();
  ports: Readonly<Record<string, number>> = {};
  adminToken: Secret<string> | null = null;
  setUpLink: Secret<string> | null = null;

  constructor(options: ServiceOptions, started: Started, running: Supervised[]) {
    this.#options = options;
    this.#started = started;
    this.#running = running;
  }

  get controlUrl(): string {
    return `https://${reachable(this.#started.appliance.listeners.control.host)}:${String(this.#controlPort)}`;
  }

  get processes(): readonly Supervised['state'][] {
    return this.#running.map((child) => child.state);
  }

  async all(): Promise<void> {
    const { layout } = this.#started;
    let verifierKey = '';
    await this.#begin(
      'audit',
      () => auditParameters(this.#started),
      (said) => {
        verifierKey = String(said['verifierKey']);
      },
    );
    // public: what the log is verified with; to be kept outside of this machine too
    await replaceFile(layout.verifierKey, Buffer.from(`${verifierKey}\n`), nodeFiles, 0o644);
    await this.#begin(
      'control',
      () => controlParameters(this.#started, this.#options, { port: this.#controlPort, setUp: !this.#isSetUp && this.#options.setUp !== false }),
      (said) => {
        this.#controlPort = Number(said['port']);
        if (typeof said['adminToken'] === 'string') this.adminToken = new Secret(said['adminToken']);
        if (typeof said['setUpLink'] === 'string') this.setUpLink = new Secret(said['setUpLink']);
        // one link a start of the service: when control alone is started again, it stays good
        this.#isSetUp = true;
      },
    );
    await this.#begin(
      'gateway',
      () => ({ ...gatewayParameters(this.#started, this.ports), controlUrl: this.controlUrl }),
      (said) => {
        this.ports = portsOf(said['ports']);
      },
    );
    this.#changed();
    await this.#writing;
    const { adminTokenFile } = this.#options;
    if (this.adminToken !== null && adminTokenFile !== undefined) await replaceFile(adminTokenFile, Buffer.from(`${this.adminToken.reveal()}\n`));
  }

  async stop(): Promise<void> {
    for (const child of this.#running.toReversed()) await child.stop();
    await this.#writing;
    await rm(this.#started.layout.status, { force: true });
  }

  async #begin(name: string, parameters: () => Record<string, unknown>, ready: (said: Readonly<Record<string, unknown>>) => void): Promise<void> {
    const child = new Supervised({
      name,
      entry: fileURLToPath(new URL(`./${name}.ts`, import.meta.url)),
      log: new LogFile(join(this.#started.layout.logs, `${name}.log`)),
      parameters: () => Promise.resolve(parameters()),
      ready,
      says: (said) => name === 'control' && this.#asked(said),
      changed: () => {
        this.#changed();
      },
    });
    this.#running.push(child);
    await child.start();
  }

  /** Control passes on what an administrator asked for. */
  #asked({ restart }: Readonly<Record<string, unknown>>): boolean {
    if (restart !== 'control' && restart !== 'gateway') return false;
    void this.#running.find(({ state }) => state.name === restart)?.restart();
    return true;
  }

  #changed(): void {
    const { controlUrl, ports, processes } = this;
    const { apiSocket } = this.#started.layout;
    const status = { controlUrl, apiSocket, pid: process.pid, version: this.#options.version, startedAt: this.#startedAt, ports, processes };
    // without the file the service still works: a full disk must not end it
    this.#writing = this.#writing
      .then(() => replaceFile(this.#started.layout.status, Buffer.from(`${JSON.stringify(status, null, 2)}\n`), nodeFiles))
      .catch(() => undefined);
  }
}

/** How this machine itself reaches a listener; the certificate knows the loopback addresses. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

async function launch(options: ServiceOptions, given: { started: Started; lock: Disposable; running: Supervised[] }): Promise<Service> {
  const launched = new Launch(options, given.started, given.running);
  await launched.all();
  return {
    layout: given.started.layout,
    controlUrl: launched.controlUrl,
    adminToken: launched.adminToken,
    setUpLink: launched.setUpLink,
    get ports() {
      return launched.ports;
    },
    get processes() {
      return launched.processes;
    },
    stop: async () => {
      await launched.stop();
      given.lock[Symbol.dispose]();
    },
  };
}

function auditParameters({ layout, appliance, keys, logSeed, secrets }: Started): Record<string, unknown> {
  return {
    directory: layout.audit,
    origin: appliance.origin,
    socketPath: layout.auditSocket,
    seed: logSeed,
    bodyKey: keys['audit-body'],
    readerToken: secrets.reader,
  };
}

const builtConsole = fileURLToPath(new URL('../../out/renderer', import.meta.url));

function controlParameters(
  { layout, appliance, keys, custody, tls, secrets }: Started,
  options: ServiceOptions,
  { port, setUp }: { port: number; setUp: boolean },
): Record<string, unknown> {
  const { control } = appliance.listeners;
  return {
    dir: layout.dir,
    version: options.version,
    origin: appliance.origin,
    auditSocket: layout.auditSocket,
    controlSocket: layout.controlSocket,
    controlSecret: secrets.control,
    readerToken: secrets.reader,
    custody,
    pepper: keys['scram-fake-salt'],
    // the port it got the first time is kept over its restarts
    listener: { host: control.host, port: port === 0 ? control.port : port },
    tls: { key: tls.key, cert: tls.cert },
    scanExclude: [...(options.scanExclude ?? []), basename(layout.setUpLink)],
    console: options.console === undefined ? builtConsole : options.console,
    setUp,
  };
}

function gatewayParameters({ layout, appliance, keys, tls, secrets }: Started, ports: Readonly<Record<string, number>>): Record<string, unknown> {
  const { postgres, web } = appliance.listeners;
  return {
    dir: layout.dir,
    instance: 'gwy_main',
    auditSocket: layout.auditSocket,
    controlSocket: layout.controlSocket,
    controlSecret: secrets.control,
    listeners: {
      postgres: { host: postgres.host, port: ports['postgres'] ?? postgres.port },
      web: { host: web.host, port: ports['web'] ?? web.port },
    },
    tls: { key: tls.key, cert: tls.cert },
    digestKey: keys['input-digest'],
    pepper: keys['scram-fake-salt'],
  };
}

function initialAppliance(config: ServeConfig): Appliance {
  const name = config.name ?? 'postern';
  const host =
    hostname()
      .toLowerCase()
      .replaceAll(/[^a-z0-9.-]/g, '-')
      .replace(/^[.-]+/, '') || 'appliance';
  return {
    format: 'postern-appliance/1',
    name,
    // letters that no other installation on a machine of this name has
    origin: `${host}/postern/${randomLetters(8)}`,
    listeners: {
      postgres: { host: '127.0.0.1', port: 15_432 },
      control: { host: '127.0.0.1', port: 8_443 },
      web: { host: '127.0.0.1', port: 8_444 },
    },
    tls: null,
    setUp: { state: 'done', at: new Date().toISOString() },
  };
}

function randomLetters(count: number): string {
  return Array.from(randomBytes(count), (byte) => String.fromCharCode(97 + (byte % 26))).join('');
}

async function custodyFor(layout: Layout, { config, credentialsDirectory }: ServiceOptions): Promise<Custody> {
  const wanted = config.keyEncryption ?? { from: 'key-file', path: join(layout.keys, 'vault.key') };
  switch (wanted.from) {
    case 'key-file':
      return wanted;
    case 'systemd':
      if (credentialsDirectory === undefined)
        throw fail('ERR_VAULT_LOCKED', { message: 'systemd gave no credentials.', hint: 'Start it as a systemd unit with LoadCredentialEncrypted=.' });
      return { from: 'systemd', directory: credentialsDirectory, name: wanted.name };
    case 'passphrase-file': {
      const passphrase = (await readFile(wanted.path, 'utf8')).replace(/\r?\n$/, '');
      return { from: 'passphrase', passphrase, saltFile: join(layout.keys, 'vault.salt') };
    }
  }
}

async function tlsOf(layout: Layout, appliance: Appliance, config: ServeConfig): Promise<ServerTls> {
  if (appliance.tls === null) return ensureServerTls(layout.tls, [...serverNames(hostname()), ...(config.tlsNames ?? [])]);
  const { key, certificate, authority } = appliance.tls;
  const [keyText, cert, ca] = await Promise.all([readFile(key, 'utf8'), readFile(certificate, 'utf8'), readFile(authority, 'utf8')]);
  return { key: keyText, cert, ca };
}

/** The log's signing key: 32 bytes in base64, 0400, made once. */
async function seedOf(path: string): Promise<string> {
  try {
    const text = (await readFile(path, 'utf8')).trim();
    if (Buffer.from(text, 'base64').length !== 32)
      throw fail('ERR_INTERNAL', { message: `${path} is no log key.`, hint: 'Restore it from the backup: without it the log cannot go on.' });
    return text;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  const seed = randomBytes(32).toString('base64');
  await replaceFile(path, Buffer.from(`${seed}\n`), nodeFiles, 0o400);
  return seed;
}

function lockDirectory(layout: Layout): Disposable {
  try {
    return lockWriter(layout.lock);
  } catch (error) {
    throw fail('ERR_CONFLICT', {
      message: `Another service is running on ${layout.dir}.`,
      hint: 'See `postern status`; stop it first, or use another --data directory.',
      cause: error,
    });
  }
}

/** A directory for sockets that is ours alone: in a shared temporary directory somebody could have made it before. */
async function prepareRun(run: string): Promise<void> {
  await mkdir(run, { recursive: true, mode: 0o700 });
  const { mode, uid } = await lstat(run);
  const ours = process.getuid === undefined || uid === process.getuid();
  if (!ours || (mode & 0o170_000) !== 0o040_000 || (mode & 0o077) !== 0)
    throw fail('ERR_INTERNAL', { message: `${run} is not a private directory of this user.`, hint: 'Remove it.' });
}

function portsOf(said: unknown): Record<string, number> {
  if (typeof said !== 'object' || said === null) return {};
  return Object.fromEntries(Object.entries(said).filter((entry): entry is [string, number] => typeof entry[1] === 'number'));
}

function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  // entries that are undefined are gone
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };
}
