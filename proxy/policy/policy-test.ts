import { z } from 'zod';
import { fail } from '../contract/errors.ts';
import type { Act, Action, CallContext, FactContext, Facts, ObjectType } from '../contract/operation.ts';
import type { PolicyFile } from '../contract/snapshot.ts';
import { type Policy, type PolicyFault, compilePolicies } from './compile.ts';
import { decideAct, standingOf } from './decide.ts';
import { actionTable } from './schema.ts';
import { conjunction } from './scope.ts';
import { createSlices } from './slices.ts';

const actions = Object.keys(actionTable) as [Action, ...Action[]]; // Object.keys widens to string[]
const objectTypes = [...new Set(Object.values(actionTable).flatMap(({ on }) => on))] as [ObjectType, ...ObjectType[]]; // a Set widens to an array that may be empty
const Name = z.string().max(200);
const Names = z.array(Name).max(1000);
const Pointer = z.string().regex(/^(\/.{0,200}){1,16}$/);

/** What a call says: arguments by JSON pointer, as text; those that are whole numbers are numbers, too. */
const Call = z
  .strictObject({
    method: Name,
    arguments: z.record(Pointer, z.union([z.string().max(10_000), z.number()])),
    query: Names,
    hosts: Names,
    programs: Names,
    shell: Names,
    read_only: z.boolean(),
  })
  .partial();

/** One expectation, stored beside the policies in `*.test.json`; a file holds an array of them. */
export const PolicyTest = z.strictObject({
  name: z.string().min(1).max(200),
  principal: z.strictObject({ name: Name, groups: z.array(Name).max(64) }),
  resource: Name,
  /** of a database; other protocols have none */
  database: Name.default(''),
  account: Name.default('postern'),
  /** the client's address */
  origin: Name.default('127.0.0.1'),
  now: z.iso.datetime().default('2026-01-01T00:00:00Z'),
  /** an argument that is decided like a statement elsewhere: what the acts of a database are on */
  on: z.strictObject({ resource: Name, database: Name }).optional(),
  /** `[action, object type, …names]`: `["sql:select", "Table", "public", "orders"]`, `["http:read", "Path", "v1", "orders"]` */
  acts: z
    .array(z.tuple([z.enum(actions), z.enum(objectTypes)], Name))
    .min(1)
    .max(256),
  context: z
    .strictObject({ kind: Name, statements: z.int().min(0), has_where: z.boolean(), has_limit: z.boolean(), tables: Names, columns: Names, functions: Names })
    .partial()
    .default({}),
  /** of MCP and HTTP */
  call: Call.default({}),
  expect: z.enum(['permit', 'forbid']),
  /** `group:n` that must approve; null: nobody; absent: not looked at */
  approve: Name.nullable().optional(),
  /** when given, exactly these must be the deciding policies, in any order */
  policies: Names.optional(),
});
export type PolicyTest = z.infer<typeof PolicyTest>;

export interface PolicyTestResult {
  readonly name: string;
  readonly passed: boolean;
  readonly decision: 'permit' | 'forbid';
  readonly policies: readonly string[];
  /** of a refusal, or why the test could not run */
  readonly message: string;
}

export type PolicyTestRun =
  | { readonly ok: true; readonly results: readonly PolicyTestResult[] /** names of policies that decided in no test */; readonly unused: readonly string[] }
  | { readonly ok: false; readonly faults: readonly PolicyFault[] };

/** The tests of one file; throws ERR_INVALID_INPUT naming the file and the faults. */
export function parsePolicyTests({ name, text }: PolicyFile): readonly PolicyTest[] {
  const parsed = z.array(PolicyTest).safeParse(parseJson(name, text));
  if (parsed.success) return parsed.data;
  throw fail('ERR_INVALID_INPUT', { message: `${name}: ${z.prettifyError(parsed.error)}` });
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw fail('ERR_INVALID_INPUT', { message: `${name} is not JSON`, cause });
  }
}

/** Runs every test against the policies as a session would decide. */
export function runPolicyTests(files: readonly PolicyFile[], tests: readonly PolicyTest[]): PolicyTestRun {
  const compilation = compilePolicies(files);
  if (!compilation.ok) return compilation;
  const slices = createSlices(compilation.compiled);
  try {
    const results = tests.map((test): PolicyTestResult => {
      const facts = factsOf(test);
      const standing = standingOf(test);
      const { verdict } = conjunction(facts, (act) => decideAct(slices, standing, { act, command: facts.context, now: Date.parse(test.now) }));
      const decision = verdict.permitted ? 'permit' : 'forbid';
      const approve = verdict.approve === null ? null : `${verdict.approve.group}:${String(verdict.approve.needed)}`;
      const asksRight = test.approve === undefined || test.approve === approve;
      const passed = decision === test.expect && asksRight && sameNames(verdict.policies, test.policies);
      return { name: test.name, passed, decision, policies: verdict.policies, message: asksRight ? verdict.message : `approval: ${approve ?? 'none'}` };
    });
    return { ok: true, results, unused: unusedOf(compilation.compiled.policies, results) };
  } finally {
    slices.release();
  }
}

function factsOf({ acts, context, call, on }: PolicyTest): Facts {
  const pairs = acts.map(
    ([action, type, ...path]): Act => ({
      action,
      object: { type, path, ...(on !== undefined && actionTable[action].context === 'Command' && { on }) },
    }),
  );
  const tables = pairs.flatMap(({ object }) => (object.type === 'Table' ? [object.path.join('.')] : []));
  const functions = pairs.flatMap(({ object }) => (object.type === 'Function' ? [object.path.join('.')] : []));
  const kind = pairs[0]?.action.replace(/^sql:/, '') ?? '';
  const defaults: FactContext = { kind, statements: 1, has_where: false, has_limit: false, tables, columns: [], functions };
  const given = Object.fromEntries(Object.entries(context).filter(([, value]) => value !== undefined));
  const isCall = acts.some(([action]) => actionTable[action].context === 'Call');
  return { acts: pairs, effect: 'unknown', context: { ...defaults, ...given, ...(isCall && { call: callOf(call) }) }, template: '' };
}

function callOf({ arguments: values = {}, ...given }: PolicyTest['call']): CallContext {
  const { method = '', query = [], hosts = [], programs = [], shell = [], read_only = false } = given;
  const texts = Object.entries(values).map(([pointer, value]) => [pointer, String(value)] as const);
  const numbers = Object.entries(values).flatMap(([pointer, value]) => (Number.isSafeInteger(value) ? [[pointer, Number(value)] as const] : []));
  return { method, arguments: Object.fromEntries(texts), numbers: Object.fromEntries(numbers), query, hosts, programs, shell, read_only };
}

function sameNames(found: readonly string[], expected: readonly string[] | undefined): boolean {
  return expected === undefined || [...found].sort().join('\n') === [...expected].sort().join('\n');
}

function unusedOf(policies: readonly Policy[], results: readonly PolicyTestResult[]): string[] {
  const used = new Set(results.flatMap((result) => result.policies));
  return policies.map(({ name }) => name).filter((name) => !used.has(name));
}
