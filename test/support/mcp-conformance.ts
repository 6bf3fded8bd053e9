import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { z } from 'zod';
import { run } from './program.ts';
import type { ThirdParty } from './third-party.ts';

export type Revision = '2025-11-25' | '2026-07-28';

const Check = z.object({ id: z.string(), status: z.enum(['SUCCESS', 'FAILURE', 'WARNING', 'SKIPPED', 'INFO']), errorMessage: z.string().optional() });
type Check = z.infer<typeof Check>;

export interface Conformance {
  /** names of the scenarios the revision requires, in the suite's order */
  readonly required: readonly string[];
  /** of these, the ones without a failed check */
  readonly passed: readonly string[];
  /** one line for each check that failed, or for a scenario that has no result */
  readonly failures: readonly string[];
  /** one line for each check that warns: a SHOULD that is not kept */
  readonly warnings: readonly string[];
}

/** Runs the official suite against a server; what it runs beyond the revision's required scenarios doesn't count. */
export async function serverConformance(kit: ThirdParty, url: string, revision: Revision): Promise<Conformance> {
  const suite = kit.file('conf012', '.');
  const required = requiredScenarios(readFileSync(join(suite, 'requirements', `${revision}.yaml`), 'utf8'));
  const results = mkdtempSync(join(tmpdir(), 'postern-mcp-conformance-'));
  try {
    const args = [join(suite, 'dist/index.js'), 'server', '--url', url, '--requirements', revision, '--timeout', '8000', '-o', results];
    const { out, err } = await run(process.execPath, args);
    const scenarios = required.map((name) => ({ name, checks: checksOf(results, `server-${name}-`) }));
    const isPassed = (checks: readonly Check[]): boolean =>
      checks.some((check) => check.status === 'SUCCESS') && checks.every((check) => check.status !== 'FAILURE');
    const lines = (status: Check['status']): string[] =>
      scenarios.flatMap(({ name, checks }) =>
        checks.filter((check) => check.status === status).map((check) => `${name}: ${check.id}: ${check.errorMessage ?? ''}`),
      );
    const silent = scenarios.filter(({ checks }) => checks.length === 0).map(({ name }) => `${name}: no result: ${(err || out).slice(-300)}`);
    return {
      required,
      passed: scenarios.filter(({ checks }) => isPassed(checks)).map(({ name }) => name),
      failures: [...lines('FAILURE'), ...silent],
      warnings: lines('WARNING'),
    };
  } finally {
    rmSync(results, { recursive: true, force: true });
  }
}

export interface ClientConformance {
  readonly checks: readonly Check[];
  readonly said: string;
}

/** Runs one scenario of the suite's client side: it starts a server and an authorization server of its own and calls `command URL`. */
export async function clientConformance(kit: ThirdParty, scenario: string, command: string): Promise<ClientConformance> {
  const results = mkdtempSync(join(tmpdir(), 'postern-mcp-conformance-'));
  try {
    const suite = kit.file('conf012', 'dist/index.js');
    const { out, err } = await run(process.execPath, [suite, 'client', '--command', command, '--scenario', scenario, '--timeout', '60000', '-o', results]);
    return { checks: checksOf(results, `${scenario}-`), said: `${out}${err}` };
  } finally {
    rmSync(results, { recursive: true, force: true });
  }
}

/** The same, where the client is more than a command: `act` gets the server's address and what the client may know. */
export async function actingConformance(
  kit: ThirdParty,
  scenario: string,
  act: (server: string, context: unknown) => Promise<void>,
): Promise<ClientConformance> {
  const server = createServer((request, response) => {
    told(request)
      .then(() => response.end('done\n'))
      .catch((error: unknown) => response.writeHead(500).end(`${String(error)}\n`));
  });
  const told = async (request: IncomingMessage): Promise<void> => {
    const given = Given.parse(await json(request));
    await act(given.server, given.context);
  };
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    return await clientConformance(kit, scenario, `${process.execPath} ${callBack} ${at}`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

const callBack = join(import.meta.dirname, '../fixtures/mcp/call-back.ts');
const Given = z.object({ server: z.url(), context: z.unknown() });

/** The list under `server:` of a requirements file. */
function requiredScenarios(yaml: string): string[] {
  const lines = yaml.split('\n');
  const from = lines.indexOf('server:') + 1;
  const end = lines.findIndex((line, index) => index >= from && /^\w/.test(line));
  return lines.slice(from, end < 0 ? undefined : end).flatMap((line) => /^ {2}- (\S+)$/.exec(line)?.[1] ?? []);
}

/** `auth/x` lies in a folder of its own. */
function checksOf(folder: string, prefix: string): Check[] {
  const parts = prefix.split('/');
  const last = parts.pop() ?? prefix;
  const parent = join(folder, ...parts);
  const name = readdirSync(parent).find((entry) => entry.startsWith(last) && /^\d{4}-/.test(entry.slice(last.length)));
  return name === undefined ? [] : z.array(Check).parse(JSON.parse(readFileSync(join(parent, name, 'checks.json'), 'utf8')));
}
