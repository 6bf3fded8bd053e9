import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import type { Resource } from '../contract/resource.ts';
import { invalidResource, isRunner } from './resource-settings.ts';

/** The program of a server on this machine: it exists, may be run, and is no package runner behind a link. Throws ERR_INVALID_INPUT. */
export async function assertCommandOnDisk(resource: Resource): Promise<void> {
  if (resource.protocol !== 'mcp' || resource.upstream.transport !== 'stdio') return;
  const fault = await faultOf(resource.upstream.command);
  if (fault !== null) throw invalidResource([{ path: 'upstream.command', message: fault }]);
}

async function faultOf(command: string): Promise<string | null> {
  try {
    const path = await realpath(command);
    if (isRunner(path)) return 'leads to a package runner, which fetches what it runs: name the program of an installed server';
    if (!(await stat(path)).isFile()) return 'is no file';
    await access(path, constants.X_OK);
    return null;
  } catch {
    return 'is no program that can be run on this machine';
  }
}
