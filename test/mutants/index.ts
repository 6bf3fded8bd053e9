/**
 * Plants each fault of the tables into a copy of the sources and demands that the named test fails on it, and passes
 * without it. `node test/mutants/index.ts [part of a name or invariant]`
 */
import { root } from '../../build/step.ts';
import { sandboxAvailable } from '../../proxy/engines/mcp/sandbox-trial.ts';
import { appMutants } from './app.ts';
import { approvalMutants } from './approval.ts';
import { controlMutants } from './control.ts';
import { decisionMutants } from './decision.ts';
import { evidenceMutants } from './evidence.ts';
import type { Mutant } from './mutant.ts';
import { storeMutants } from './stores.ts';
import { webMutants } from './web.ts';
import { workloadMutants } from './workloads.ts';
import { createWorkspace, type TestRun, type Workspace } from './workspace.ts';

const mutants: readonly Mutant[] = [
  ...decisionMutants,
  ...approvalMutants,
  ...webMutants,
  ...workloadMutants,
  ...evidenceMutants,
  ...storeMutants,
  ...controlMutants,
  ...appMutants,
];
const width = 2;

export interface MutantResult {
  readonly name: string;
  readonly invariant: string;
  readonly killed: boolean;
  /** the test that noticed, or why the mutant does not count as killed */
  readonly detail: string;
}

/** One row for each mutant whose name or invariant contains `filter`, in the order of the tables. */
export async function runMutants(filter = ''): Promise<readonly MutantResult[]> {
  const sandbox = await sandboxAvailable();
  const named = mutants.filter(({ name, invariant }) => name.includes(filter) || invariant.includes(filter));
  const chosen = named.filter(({ needs }) => needs === undefined || sandbox.available);
  if (chosen.length < named.length) console.log(`${named.length - chosen.length} mutants not planted: ${sandbox.why}`);
  // one file's mutants stay together, so that its unmutated run is made once; most of them first
  const waiting = [...Map.groupBy(chosen, ({ killedBy }) => killedBy.file).entries()].sort(([, a], [, b]) => b.length - a.length);
  const results = new Map<Mutant, MutantResult>();
  const worker = async (): Promise<void> => {
    using workspace = createWorkspace(root);
    for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
      for (const [mutant, result] of await runGroup(workspace, ...group)) results.set(mutant, result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, waiting.length) }, worker));
  return chosen.flatMap((mutant) => results.get(mutant) ?? []);
}

/** The run without a mutant comes last: it shows also that each was taken back. */
async function runGroup(workspace: Workspace, file: string, group: readonly Mutant[]): Promise<readonly (readonly [Mutant, MutantResult])[]> {
  const runs: (readonly [Mutant, TestRun | string])[] = [];
  for (const mutant of group) runs.push([mutant, await runWith(workspace, mutant)]);
  const named = group.map(({ killedBy }) => killedBy.test);
  const whole = await workspace.test(file, named.some((test) => test === undefined) ? [] : named.filter((test) => test !== undefined));
  return runs.map(([mutant, run]) => [mutant, { name: mutant.name, invariant: mutant.invariant, ...judge(mutant, run, whole) }]);
}

/** A text: why it could not be planted. */
async function runWith(workspace: Workspace, mutant: Mutant): Promise<TestRun | string> {
  const restore = workspace.plant(mutant);
  if (typeof restore === 'string') return restore;
  try {
    return await workspace.test(mutant.killedBy.file, mutant.killedBy.test === undefined ? [] : [mutant.killedBy.test]);
  } finally {
    restore();
  }
}

function judge(mutant: Mutant, run: TestRun | string, whole: TestRun): Pick<MutantResult, 'killed' | 'detail'> {
  const alive = (detail: string) => ({ killed: false, detail });
  if (whole.broken !== null) return alive(`without the mutant: ${whole.broken}`);
  if (whole.failed.length > 0) return alive(`fails without the mutant too: ${whole.failed.join(', ')}`);
  if (typeof run === 'string') return alive(run);
  // a mutant that does not load shows nothing about the test
  if (run.broken !== null) return alive(`with the mutant: ${run.broken}`);
  const noticed = run.failed.find((name) => whole.passed.includes(name));
  return noticed === undefined ? alive(`${mutant.killedBy.file} passes with it`) : { killed: true, detail: `${mutant.killedBy.file}: ${noticed}` };
}

if (import.meta.main) {
  const results = await runMutants(process.argv[2]);
  for (const { name, invariant, killed, detail } of results)
    console.log(`${killed ? 'killed' : 'ALIVE '}  ${invariant.padEnd(24)}  ${name}\n        ${detail}`);
  const alive = results.filter(({ killed }) => !killed).length;
  console.log(`${results.length - alive} passed, ${alive} failed, 0 skipped`);
  process.exitCode = alive === 0 && results.length > 0 ? 0 : 1;
}
