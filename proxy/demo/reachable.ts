import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fail } from '../contract/errors.ts';

/** initdb and postgres refuse root, so root runs them as nobody. */
export interface RunAs {
  readonly uid: number;
  readonly gid: number;
}

const nobody = 65534;

/** Whom servers run as: nobody when we are root, else nobody but ourselves (undefined). */
export function unprivileged(): RunAs | undefined {
  return process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : undefined;
}

/** True when every folder from `/` to `path` lets the account pass; missing ones count as passable. */
export function isReachable(path: string, account: RunAs | undefined): boolean {
  if (account === undefined) return true;
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    const found = statSync(folder, { throwIfNoEntry: false });
    if (found !== undefined && !mayPass(found, account)) return false;
    if (folder === dirname(folder)) return true;
  }
}

function mayPass(found: { mode: number; uid: number; gid: number }, account: RunAs): boolean {
  if (found.uid === account.uid) return (found.mode & 0o100) !== 0;
  if (found.gid === account.gid) return (found.mode & 0o010) !== 0;
  return (found.mode & 0o001) !== 0;
}

/**
 * A folder of ours under the system's temporary folder, the same for the same `purpose`. Refused when somebody else made
 * it first: the name can be guessed.
 */
export function ownTemporaryFolder(purpose: string): string {
  const uid = process.getuid?.() ?? 0;
  const tag = createHash('sha256').update(purpose).digest('hex').slice(0, 16);
  const path = join(tmpdir(), `postern-${uid}-${tag}`);
  mkdirSync(path, { recursive: true, mode: 0o711 });
  const found = lstatSync(path);
  if (!found.isDirectory() || found.uid !== uid || (found.mode & 0o022) !== 0) {
    throw fail('ERR_CONFLICT', { message: `${path} belongs to somebody else. Remove it and try again.` });
  }
  chmodSync(path, 0o711);
  return path;
}
