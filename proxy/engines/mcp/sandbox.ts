import { lstat, readFile, readlink, realpath } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { fail } from '../../contract/errors.ts';
import type { StdioLaunch, StdioLimits } from './stdio-launch.ts';

/** What is started, and what it reads from the descriptors 3, 4, …; nothing secret stands in `file` and `args`. */
export interface SandboxedCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly inputs: readonly string[];
}

/** the descriptor on which bubblewrap tells the process id of the sandbox, as lines of JSON */
export const statusDescriptor = 3;
const firstInput = 4;

const bubblewrap = '/usr/bin/bwrap';
const prlimit = '/usr/bin/prlimit';
const setpriv = '/usr/bin/setpriv';
const unshare = '/usr/bin/unshare';
/** with the package of Debian that has it */
export const sandboxPrograms = { [bubblewrap]: 'bubblewrap', [prlimit]: 'util-linux', [setpriv]: 'util-linux', [unshare]: 'util-linux' };
const nobody = 65_534;
const mebibyte = 1024 * 1024;
/** V8 reserves this for code, writable, and uses little of it: RLIMIT_DATA counts it whole */
const codeRangeMiB = 512;

export const searchPath = '/usr/local/bin:/usr/bin:/bin';
export const language = 'C.UTF-8';
const secretFile = '/run/postern/credential';

/** Present on every Debian beside `/usr`, as links into it or as folders. */
const systemFolders = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];
const systemFiles = ['/etc/ld.so.cache'];
/** Names and trust of the host, for children that may use its network. */
const networkFiles = ['/etc/resolv.conf', '/etc/hosts', '/etc/nsswitch.conf', '/etc/services', '/etc/gai.conf', '/etc/ssl', '/etc/ca-certificates'];

/**
 * The command of a launch inside bubblewrap: own user, process, mount, IPC, host name and network namespaces, no capabilities,
 * no new privileges, an environment of the granted variables alone, and of the file system `/usr` and the granted paths.
 * Ordinary accounts become uid 65534 inside, and can't make further user namespaces; a gateway of root gives its children the
 * real account 65534 (nobody), which then must be able to read, or write, what is granted.
 *
 * What holds: memory by RLIMIT_DATA for each process, so `processes` times that for the child in the worst case; its temporary
 * files, in memory, up to the same size again. No cgroup is made.
 */
export async function sandboxed(launch: StdioLaunch): Promise<SandboxedCommand> {
  const inputs: string[] = [];
  const descriptor = (content: string): string => String(firstInput + inputs.push(content) - 1);
  const asRoot = process.getuid?.() === 0;
  const options = [
    ...namespaces(launch.network, asRoot),
    ...['--die-with-parent', '--new-session', '--clearenv', '--json-status-fd', String(statusDescriptor)],
    ...(await fileSystem(launch)),
    ...['--setenv', 'PATH', searchPath, '--setenv', 'LANG', language, '--setenv', 'HOME', '/tmp'],
    ...Object.entries(launch.environment).flatMap(([name, value]) => ['--setenv', name, value]),
    ...secretOptions(launch, descriptor),
    // last: whatever had to be made is made
    ...['--remount-ro', '/', '--chdir', launch.directory ?? '/tmp'],
  ];
  // by a descriptor: whoever can list processes reads the arguments of all of them
  const given = descriptor(`${options.join('\0')}\0`);
  return { file: bubblewrap, args: ['--args', given, '--', ...(asRoot ? becomeNobody : []), ...(await limited(launch, true))], inputs };
}

/** `--nproc` is counted for each user namespace, so root's child gets one, too: others run as nobody. */
const becomeNobody = [
  ...[setpriv, `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', '--inh-caps=-all', '--bounding-set=-all', '--no-new-privs', '--'],
  ...[unshare, '--user', `--map-user=${nobody}`, `--map-group=${nobody}`, '--'],
];

function namespaces(network: boolean, asRoot: boolean): string[] {
  const others = ['--unshare-ipc', '--unshare-pid', '--unshare-uts', '--unshare-cgroup-try', ...(network ? [] : ['--unshare-net'])];
  if (!asRoot) return [...others, '--unshare-user', '--disable-userns', '--uid', String(nobody), '--gid', String(nobody)];
  const needed = ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP'].flatMap((capability) => ['--cap-add', capability]);
  return [...others, '--cap-drop', 'ALL', ...needed];
}

async function fileSystem(launch: StdioLaunch): Promise<string[]> {
  const size = String(launch.limits.memoryMiB * mebibyte);
  const temporary = (path: string): string[] => ['--size', size, '--perms', '1777', '--tmpfs', path];
  const base = ['--ro-bind', '/usr', '/usr', ...(await Promise.all(systemFolders.map(systemFolder))).flat()];
  const folders = folderOptions(['/etc', dirname(secretFile)]);
  const files = [...systemFiles, ...(launch.network ? networkFiles : [])].flatMap((path) => ['--ro-bind-try', path, path]);
  const kernel = ['--proc', '/proc', '--dev', '/dev', '--remount-ro', '/dev', ...temporary('/dev/shm'), ...temporary('/tmp')];
  return [...base, ...folders, ...files, ...kernel, ...(await mounts(launch))];
}

async function systemFolder(path: string): Promise<string[]> {
  const found = await lstat(path).catch(() => null);
  if (found === null) return [];
  return found.isSymbolicLink() ? ['--symlink', await readlink(path), path] : ['--ro-bind', path, path];
}

/** Outer folders first, so that a folder inside another one keeps its own right. */
async function mounts({ command, directory, readable, writable }: StdioLaunch): Promise<string[]> {
  const granted = new Map<string, string>();
  if (!isOfSystem(command)) granted.set(command, '--ro-bind');
  if (directory !== null && !isOfSystem(`${directory}/`) && directory !== '/tmp' && directory !== '/') granted.set(directory, '--ro-bind');
  for (const path of readable) granted.set(path, '--ro-bind');
  for (const path of writable) granted.set(path, '--bind');
  const ordered = [...granted].sort(([one], [other]) => one.length - other.length);
  const outside = ordered.map(([path]) => dirname(path)).filter((path) => !ordered.some(([outer]) => `${path}/`.startsWith(`${outer}/`)));
  const options = ordered.map(async ([path, option]) => [option, await realpath(path).catch(() => missing(path)), path]);
  return [...folderOptions(outside), ...(await Promise.all(options)).flat()];
}

/** Folders on the way to what is bound: bubblewrap would make them for its own account alone. */
function folderOptions(paths: readonly string[]): string[] {
  const all = new Set<string>();
  for (const path of paths) {
    for (let folder = path; folder !== '/' && folder !== '/tmp' && !isOfSystem(`${folder}/`); folder = dirname(folder)) all.add(folder);
  }
  return [...all].toSorted((one, other) => one.length - other.length).flatMap((path) => ['--perms', '0755', '--dir', path]);
}

function missing(path: string): never {
  throw fail('ERR_TARGET_UNREACHABLE', {
    message: 'The MCP server cannot be started: a file or folder that it was given is not there.',
    detail: `${path} does not exist or cannot be reached by the gateway`,
  });
}

function isOfSystem(path: string): boolean {
  return ['/usr', ...systemFolders].some((folder) => path.startsWith(`${folder}/`));
}

function secretOptions({ secret }: StdioLaunch, descriptor: (content: string) => string): string[] {
  if (secret === null) return [];
  if (secret.kind === 'environment') return ['--setenv', secret.variable, secret.value.reveal()];
  // a nameless file in memory, in the sandbox's own mounts: gone with it. Nobody but the child is there to read it.
  return ['--perms', '0444', '--ro-bind-data', descriptor(secret.value.reveal()), secretFile, '--setenv', secret.variable, secretFile];
}

/** The command under its resource limits. `own`: it has a user namespace of its own, so its processes can be counted. */
export async function limited({ command, args, limits }: StdioLaunch, own: boolean): Promise<readonly string[]> {
  const isNode = await isNodeProgram(command);
  // so that the heap is cleaned up before the limit is met
  const all = isNode ? [command, `--max-old-space-size=${Math.ceil(limits.memoryMiB * 0.75)}`, ...args] : [command, ...args];
  const hard = await hardLimits();
  // macOS: no such limits
  if (hard === null) return all;
  return [prlimit, '--core=0', ...limitOptions(limits, { isNode, own, hard }), '--', ...all];
}

function limitOptions(limits: StdioLimits, { isNode, own, hard }: { isNode: boolean; own: boolean; hard: ReadonlyMap<string, number> }): string[] {
  const wanted: [option: string, name: string, value: number | null][] = [
    ['data', 'data size', (limits.memoryMiB + (isNode ? codeRangeMiB : 0)) * mebibyte],
    ['nproc', 'processes', own ? limits.processes : null],
    ['nofile', 'open files', limits.openFiles],
    ['cpu', 'cpu time', limits.cpuSeconds],
  ];
  // what our own account may not exceed can't be asked for
  return wanted.flatMap(([option, name, value]) => (value === null ? [] : [`--${option}=${Math.min(value, hard.get(name) ?? Infinity)}`]));
}

async function isNodeProgram(command: string): Promise<boolean> {
  if (basename(command) === 'node') return true;
  return (await realpath(command).catch(() => command)) === (await realpath(process.execPath));
}

async function hardLimits(): Promise<ReadonlyMap<string, number> | null> {
  const text = await readFile('/proc/self/limits', 'utf8').catch(() => null);
  if (text === null) return null;
  const rows = text.matchAll(/^Max (.+?) {2,}\S+ +(\d+)/gm);
  return new Map(Array.from(rows, ([, name = '', value]) => [name, Number(value)]));
}
