import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { basename, isAbsolute, normalize } from 'node:path';
import { fail } from '../../contract/errors.ts';
import type { AppError } from '../../lib/errors.ts';
import type { Secret } from '../../lib/secret.ts';

/** How an MCP server over stdio is started: from the administrator's configuration only, never from a client. */
export interface StdioLaunch {
  /** absolute path of an installed program; a shell with `-c` is possible, and is exactly what the administrator wrote */
  readonly command: string;
  readonly args: readonly string[];
  /** not secret; beside it the child gets PATH and LANG, and HOME in the sandbox, and nothing of the gateway's */
  readonly environment: Readonly<Record<string, string>>;
  /** `file`: the variable holds the path of a file with the value that only the child can read */
  readonly secret: StdioSecret | null;
  /** working directory; null: `/tmp` in the sandbox, `/` without */
  readonly directory: string | null;
  /** checked before every start: a file that differs keeps the server from starting */
  readonly integrity: readonly { readonly path: string; readonly sha256: string }[];
  /** `required`: bubblewrap, or no start at all; `none`: the child has all rights of the gateway's own account */
  readonly sandbox: 'required' | 'none';
  /** in the sandbox: the host's network; false: not even its loopback */
  readonly network: boolean;
  /** absolute paths that are bound at the same place; beside them there is `/usr` and the program itself */
  readonly readable: readonly string[];
  readonly writable: readonly string[];
  readonly limits: StdioLimits;
}

export interface StdioSecret {
  readonly kind: 'environment' | 'file';
  readonly variable: string;
  readonly value: Secret<string>;
}

/**
 * All but the first two are resource limits of the kernel, set by prlimit, for each process of the child. Without a sandbox
 * `processes` isn't set: the kernel would count all that runs under the gateway's account.
 */
export interface StdioLimits {
  /** of one message, either way */
  readonly maxMessageBytes: number;
  readonly maxStderrLines: number;
  /** RLIMIT_DATA: writable private memory. The address space is not limited, V8 and wasm reserve far more than they use. */
  readonly memoryMiB: number;
  readonly cpuSeconds: number | null;
  /** processes and threads together */
  readonly processes: number;
  readonly openFiles: number;
}

/** These fetch code when they start: what runs would not be what was installed and checked. */
const runners = new Set(['npx', 'npm', 'npx-cli.js', 'npm-cli.js', 'pnpm', 'pnpx', 'yarn', 'bunx', 'uvx', 'pipx', 'corepack', 'docker', 'podman']);
const interpreters = new Set(['env', 'node', 'bun', 'sh', 'bash', 'dash', 'nice', 'nohup', 'setsid', 'timeout', 'sudo']);

const maxArgs = 256;
const maxVariables = 128;
const maxPaths = 128;
const maxTextBytes = 64 * 1024;
const maxHashedBytes = 1024 ** 3;
const hashDeadlineMs = 60_000;
/** never bound: the sandbox has its own */
const kernelPaths = ['/proc', '/sys', '/dev'];

/** Throws ERR_INVALID_INPUT for a launch that is refused whatever the machine. */
export async function checkLaunch(launch: StdioLaunch): Promise<void> {
  checkPath(launch.command, 'command');
  await refuseRunners(launch);
  if (launch.args.length > maxArgs) throw invalid('args', 'has too many members');
  for (const arg of launch.args) checkText(arg, 'args');
  checkEnvironment(launch);
  if (launch.directory !== null) checkPath(launch.directory, 'directory');
  checkMounts(launch);
  for (const { path, sha256 } of launch.integrity) {
    checkPath(path, 'integrity');
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw invalid('integrity', 'needs SHA-256 as 64 hexadecimal digits');
  }
  checkLimits(launch.limits);
}

async function refuseRunners({ command, args }: StdioLaunch): Promise<void> {
  const real = await realpath(command).catch(() => command);
  const names = [command, real];
  // `node …/npx-cli.js`, `env npx`: the first argument that is no option is what runs
  if (names.some((name) => interpreters.has(basename(name)))) names.push(...args.filter((arg) => !arg.startsWith('-')).slice(0, 1));
  const runner = names.map((name) => basename(name)).find((name) => runners.has(name));
  if (runner !== undefined) throw invalid('command', `may not be ${runner}, which fetches code when it starts: install the package and name its program`);
}

function checkEnvironment({ environment, secret }: StdioLaunch): void {
  const variables = Object.entries(environment);
  if (variables.length > maxVariables) throw invalid('environment', 'has too many members');
  for (const [name, value] of variables) {
    checkVariable(name);
    checkText(value, 'environment');
  }
  if (secret === null) return;
  checkVariable(secret.variable);
  if (secret.variable in environment) throw invalid('secret', 'has the name of another variable');
  const value = secret.value.reveal();
  if (Buffer.byteLength(value) > maxTextBytes) throw invalid('secret', 'is too long');
  if (value === '' || (secret.kind === 'environment' && value.includes('\0'))) throw invalid('secret', 'is empty or no text');
}

function checkVariable(name: string): void {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name)) throw invalid('environment', 'has a name that is no name of a variable');
}

function checkMounts({ readable, writable }: StdioLaunch): void {
  if (readable.length + writable.length > maxPaths) throw invalid('readable', 'has too many members');
  for (const path of [...readable, ...writable]) {
    checkPath(path, 'readable');
    if (path === '/' || kernelPaths.some((kernel) => path === kernel || path.startsWith(`${kernel}/`)))
      throw invalid('readable', 'may not hold the whole machine, nor anything of the kernel');
  }
}

function checkLimits({ cpuSeconds, ...others }: StdioLimits): void {
  for (const value of [...Object.values(others), cpuSeconds ?? 1])
    if (!Number.isSafeInteger(value) || value < 1) throw invalid('limits', 'need whole numbers above 0');
}

function checkPath(path: string, member: string): void {
  checkText(path, member);
  if (!isAbsolute(path) || normalize(path) !== path || (path.length > 1 && path.endsWith('/'))) throw invalid(member, 'needs absolute, plain paths');
}

function checkText(text: string, member: string): void {
  if (text.includes('\0') || Buffer.byteLength(text) > maxTextBytes) throw invalid(member, 'is too long or holds a NUL');
}

function invalid(member: string, what: string): AppError {
  return fail('ERR_INVALID_INPUT', {
    message: 'The MCP server is not configured in a way that can be started.',
    detail: `${member} ${what}`,
    faults: [{ path: member, message: what }],
  });
}

/** Hashes every listed file. Throws ERR_VERIFICATION_FAILED for the first that differs, or can't be read. */
export async function checkIntegrity({ integrity }: StdioLaunch): Promise<void> {
  const signal = AbortSignal.timeout(hashDeadlineMs);
  for (const { path, sha256 } of integrity) {
    const found = await hashOf(path, signal).catch((error: unknown) => String(error));
    if (found === sha256) continue;
    throw fail('ERR_VERIFICATION_FAILED', {
      message: 'A file of the MCP server is not the one that was registered, so the server is not started.',
      detail: `${path}: expected sha256 ${sha256}, found ${found}`,
      hint: 'Ask the administrator to find out who changed it.',
    });
  }
}

async function hashOf(path: string, signal: AbortSignal): Promise<string> {
  // NONBLOCK: a pipe put in the place of the file must not hold us
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.size > maxHashedBytes) return 'no regular file, or one that is too long';
    const hash = createHash('sha256');
    for await (const chunk of file.createReadStream({ autoClose: false, highWaterMark: 256 * 1024, signal })) hash.update(chunk as Buffer);
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}
