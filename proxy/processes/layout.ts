import { mkdir } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** Where everything of one installation lives; every directory is 0700. */
export interface Layout {
  readonly dir: string;
  readonly appliance: string;
  readonly keys: string;
  readonly tls: string;
  readonly vault: string;
  readonly audit: string;
  readonly state: string;
  readonly history: string;
  readonly recordings: string;
  readonly logs: string;
  readonly status: string;
  readonly lock: string;
  readonly verifierKey: string;
  readonly auditSocket: string;
  readonly controlSocket: string;
  /** where programs of this machine ask whether the service is up */
  readonly apiSocket: string;
  /** the one-time link of the first administrator, while there is one */
  readonly setUpLink: string;
}

// sun_path holds 108 bytes on Linux and 104 on macOS
const maxSocketPathBytes = 100;

export function layoutOf(dir: string): Layout {
  const longest = join(dir, 'run', 'control.sock');
  const run = Buffer.byteLength(longest) <= maxSocketPathBytes ? join(dir, 'run') : shortRun(dir);
  return {
    dir,
    appliance: join(dir, 'appliance.json'),
    keys: join(dir, 'keys'),
    tls: join(dir, 'tls'),
    vault: join(dir, 'vault'),
    audit: join(dir, 'audit'),
    state: join(dir, 'state', 'state.db'),
    history: join(dir, 'state', 'history.db'),
    recordings: join(dir, 'recordings'),
    logs: join(dir, 'logs'),
    status: join(dir, 'status.json'),
    lock: join(dir, 'supervisor.lock'),
    verifierKey: join(dir, 'log.vkey'),
    auditSocket: join(run, 'audit.sock'),
    controlSocket: join(run, 'control.sock'),
    apiSocket: join(run, 'api.sock'),
    setUpLink: join(dir, 'setup.link'),
  };
}

export async function makeLayout(layout: Layout): Promise<void> {
  for (const path of [layout.dir, layout.keys, layout.tls, layout.vault, layout.audit, join(layout.dir, 'state'), layout.recordings, layout.logs]) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  }
}

/** Stable for one directory and user, so that a restart finds it; its owner and mode are checked before it is used. */
function shortRun(dir: string): string {
  const letters = Array.from(createHash('sha256').update(dir).digest().subarray(0, 12), (byte) => String.fromCharCode(97 + (byte % 26))).join('');
  return join(tmpdir(), `postern-${String(userInfo().uid)}-${letters}`);
}
