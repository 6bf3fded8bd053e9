// First stage: plain JavaScript for whatever Node runs npm (18 or newer), no dependencies. Brings node_modules to the
// state of package-lock.json, checks the pinned Node against build/node-hashes.json, and runs a script under it.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, createReadStream, existsSync, lstatSync, mkdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');

/** A fault the reader can act on: printed without a stack. */
class StageError extends Error {}

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** npm's own rule for os, cpu and libc (a name or a list): `!x` excludes, anything else is an allow-list. */
function suits(rule, actual) {
  if (rule === undefined) return true;
  const list = [rule].flat();
  if (list.includes(`!${actual}`)) return false;
  const allowed = list.filter((entry) => !entry.startsWith('!'));
  return allowed.length === 0 || allowed.includes(actual);
}

/** An optional package without a platform of its own comes and goes with its parent. The pinned Node needs glibc anyway. */
function isWanted(entry) {
  if (entry.optional !== true) return entry.link !== true;
  if (entry.os === undefined && entry.cpu === undefined) return false;
  return suits(entry.os, process.platform) && suits(entry.cpu, process.arch) && suits(entry.libc, 'glibc');
}

/** What differs between package-lock.json and the lock npm leaves in node_modules when an install has finished; null: nothing. */
function missingFrom(lockPath, installedPath) {
  if (!existsSync(lockPath)) throw new StageError('package-lock.json is missing: this is not a complete copy of the repository.');
  if (!existsSync(installedPath)) return 'node_modules';
  let installed;
  try {
    installed = readJson(installedPath).packages;
  } catch {
    return 'node_modules';
  }
  for (const [path, entry] of Object.entries(readJson(lockPath).packages)) {
    if (path === '') continue;
    const found = installed[path];
    if (found === undefined) {
      if (!isWanted(entry)) continue;
      return path;
    }
    if (found.version !== entry.version || found.integrity !== entry.integrity) return path;
  }
  return null;
}

function isWritable(path) {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

const installCommand = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--include=dev', '--include=optional'];

function install(missing) {
  if (!isWritable(root) || (existsSync(modules) && !isWritable(modules))) {
    const owner = statSync(root).uid;
    throw new StageError(
      `dependencies are not installed (${missing}) and ${root}, owned by uid ${owner}, is not writable by uid ${process.getuid?.()}.\n` +
        `Run \`npm ci --ignore-scripts\` there as its owner, or clone it again as the present user.`,
    );
  }
  process.stderr.write(
    `postern: installing dependencies as package-lock.json says, without install scripts (npm ${installCommand.join(' ')}); about a minute, once\n`,
  );
  const inside = process.env.npm_execpath;
  const [command, first] = inside?.endsWith('.js') && existsSync(inside) ? [process.execPath, [inside]] : ['npm', []];
  const shell = command === 'npm' && process.platform === 'win32';
  const ran = spawnSync(command, [...first, ...installCommand], { cwd: root, stdio: ['ignore', 2, 2], shell });
  if (ran.error !== undefined)
    throw new StageError(`npm could not be started (${ran.error.message}). Install npm, or run \`npm ci --ignore-scripts\` in ${root}.`);
  if (ran.status !== 0) {
    throw new StageError(
      `npm ci failed (exit ${ran.status}); npm's own message is above. The npm registry must be reachable once; later starts need no network.`,
    );
  }
}

/** @param {{ mayInstall: boolean }} options */
function ensureInstalled({ mayInstall }) {
  const lockPath = join(root, 'package-lock.json');
  const installedPath = join(modules, '.package-lock.json');
  const missing = missingFrom(lockPath, installedPath);
  if (missing === null) return;
  if (!mayInstall) {
    throw new StageError(
      `dependencies differ from package-lock.json (${missing}) and nothing is installed here. Run \`npm ci --ignore-scripts\` in ${root} first.`,
    );
  }
  install(missing);
  const still = missingFrom(lockPath, installedPath);
  if (still !== null) throw new StageError(`npm ci ended well but ${still} is not as package-lock.json says. Remove node_modules and try again.`);
}

function sha256(path) {
  return new Promise((resolve, reject) => {
    const hash = createHash('sha256');
    createReadStream(path, { highWaterMark: 1 << 20 })
      .on('data', (chunk) => hash.update(chunk))
      .on('end', () => resolve(hash.digest('hex')))
      .on('error', reject);
  });
}

/** Path of the pinned Node; its bytes are those of build/node-hashes.json. */
async function pinnedNode() {
  const platform = `${process.platform}-${process.arch}`;
  const { version, binaries } = readJson(join(root, 'build', 'node-hashes.json'));
  const pinned = binaries[platform];
  if (pinned === undefined) throw new StageError(`there is no pinned Node ${version} for ${platform}; supported: ${Object.keys(binaries).join(', ')}.`);
  const path = join(modules, pinned.package, pinned.path);
  if (!existsSync(path)) throw new StageError(`${path} is missing: install with optional dependencies (\`npm ci --ignore-scripts --include=optional\`).`);
  const found = await sha256(path);
  if (found !== pinned.sha256)
    throw new StageError(`${path} is not Node ${version}: its SHA-256 is ${found}, expected ${pinned.sha256}. Remove node_modules and install again.`);
  return path;
}

/** Node flags for a script: nothing in the service may turn a string into code. */
function flagsFor(script) {
  const quiet = ['--disable-warning=ExperimentalWarning'];
  return /^(proxy[\\/]|build[\\/]start[.]ts$)/.test(script) ? ['--disallow-code-generation-from-strings', ...quiet] : quiet;
}

/** Only this user can put anything there: a folder, no link. */
function isOurs(path, uid) {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === uid && (found.mode & 0o022) === 0;
}

/**
 * Where Node keeps our code compiled, which more than halves a start: it is run as found, so it lies in a checkout of
 * this user's and nobody else may write there. Undefined: nothing is kept, as for a service under an account of its own.
 */
function compiledFolder() {
  const uid = process.getuid?.();
  if (uid === undefined || statSync(root).uid !== uid) return undefined;
  const kept = join(root, '.cache');
  const compiled = join(kept, 'compiled');
  try {
    // what else is kept there is for servers of other accounts, too
    if (!existsSync(kept)) mkdirSync(kept, { mode: 0o755 });
    if (!isOurs(kept, uid)) return undefined;
    if (!existsSync(compiled)) mkdirSync(compiled, { mode: 0o700 });
    if (!isOurs(compiled, uid)) return undefined;
  } catch {
    // read-only, or made by another start at this moment
    return undefined;
  }
  return compiled;
}

/** The environment of a script; what a person set about the compiled code stays. */
function environment() {
  const compiled = process.env.NODE_COMPILE_CACHE === undefined ? compiledFolder() : undefined;
  return compiled === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: compiled };
}

/** Runs to the end; the child gets our signals, we take over its exit code or signal. */
function runUnder(node, args) {
  const child = spawn(node, args, { stdio: 'inherit', env: environment() });
  // a terminal sends Ctrl-C to the whole group already; a second SIGINT would read as "at once"
  const own = process.stdin.isTTY ? ['SIGTERM', 'SIGHUP'] : ['SIGTERM', 'SIGHUP', 'SIGINT'];
  if (process.stdin.isTTY) process.on('SIGINT', () => undefined);
  for (const signal of own) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => report(new StageError(`the pinned Node could not be started (${error.message}); it needs a glibc Linux, macOS or Windows.`)));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function report(error) {
  process.stderr.write(error instanceof StageError ? `postern: ${error.message}\n` : `postern: ${error?.stack ?? error}\n`);
  process.exit(1);
}

/** The JavaScript behind `node_modules/.bin/NAME`, or a script of ours. */
function entryOf(target) {
  if (target.bin === undefined) return join(root, target.script);
  const link = join(modules, '.bin', target.bin);
  if (!existsSync(link)) throw new StageError(`there is no tool called ${target.bin}.`);
  return realpathSync(link);
}

/**
 * @param {{ script?: string, bin?: string }} target a script path relative to the repository, or the name of an installed tool
 * @param {string[]} args passed on unchanged
 * @param {{ mayInstall: boolean }} options
 */
export async function stage(target, args, options) {
  try {
    ensureInstalled(options);
    const node = await pinnedNode();
    runUnder(node, [...flagsFor(target.script ?? ''), entryOf(target), ...args]);
  } catch (error) {
    report(error);
  }
}
