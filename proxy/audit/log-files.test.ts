import { constants, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { nodeLogFiles } from './log-files.ts';

/** Status flags of the open file at `path`, as the kernel has them (proc(5)); null when it is not open or there is no /proc. */
function flagsOf(path: string): number | null {
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`) !== path) continue;
      return parseInt(/flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0', 8);
    } catch {
      // closed meanwhile
    }
  }
  return null;
}

it.runIf(process.platform === 'linux')('writes the journal through to the disk: what was appended is durable', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'postern-journal-'));
  const path = join(directory, 'one.wal');
  const file = await nodeLogFiles.createJournal(path);
  await file.append(Buffer.from('first'));
  await file.append(Buffer.from('second'));
  expect((flagsOf(path) ?? 0) & constants.O_DSYNC).toBe(constants.O_DSYNC);
  await file.close();
  expect(await readFile(path, 'utf8')).toBe('firstsecond');
  await expect(nodeLogFiles.createJournal(path)).rejects.toMatchObject({ code: 'EEXIST' });
  await rm(directory, { recursive: true });
});
