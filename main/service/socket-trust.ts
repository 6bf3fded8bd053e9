import { lstat, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';

export type SocketTrust = { readonly state: 'trusted' } | { readonly state: 'absent' } | { readonly state: 'untrusted'; readonly why: string };

/**
 * Whether a unix socket can only have been made by one of `owners` (user ids): it is theirs, and so is every directory above it, which
 * nobody else can write to. A directory like /tmp (root's, sticky) is fine: there nobody can replace what is not theirs.
 */
export async function trustOf(path: string, owners: ReadonlySet<number>): Promise<SocketTrust> {
  try {
    const socket = await lstat(path);
    if (!socket.isSocket()) return untrusted(`${path} is no socket.`);
    if (!owners.has(socket.uid)) return untrusted(`${path} belongs to user ${socket.uid}, not to the service.`);
    for (let directory = await realpath(dirname(path)); ; directory = dirname(directory)) {
      const fault = faultOf(directory, await lstat(directory), owners);
      if (fault !== null) return untrusted(fault);
      if (directory === dirname(directory)) return { state: 'trusted' };
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { state: 'absent' };
    return untrusted(`${path} cannot be looked at (${String(code)}).`);
  }
}

function faultOf(directory: string, { uid, mode }: { uid: number; mode: number }, owners: ReadonlySet<number>): string | null {
  if (!owners.has(uid) && uid !== 0) return `${directory} belongs to user ${uid}, not to the service.`;
  const isSticky = (mode & 0o1000) !== 0 && uid === 0;
  return (mode & 0o022) === 0 || isSticky ? null : `Others can write to ${directory}.`;
}

function untrusted(why: string): SocketTrust {
  return { state: 'untrusted', why };
}
