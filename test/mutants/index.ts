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
  // one test's mutants stay together, so that its unmutated run is made once
  const waiting = [...Map.groupBy(chosen, ({ killedBy }) => `${killedBy.file} ${killedBy.test ?? ''}`).values()];
  const results = new Map<Mutant, MutantResult>();
  const worker = async (): Promise<void> => {
    using workspace = createWorkspace(root);
    for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
      for (const [mutant, result] of await runGroup(workspace, group)) results.set(mutant, result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, waiting.length) }, worker));
  return chosen.flatMap((mutant) => results.get(mutant) ?? []);
}

async function runGroup(workspace: Workspace, group: readonly Mutant[]): Promise<readonly (readonly [Mutant, MutantResult])[]> {
  const [first] = group;
  if (first === undefined) return [];
  const whole = await workspace.test(first.killedBy);
  const rows: (readonly [Mutant, MutantResult])[] = [];
  for (const mutant of group) rows.push([mutant, { name: mutant.name, invariant: mutant.invariant, ...(await judge(workspace, mutant, whole)) }]);
  return rows;
}

async function judge(workspace: Workspace, mutant: Mutant, whole: TestRun): Promise<Pick<MutantResult, 'killed' | 'detail'>> {
  const alive = (detail: string) => ({ killed: false, detail });
  if (whole.broken !== null) return alive(`without the mutant: ${whole.broken}`);
  if (whole.failed.length > 0) return alive(`fails without the mutant too: ${whole.failed.join(', ')}`);
  const restore = workspace.plant(mutant);
  if (typeof restore === 'string') return alive(restore);
  try {
    const { failed, broken } = await workspace.test(mutant.killedBy);
    // a mutant that does not load shows nothing about the test
    if (broken !== null) return alive(`with the mutant: ${broken}`);
    const [noticed] = failed;
    return noticed === undefined ? alive(`${mutant.killedBy.file} passes with it`) : { killed: true, detail: `${mutant.killedBy.file}: ${noticed}` };
  } finally {
    restore();
  }
}

if (import.meta.main) {
  const results = await runMutants(process.argv[2]);
  for (const { name, invariant, killed, detail } of results)
    console.log(`${killed ? 'killed' : 'ALIVE '}  ${invariant.padEnd(24)}  ${name}\n        ${detail}`);
  const alive = results.filter(({ killed }) => !killed).length;
  console.log(`${results.length - alive} passed, ${alive} failed, 0 skipped`);
  process.exitCode = alive === 0 && results.length > 0 ? 0 : 1;
}
