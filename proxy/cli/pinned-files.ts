import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fail } from '../contract/errors.ts';

export interface PinnedFile {
  readonly path: string;
  /** hex */
  readonly sha256: string;
}

const maxFiles = 1_000;

/** Digests of these files, and of all below these folders. Throws ERR_INVALID_INPUT when one cannot be read, or there are too many. */
export async function pinnedFiles(paths: readonly string[]): Promise<PinnedFile[]> {
  const files = new Set<string>();
  for (const path of paths) for await (const file of filesAt(resolve(path))) files.add(file);
  if (files.size > maxFiles)
    throw fail('ERR_INVALID_INPUT', {
      message: `${String(files.size)} files are more than the ${String(maxFiles)} that can be pinned.`,
      hint: 'Name those that are executed with --pin-path; put the rest where only the administrator can write.',
    });
  return Promise.all([...files].sort().map(async (path) => ({ path, sha256: await digestOf(path) })));
}

/** What of a command line is a file: pinned together with the command. */
export async function filesAmong(words: readonly string[]): Promise<string[]> {
  const found = await Promise.all(words.map(async (word) => word.startsWith('/') && (await stat(word).catch(() => null))?.isFile() === true));
  return words.filter((_, index) => found[index]);
}

async function* filesAt(path: string): AsyncGenerator<string> {
  const found = await stat(path).catch((error: unknown) => {
    throw fail('ERR_INVALID_INPUT', { message: `${path} cannot be read.`, cause: error });
  });
  if (found.isFile()) {
    yield path;
    return;
  }
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) if (entry.isFile()) yield join(entry.parentPath, entry.name);
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}
