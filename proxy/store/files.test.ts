import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { filesStoppingAt } from './failing-files.fake.ts';
import { replaceFile } from './files.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-files-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('replaceFile', () => {
  it('leaves the old bytes or the new ones, whichever step it stops at', async () => {
    const path = join(directory, 'x.json');
    const seen = new Set<string>();
    for (let stop = 0; stop <= 6; stop += 1) {
      await writeFile(path, 'old');
      await replaceFile(path, Buffer.from('new bytes'), filesStoppingAt(stop)).catch(() => undefined);
      const now = await readFile(path, 'utf8');
      expect(['old', 'new bytes']).toContain(now);
      seen.add(now);
    }
    expect(seen.size).toBe(2);
    expect(await readdir(directory)).toEqual(['x.json']);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });
});
