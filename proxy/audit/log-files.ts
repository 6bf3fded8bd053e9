import { constants, writeSync } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { nodeFiles, replaceFile } from '../store/files.ts';

/** What the writer of the log does to the disk; a parameter, so that tests can fail or forget any of it. */
export interface LogFiles {
  /** A new file (never an existing one); it and its name are durable when this resolves. */
  createJournal(path: string): Promise<DurableFile>;
  /** Old bytes or new ones, whole; durable when this resolves. */
  replace(path: string, bytes: Uint8Array): Promise<void>;
  /** Cuts the file at `position`, appends; durable when this resolves. */
  appendAt(path: string, position: number, bytes: Uint8Array): Promise<void>;
  /** Takes `bytes` of the disk, really written. */
  reserve(path: string, bytes: number): Promise<void>;
  remove(path: string): Promise<void>;
  makeDirectory(path: string): Promise<void>;
}

export interface DurableFile {
  /** Durable when this resolves. One at a time. */
  append(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) done += (await file.write(bytes, done, bytes.length - done)).bytesWritten;
}

export const nodeLogFiles: LogFiles = {
  async createJournal(path) {
    // O_DSYNC and synchronous: this process has nothing better to do, and each trip through the thread pool wakes two threads
    const file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_APPEND | constants.O_DSYNC, 0o600);
    await nodeFiles.syncDirectory(dirname(path));
    const append = (bytes: Uint8Array): Promise<void> =>
      new Promise((resolve) => {
        for (let done = 0; done < bytes.length; ) done += writeSync(file.fd, bytes, done, bytes.length - done);
        resolve();
      });
    return { append, close: () => file.close() };
  },
  replace: (path, bytes) => replaceFile(path, bytes),
  async appendAt(path, position, bytes) {
    const file = await open(path, constants.O_CREAT | constants.O_WRONLY, 0o600);
    try {
      await file.truncate(position);
      let done = 0;
      while (done < bytes.length) done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
      await file.datasync();
    } finally {
      await file.close();
    }
    if (position === 0) await nodeFiles.syncDirectory(dirname(path));
  },
  async reserve(path, bytes) {
    const file = await open(path, 'w', 0o600);
    try {
      // written with something a file system does not compress away or leave as a hole
      await writeAll(file, Buffer.alloc(bytes, 'reserved for closing records '));
      await file.datasync();
    } finally {
      await file.close();
    }
  },
  remove: (path) => rm(path, { force: true, recursive: true }),
  async makeDirectory(path) {
    const first = await mkdir(path, { recursive: true, mode: 0o700 });
    if (first === undefined) return;
    // every new name on the way, from the innermost out
    let child = resolve(path);
    for (const end = dirname(resolve(first)); child !== end; child = dirname(child)) await nodeFiles.syncDirectory(dirname(child));
  },
};

/** The file's bytes, or null when there is none. */
export async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}

/** Names in the directory, sorted; none when there is no directory. */
export async function namesIn(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
