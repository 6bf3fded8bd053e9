import { constants } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** A file being written. `write` writes all of the bytes or throws. */
export interface WritableFile {
  write(bytes: Uint8Array): Promise<void>;
  /** fdatasync */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The file operations durability depends on; a parameter, so that tests can fail or stop at each of them. */
export interface Files {
  /** A new file, never an existing one (O_EXCL). */
  create(path: string, mode: number): Promise<WritableFile>;
  rename(from: string, to: string): Promise<void>;
  /** Absent is fine. */
  remove(path: string): Promise<void>;
  /** Makes the directory and its missing parents, 0700. */
  makeDirectory(path: string): Promise<void>;
  /** Makes renames and creations in the directory durable. */
  syncDirectory(path: string): Promise<void>;
}

export const nodeFiles: Files = {
  async create(path, mode) {
    const file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, mode);
    return {
      async write(bytes) {
        let done = 0;
        while (done < bytes.length) done += (await file.write(bytes, done, bytes.length - done)).bytesWritten;
      },
      sync: () => file.datasync(),
      close: () => file.close(),
    };
  },
  rename,
  remove: (path) => rm(path, { force: true }),
  async makeDirectory(path) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },
  async syncDirectory(path) {
    const directory = await open(path, constants.O_RDONLY);
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
};

/**
 * Replaces a file atomically and durably: after a crash the path holds the old bytes or the new ones, whole. One caller
 * at a time per path.
 */
export async function replaceFile(path: string, bytes: Uint8Array, files: Files = nodeFiles, mode = 0o600): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.tmp`);
  // what a crash left behind
  await files.remove(temporary);
  const file = await files.create(temporary, mode);
  try {
    await file.write(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await files.rename(temporary, path);
  await files.syncDirectory(dirname(path));
}
