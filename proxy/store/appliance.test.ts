import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Appliance, openAppliance } from './appliance.ts';
import { filesStoppingAt } from './failing-files.fake.ts';
import { positionOf } from './position.ts';

const at = positionOf(3);
const invalid = { code: 'ERR_INVALID_INPUT' };
let directory: string;
let file: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-appliance-'));
  file = join(directory, 'conf', 'appliance.json');
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

function initial(): Appliance {
  return {
    format: 'postern-appliance/1',
    name: 'office',
    origin: 'postern.example/office',
    listeners: { postgres: { host: '127.0.0.1', port: 15_432 }, control: { host: '127.0.0.1', port: 8443 }, web: { host: '127.0.0.1', port: 8444 } },
    tls: null,
    setUp: { state: 'pending', linkHash: 'a'.repeat(43) },
  };
}

describe('appliance document', () => {
  it('is made once, 0600, and read back after an update', async () => {
    await expect(openAppliance(file, null)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    const document = await openAppliance(file, initial);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await document.update(at, (current) => ({ ...current, setUp: { state: 'done', at: '2026-01-01T00:00:00Z' } }));
    const again = await openAppliance(file, null);
    expect(again.read()).toEqual({ ...initial(), setUp: { state: 'done', at: '2026-01-01T00:00:00Z' } });
    expect(document.read()).toEqual(again.read());
  });

  it('refuses unknown members, bad values and text that is no JSON', async () => {
    await openAppliance(file, initial);
    await writeFile(file, JSON.stringify({ ...initial(), colour: 'blue' }));
    await expect(openAppliance(file, initial)).rejects.toMatchObject({ ...invalid, detail: expect.stringContaining('colour') as string });
    await writeFile(file, '{');
    await expect(openAppliance(file, initial)).rejects.toMatchObject(invalid);
  });

  it('listens beyond this machine only with TLS', async () => {
    const document = await openAppliance(file, initial);
    const open = { ...initial(), listeners: { ...initial().listeners, postgres: { host: '0.0.0.0', port: 15_432 } } };
    await expect(document.update(at, () => open)).rejects.toMatchObject(invalid);
    await document.update(at, () => ({ ...open, tls: { certificate: '/c', key: '/k', authority: '/a' } }));
    expect(document.read().listeners.postgres.host).toBe('0.0.0.0');
  });

  it('never changes the origin of the log', async () => {
    const document = await openAppliance(file, initial);
    await expect(document.update(at, (current) => ({ ...current, origin: 'postern.example/other' }))).rejects.toMatchObject(invalid);
  });

  it('keeps the old document when writing fails', async () => {
    await openAppliance(file, initial);
    const document = await openAppliance(file, null, filesStoppingAt(2));
    await expect(document.update(at, (current) => ({ ...current, name: 'shop' }))).rejects.toThrow('no space');
    expect(document.read().name).toBe('office');
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(initial());
  });
});
