/**
 * Loaded into every process of the service under test (`node --import`): notes which bytes and which names the disk has
 * promised to keep, and fails what `DIR/fault.json` says. DIR is $POSTERN_DISK; the files watched are under its `watch`.
 *
 * Notes are one line each in DIR/notes, in the order of all processes:
 *   file PATH INODE | directory PATH | rename FROM TO INODE | remove PATH | asked NUMBER DIRECTORY | names NUMBER DIRECTORY |
 *   bytes INODE SIZE | cut INODE SIZE
 * `names` (of the directory as it was when `asked`) and `bytes` are noted after the disk has answered.
 */
import childProcess from 'node:child_process';
import fs, { constants, fstatSync, linkSync, lstatSync, openSync, readdirSync, readFileSync } from 'node:fs';
import promises, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join, resolve, sep } from 'node:path';

interface Settings {
  readonly watch: string;
  /** false: fsync, fdatasync and O_DSYNC do nothing, and nothing is ever durable */
  readonly syncs: boolean;
}

interface Fault {
  /** system error, for instance EIO */
  readonly code: string;
  /** what fails: `sync` after the bytes were written, `write` before, `open` for writing only */
  readonly at: readonly ('sync' | 'write' | 'open')[];
  /** directories and files, relative to what is watched, that fail; absent: all */
  readonly under?: readonly string[];
}

const home = process.env['POSTERN_DISK'];
if (home !== undefined) install(home);

interface Opened {
  readonly path: string;
  readonly isDsync: boolean;
}

function install(dir: string): void {
  // written by the test
  const settings = JSON.parse(readFileSync(join(dir, 'settings.json'), 'utf8')) as Settings;
  const notes = openSync(join(dir, 'notes'), 'a');
  const real = { ...promises };
  const { writeSync } = fs;
  const note = (...words: readonly (string | number)[]): void => {
    writeSync(notes, `${words.map((word) => encodeURI(String(word))).join(' ')}\n`);
  };
  const isWatched = (path: string): boolean => path === settings.watch || path.startsWith(settings.watch + sep);
  const strike = (path: string, at: Fault['at'][number]): void => {
    const fault = faultIn(dir);
    if (fault === null || !fault.at.includes(at) || !isWatched(path)) return;
    if (fault.under?.some((part) => path.startsWith(join(settings.watch, part))) === false) return;
    throw Object.assign(new Error(`${fault.code}: injected, ${at} '${path}'`), { code: fault.code, syscall: at, path });
  };
  /** What is about to lose its name is kept under its inode. */
  const preserve = (path: string): void => {
    for (const each of pathsOf(path)) {
      const { ino } = lstatSync(each);
      const kept = join(dir, 'kept', String(ino));
      if (lstatSync(each).isFile() && !isThere(kept)) linkSync(each, kept);
      note('remove', each);
    }
  };
  /** by file descriptor */
  const opened = new Map<number, Opened>();
  let syncs = 0;
  /** After bytes went out through a file of O_DSYNC. */
  const written = (fd: number, { path, isDsync }: Opened): void => {
    if (!isDsync) return;
    strike(path, 'sync');
    const { ino, size } = fstatSync(fd);
    if (settings.syncs && isWatched(path)) note('bytes', ino, size);
  };

  Object.assign(fs, {
    writeSync(fd: number, ...given: readonly unknown[]): number {
      const about = opened.get(fd);
      if (about !== undefined) strike(about.path, 'write');
      const done = Number(Reflect.apply(writeSync, fs, [fd, ...given]));
      if (about !== undefined) written(fd, about);
      return done;
    },
  });

  Object.assign(promises, {
    async open(given: string, flags: string | number = 'r', mode?: number): Promise<FileHandle> {
      const path = resolve(given);
      const bits =
        typeof flags === 'number' ? flags : flags.startsWith('r') && !flags.includes('+') ? constants.O_RDONLY : constants.O_WRONLY | constants.O_CREAT;
      const isWrite = (bits & (constants.O_WRONLY | constants.O_RDWR)) !== 0;
      if (isWrite) strike(path, 'open');
      const isNew = isWrite && isWatched(path) && !isThere(path);
      const isDsync = (bits & constants.O_DSYNC) !== 0;
      const file = await real.open(given, typeof flags === 'number' && !settings.syncs ? flags & ~constants.O_DSYNC : flags, mode);
      if (isNew) note('file', path, fstatSync(file.fd).ino);
      opened.set(file.fd, { path, isDsync });
      wrap(file, { path, isDsync });
      return file;
    },
    async rename(from: string, to: string): Promise<void> {
      const [source, target] = [resolve(from), resolve(to)];
      if (isWatched(target)) {
        strike(target, 'write');
        if (isThere(target)) preserve(target);
        note('rename', source, target, lstatSync(source).ino);
      }
      await real.rename(from, to);
    },
    async rm(given: string, options?: { force?: boolean; recursive?: boolean }): Promise<void> {
      const path = resolve(given);
      if (isWatched(path) && isThere(path)) preserve(path);
      await real.rm(given, options);
    },
    async mkdir(given: string, options?: { recursive?: boolean; mode?: number }): Promise<string | undefined> {
      const path = resolve(given);
      const missing: string[] = [];
      for (let at = path; isWatched(at) && !isThere(at); at = dirname(at)) missing.unshift(at);
      if (missing.length > 0) strike(path, 'write');
      const made = await real.mkdir(given, options);
      for (const each of missing) note('directory', each);
      return made;
    },
  });

  function wrap(file: FileHandle, about: Opened): void {
    const { path } = about;
    const sync = (really: () => Promise<void>) => async (): Promise<void> => {
      const { ino, size } = fstatSync(file.fd);
      const asked = lstatSync(path).isDirectory() ? `${String(process.pid)}-${String(++syncs)}` : null;
      strike(path, 'sync');
      if (!settings.syncs) return;
      if (asked !== null) note('asked', asked, path);
      await really();
      if (isWatched(path)) note(...(asked === null ? ['bytes', ino, size] : ['names', asked, path]));
    };
    const [write, truncate, datasync, fsync, close] = [
      file.write.bind(file),
      file.truncate.bind(file),
      file.datasync.bind(file),
      file.sync.bind(file),
      file.close.bind(file),
    ];
    Object.assign(file, {
      datasync: sync(datasync),
      sync: sync(fsync),
      async truncate(size = 0): Promise<void> {
        strike(path, 'write');
        note('cut', fstatSync(file.fd).ino, size);
        await truncate(size);
      },
      async write(...given: Parameters<typeof write>): Promise<unknown> {
        strike(path, 'write');
        const done: unknown = await write(...given);
        written(file.fd, about);
        return done;
      },
      close(): Promise<void> {
        opened.delete(file.fd);
        return close();
      },
    });
  }

  // the service gives its processes no environment: they get this one, and nothing else
  const { spawn } = childProcess;
  const own = { NODE_OPTIONS: process.env['NODE_OPTIONS'] ?? '', POSTERN_DISK: dir };
  Object.assign(childProcess, {
    spawn: (command: string, args: readonly string[], options: childProcess.SpawnOptions) =>
      spawn(command, args, options.env === undefined ? options : { ...options, env: { ...options.env, ...own } }),
  });
  syncBuiltinESMExports();
}

function faultIn(dir: string): Fault | null {
  try {
    // written by the test
    return JSON.parse(readFileSync(join(dir, 'fault.json'), 'utf8')) as Fault;
  } catch {
    return null;
  }
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Everything under a path, and the path itself. */
function pathsOf(path: string): string[] {
  if (!lstatSync(path).isDirectory()) return [path];
  return [...readdirSync(path, { recursive: true, withFileTypes: true }).map((entry) => join(entry.parentPath, entry.name)), path];
}
