import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { check } from '../build/check.ts';
import { root, runSteps, suite } from '../build/step.ts';
import { countsLine, explainSkips, nothing, sum, type Tally } from '../build/tally.ts';
import { sandboxAvailable } from '../proxy/engines/mcp/sandbox-trial.ts';
import { chromium, debianTool, goWithMod } from './support/debian-packages.ts';
import { thirdParty } from './support/third-party.ts';

const minute = 60_000;
/** What test/mutants/index.ts exports as `runMutants()`: one row for each mutant. */
const Mutants = z.array(z.object({ name: z.string(), killed: z.boolean(), detail: z.string().optional() }));

async function prepareTools(): Promise<void> {
  const found = [
    await debianTool('psql'),
    await debianTool('pgbench'),
    await debianTool('dbus-daemon'),
    await debianTool('nginx'),
    await chromium(),
    await goWithMod(),
    await thirdParty('mcp'),
  ];
  // at a fixed place: what an environment could name instead would be no sandbox
  const sandbox = await sandboxAvailable();
  for (const { why } of [...found, ...(sandbox.available ? [] : [sandbox])]) if (why !== undefined) console.log(`not available: ${why}`);
}

async function mutants(): Promise<Tally> {
  const path = join(root, 'test/mutants/index.ts');
  if (!existsSync(path)) return nothing;
  const started = performance.now();
  const module = z.object({ runMutants: z.custom<() => Promise<unknown>>((value) => typeof value === 'function') }).parse(await import(path));
  const rows = Mutants.parse(await module.runMutants());
  const alive = rows.filter((row) => !row.killed);
  console.log(
    `${alive.length === 0 ? 'ok  ' : 'FAIL'} mutants      ${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${rows.length - alive.length} of ${rows.length} killed`,
  );
  for (const row of rows) console.log(`     ${row.killed ? 'killed' : 'ALIVE '} ${row.name}${row.detail === undefined ? '' : `: ${row.detail}`}`);
  return { passed: rows.length - alive.length, failures: alive.map((row) => ({ name: `mutant ${row.name}`, message: 'no test noticed it' })), skips: [] };
}

async function main(): Promise<number> {
  if (process.argv.includes('--no-install')) process.env['POSTERN_TEST_NO_INSTALL'] = '1';
  const started = performance.now();
  await prepareTools();
  const checked = await check();
  // the two that wait much stand beside each other; what only computes fills the rest
  const tested = await runSteps(
    [
      suite('integration', 30 * minute, ['--project', 'integration']),
      suite('e2e', 30 * minute, ['--project', 'e2e']),
      mutants,
      suite('fuzz', 5 * minute, ['--project', 'fuzz']),
    ],
    2,
  );
  const tally = sum([checked, ...tested]);
  console.log('');
  for (const failure of tally.failures) console.log(`FAILED: ${failure.name}\n  ${failure.message.split('\n')[0] ?? ''}`);
  const skips = explainSkips(tally.skips, JSON.parse(readFileSync(join(root, 'test/expected-skips.json'), 'utf8')));
  for (const line of skips.lines) console.log(line);
  console.log(`in ${((performance.now() - started) / minute).toFixed(1)} min`);
  console.log(countsLine(tally));
  return tally.failures.length > 0 || (skips.isSurprise && process.env['CI'] === 'true') ? 1 : 0;
}

process.exitCode = await main();
