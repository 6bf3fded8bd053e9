import { createHash } from 'node:crypto';
import { fail } from '../../contract/errors.ts';
import type { Facts } from '../../contract/operation.ts';
import type { Caller } from '../../contract/principal.ts';
import { databaseOf, rootType, type Resource } from '../../contract/resource.ts';
import type { PolicyFile, Snapshot } from '../../contract/snapshot.ts';
import type { AppError } from '../../lib/errors.ts';
import { compilePolicies, type CompiledPolicies, type PolicyFault } from '../../policy/compile.ts';
import { explain } from '../../policy/explain.ts';
import { parsePolicyTests, runPolicyTests } from '../../policy/policy-test.ts';
import type { Handlers } from '../context.ts';
import type { ControlPorts } from '../ports.ts';
import { indexOf } from './paging.ts';
import { needResource } from './resources.ts';
import { needAccount } from './service-accounts.ts';

type Names =
  | 'getPolicies'
  | 'putPolicies'
  | 'listPolicyVersions'
  | 'getPolicyVersion'
  | 'checkPolicies'
  | 'explainPolicy'
  | 'testPolicies'
  | 'getMaskingRules'
  | 'putMaskingRules';
type Ports = Pick<ControlPorts, 'state' | 'clock' | 'read' | 'history'>;

export function policyHandlers(ports: Ports): Pick<Handlers, Names> {
  return { ...ruleHandlers(ports), ...versionHandlers(ports), ...answerHandlers(ports) };
}

function ruleHandlers({ state }: Ports): Pick<Handlers, 'getPolicies' | 'putPolicies' | 'getMaskingRules' | 'putMaskingRules'> {
  return {
    getPolicies: () => {
      const { version, files } = state.snapshot().policies;
      return { version, files: [...files] };
    },
    putPolicies: ({ files, replaces }, { exclusive }) =>
      exclusive(async (commit) => {
        if (replaces !== undefined && replaces !== state.snapshot().policies.version) {
          throw fail('ERR_CONFLICT', { message: 'The policies were changed meanwhile.', hint: 'Read them again and repeat the change.' });
        }
        compiled(files);
        const version = policyVersion(files);
        await commit('policy.updated', { affected: 'policy', value: { version, files } });
        return { version };
      }),
    getMaskingRules: () => ({ rules: [...state.snapshot().maskingRules] }),
    putMaskingRules: ({ rules }, { exclusive }) =>
      exclusive(async (commit) => {
        const { resources } = state.snapshot();
        const unknown = rules.find((rule) => !resources.some(({ name }) => name === rule.resource));
        if (unknown) throw fail('ERR_NOT_FOUND', { message: `There is no resource ${unknown.resource}.` });
        await commit('masking-rule.updated', { affected: 'masking-rules', value: { rules } });
        return { rules };
      }),
  };
}

function versionHandlers({ read, history }: Ports): Pick<Handlers, 'listPolicyVersions' | 'getPolicyVersion'> {
  return {
    listPolicyVersions: async ({ limit, cursor }) => {
      const rows = read.policies.versions({ limit: limit + 1, before: indexOf(cursor) });
      const shown = rows.slice(0, limit);
      const heads = new Map((await history.heads(shown.map(({ position }) => position))).map((head) => [head.index, head]));
      const items = shown.map(({ position, version, files }) => {
        const head = heads.get(position);
        if (head === undefined) throw fail('ERR_AUDIT_UNAVAILABLE', { message: 'The log is still being read.', hint: 'Try again in a moment.' });
        return { version, files, index: position, at: new Date(head.at).toISOString(), by: head.by };
      });
      const last = shown.at(-1);
      return { items, next: rows.length > limit && last !== undefined ? String(last.position) : null };
    },
    getPolicyVersion: ({ version }) => {
      const set = read.policies.named(version);
      if (set === null) throw fail('ERR_NOT_FOUND', { message: `There were no policies ${version}.` });
      return set;
    },
  };
}

function answerHandlers({ state, clock }: Ports): Pick<Handlers, 'checkPolicies' | 'explainPolicy' | 'testPolicies'> {
  return {
    checkPolicies: ({ files }) => {
      const compilation = compilePolicies(files);
      return { faults: compilation.ok ? [] : compilation.faults.map((fault) => ({ ...fault })) };
    },
    explainPolicy: ({ principal, resource: name, database, facts: given }) => {
      const snapshot = state.snapshot();
      const resource = needResource(snapshot, name);
      const facts = given ?? connectingTo(resource);
      const request = {
        principal: principalOf(snapshot, principal, clock.now()),
        resource: name,
        database: database ?? databaseOf(resource),
        account: resource.account,
        origin: '127.0.0.1',
      };
      const { permitted, message, hint, approve, acts } = explain(compiled(snapshot.policies.files), request, { facts, now: clock.now() });
      const shown = acts.map((act) => ({
        action: act.action,
        object: act.object,
        permitted: act.permitted,
        message: act.message,
        policies: act.policies.map((policy) => ({ ...policy })),
      }));
      return { permitted, policyVersion: snapshot.policies.version, message, hint, approve, acts: shown };
    },
    testPolicies: ({ tests, files }) => {
      const run = runPolicyTests(files ?? state.snapshot().policies.files, tests.flatMap(parsePolicyTests));
      if (!run.ok) throw policyFault(run.faults);
      return { results: run.results.map((result) => ({ ...result, policies: [...result.policies] })), unused: [...run.unused] };
    },
  };
}

function policyFault(faults: readonly PolicyFault[]): AppError {
  return fail('ERR_POLICY_INVALID', { faults: faults.map(({ file, line, column, message }) => ({ path: file, line, column, message })) });
}

/** What is asked before the first command. */
function connectingTo({ protocol }: Resource): Facts {
  return {
    acts: [{ action: 'connect', object: { type: rootType[protocol], path: [] } }],
    effect: 'none',
    context: { kind: 'connect', statements: 0, has_where: false, tables: [], columns: [], functions: [], has_limit: false },
    template: '',
  };
}

function principalOf(snapshot: Snapshot, name: string, now: number): Caller {
  const account = needAccount(snapshot, name);
  return {
    issuer: 'postern',
    subject: account.id,
    name,
    kind: 'service-account',
    groups: account.groups,
    granted: [],
    credential: 'none',
    method: 'scram-sha-256',
    resources: [],
    networks: [],
    expiresAt: now,
  };
}

/** Throws ERR_POLICY_INVALID with line and column of every fault. */
export function compiled(files: readonly PolicyFile[]): CompiledPolicies {
  const compilation = compilePolicies(files);
  if (compilation.ok) return compilation.compiled;
  throw policyFault(compilation.faults);
}

const alphabet = 'abcdefghijkmnpqrstuvwxyzACDEFGHJ';

/** Letters of the digest of all files, so that equal policies have equal versions; never a run of digits. */
export function policyVersion(files: readonly PolicyFile[]): string {
  const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ name, text }) => [name, text]);
  const digest = createHash('sha256').update(JSON.stringify(sorted)).digest();
  return `pol_${Array.from(digest.subarray(0, 20), (byte) => alphabet.charAt(byte & 31)).join('')}`;
}
