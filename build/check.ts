import { join } from 'node:path';
import { cache, runSteps, type Step, suite } from './step.ts';
import { countsLine, sum, type Tally } from './tally.ts';

const minute = 60_000;

function types(name: string, project: string): Step {
  const info = join(cache, `tsc-${project.replace('.', 'root')}.tsbuildinfo`);
  return {
    name,
    script: ['node_modules/typescript/bin/tsc', '-p', project, '--pretty', 'false', '--incremental', '--tsBuildInfoFile', info],
    deadlineMs: 5 * minute,
  };
}

const steps: readonly Step[] = [
  {
    name: 'lint',
    script: ['node_modules/eslint/bin/eslint.js', '--cache', '--cache-location', join(cache, 'eslint/'), '--max-warnings', '0', '.'],
    deadlineMs: 12 * minute,
  },
  suite('unit', 12 * minute, ['--project', 'unit']),
  types('types', '.'),
  types('types (web)', 'renderer'),
  types('types (test)', 'test'),
  {
    name: 'imports',
    script: ['node_modules/dependency-cruiser/bin/dependency-cruiser.mjs', 'proxy', 'main', 'renderer', 'build', 'test', '--config', '.dependency-cruiser.cjs'],
    deadlineMs: 2 * minute,
  },
  { name: 'unused', script: ['node_modules/knip/bin/knip.js', '--no-progress'], deadlineMs: 2 * minute },
  { name: 'format', script: ['node_modules/@biomejs/biome/bin/biome', 'format', '--max-diagnostics=8', '.'], deadlineMs: minute, remedy: 'npm run format' },
];

/** Types, lint, import table, dead code, format and unit tests; none can be left out. */
export async function check(): Promise<Tally> {
  return sum(await runSteps(steps, 2));
}

if (import.meta.main) {
  const started = performance.now();
  const tally = await check();
  console.log(`\nchecked in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  console.log(countsLine(tally));
  process.exitCode = tally.failures.length === 0 ? 0 : 1;
}
