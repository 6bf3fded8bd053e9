import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAppliance, type Appliance } from '../support/appliance.ts';

const secret = 'target-key-of-the-api';
const home = mkdtempSync(join(tmpdir(), 'postern-web-resources-'));
let appliance: Appliance;
let target: Server;
let url = '';
/** what the target was sent */
const authorizations: (string | undefined)[] = [];

beforeAll(async () => {
  target = createServer((request, response) => {
    authorizations.push(request.headers.authorization);
    response.end('{}');
  });
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  const address = target.address();
  url = `http://127.0.0.1:${String(typeof address === 'object' ? address?.port : 0)}/v1`;
  appliance = await startAppliance();
});

afterAll(async () => {
  await appliance.remove();
  target.close();
  rmSync(home, { recursive: true, force: true });
});

const addHttp = (name: string, more: readonly string[]): string[] => ['resource', 'add-http', name, '--target', url, ...more];
const server = (name: string, command: string, args: readonly string[] = []): string[] => ['resource', 'add-mcp', name, '--command', command, '--', ...args];

describe('an HTTP API', () => {
  it('on this machine needs the word of an administrator', async () => {
    const refused = await appliance.cli(addHttp('api', ['--header', 'Authorization: Bearer']), secret);
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.err).toContain('url: a loopback address may be a target only where the resource allows local addresses');
  });

  it('is added with its credential, which nobody can read again, and tested with it', async () => {
    const added = await appliance.json(addHttp('api', ['--allow-local', '--header', 'Authorization: Bearer']), secret);
    expect(added).toMatchObject({ protocol: 'http', url, credential: { type: 'header', header: 'Authorization', prefix: 'Bearer' } });
    expect(JSON.stringify(await appliance.json(['resource', 'list']))).not.toContain(secret);
    expect(await appliance.json(['resource', 'test', 'api'])).toMatchObject({ reached: true });
    expect(authorizations.at(-1)).toBe(`Bearer ${secret}`);
  });

  it('that asks for none takes none', async () => {
    expect((await appliance.cli(addHttp('open', ['--allow-local', '--secret-file', '-']), secret)).code).toBe(2);
    await appliance.json(addHttp('open', ['--allow-local']));
    expect((await appliance.cli(['resource', 'update', 'open', '--password-file', '-'], secret)).err).toContain('asks for no credential');
  });

  it('is changed as it is shown; members of another protocol are refused by name', async () => {
    const shown = (await appliance.json(['resource', 'show', 'open'])) as object;
    const changed = await appliance.json(['resource', 'apply', 'open', '-'], JSON.stringify({ ...shown, credential: { type: 'basic' } }));
    expect(changed).toMatchObject({ credential: { type: 'basic' } });
    // it asks for one from now on, and got none yet
    expect((await appliance.cli(['resource', 'test', 'open'])).code).toBe(1);
    await appliance.json(['resource', 'update', 'open', '--password-file', '-'], secret);
    expect(await appliance.json(['resource', 'test', 'open'])).toMatchObject({ reached: true });
    const wrong = await appliance.cli(['resource', 'apply', 'open', '-'], JSON.stringify({ database: 'x' }));
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.err).toContain('database: does not belong to a resource of protocol http');
  });
});

describe('an MCP server', () => {
  it('is a program that is there, and no package runner, whatever it is called', async () => {
    const link = join(home, 'server');
    symlinkSync('/usr/bin/npx', link);
    for (const [command, why] of [
      ['/nowhere/server', 'is no program'],
      [home, 'is no file'],
      ['/usr/bin/npx', 'fetches and runs what others publish'],
    ] as const) {
      const refused = await appliance.cli(server('files', command));
      expect(refused).toMatchObject({ code: 2 });
      expect(refused.err).toContain(why);
    }
    expect((await appliance.cli(server('files', link))).code).toBe(2);
  });

  it('is pinned with the files among its arguments', async () => {
    const script = join(home, 'index.js');
    writeFileSync(script, '1');
    const added = (await appliance.json(['resource', 'add-mcp', 'pinned', '--command', '/usr/bin/true', '--pin', '--', script])) as {
      upstream: { integrity: { path: string; sha256: string }[] };
    };
    expect(added.upstream.integrity.find(({ path }) => path === script)?.sha256).toBe('6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b');
    expect(added.upstream.integrity).toHaveLength(2);
  });

  it('holds no card number, wherever in its settings', async () => {
    const refused = await appliance.cli(['resource', 'add-mcp', 'cards', '--command', '/usr/bin/true', '--env', 'key=4111111111111111']);
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.err).toContain('looks like a card number');
  });

  it('of a group stays while the group names it', async () => {
    await appliance.json(['resource', 'add-mcp', 'both', '--member', 'pinned']);
    expect((await appliance.cli(['resource', 'remove', 'pinned'])).err).toContain('is named by both');
    await appliance.json(['resource', 'remove', 'both']);
    await appliance.json(['resource', 'remove', 'pinned']);
    expect((await appliance.cli(['resource', 'add-mcp', 'both', '--member', 'pinned'])).err).toContain('there is no MCP resource pinned');
  });
});

it('tools: none yet, and none by a name that is none', async () => {
  expect(await appliance.json(['tool', 'list'])).toEqual([]);
  expect(await appliance.cli(['tool', 'approve', 'pin_none', '--yes'])).toMatchObject({ code: 1 });
  expect(await appliance.cli(['tool', 'approve', '--all'])).toMatchObject({ code: 2 });
});
