import type { Mutant } from './mutant.ts';

const trust = 'proxy/identity/trust.test.ts';
const own = 'test/integration/own-mcp.test.ts';
const children = 'proxy/engines/mcp/stdio-children.test.ts';
const sandbox = 'proxy/engines/mcp/sandbox.test.ts';

const identity = 'identity';
const contained = 'a server gets no more than it was given';
const understood = 'what is not understood does not run';

/** Faults in who a workload is, what a server over stdio may do, and what arguments are read as. */
export const workloadMutants: readonly Mutant[] = [
  {
    name: 'identity: a token made out to others is taken',
    invariant: identity,
    file: 'proxy/identity/trust.ts',
    find: `.every((name) => audience.includes(name)))`,
    replace: `.every((name) => audience.includes(name) || name !== ''))`,
    killedBy: { file: trust, test: 'audience of another' },
  },
  {
    name: 'identity: the conditions of a rule are not checked',
    invariant: identity,
    file: 'proxy/identity/claims.ts',
    find: `return conditions.every((condition) =>`,
    replace: `return conditions.length > 0 || conditions.every((condition) =>`,
    killedBy: { file: trust, test: 'another repository of the same name' },
  },
  {
    name: 'identity: a token chooses its algorithm',
    invariant: identity,
    file: 'proxy/identity/trust.ts',
    find: `rule.algorithms.find((name) => name === header.alg);`,
    replace: `header.alg as (typeof rule.algorithms)[number] | undefined;`,
    killedBy: { file: trust, test: 'keeps to the algorithms of the rule' },
  },
  {
    name: 'identity: a change of the rule ends nothing',
    invariant: identity,
    file: 'proxy/identity/workload-callers.ts',
    find: `?.changedAt !== rule.changedAt) return`,
    replace: `?.changedAt === '') return`,
    killedBy: { file: trust, test: 'ends with it' },
  },
  {
    name: 'identity: an assertion makes a token each time it comes',
    invariant: 'single use',
    file: 'proxy/control/token-exchange.ts',
    find: ` || read.tokens.isSpent({ issuer: run['issuer'] ?? '', jti })`,
    replace: ``,
    killedBy: { file: 'proxy/control/token-exchange.test.ts', test: 'takes an assertion once' },
  },
  {
    name: 'own server: everybody sees the tools of auditors',
    invariant: 'deny by default',
    file: 'proxy/control/own-mcp.ts',
    find: ` || !route.roles.some((role) => calling.roles.includes(role))) continue;`,
    replace: `) continue;`,
    killedBy: { file: own, test: 'shows no tool of an auditor' },
  },
  {
    name: 'own server: whoever calls himself a gateway is believed',
    invariant: identity,
    file: 'proxy/control/own-mcp.ts',
    find: `given.length === expected.length && timingSafeEqual(given, expected) ?`,
    replace: `(timingSafeEqual(given, given) || expected.length === 0) ?`,
    killedBy: { file: own, test: 'believes nobody who calls himself a gateway' },
  },
  {
    name: 'children: a file that was changed is run',
    invariant: contained,
    file: 'proxy/engines/mcp/stdio-launch.ts',
    find: `if (found === sha256) continue;`,
    replace: `if (found !== '') continue;`,
    killedBy: { file: children, test: 'differs from its registered hash' },
  },
  {
    name: 'children: a package runner is started',
    invariant: contained,
    file: 'proxy/engines/mcp/stdio-launch.ts',
    find: `if (runner !== undefined) throw`,
    replace: `if (runner === '') throw`,
    killedBy: { file: children, test: 'a launch that is refused' },
  },
  {
    name: 'children: the sandbox has the network of the machine',
    invariant: contained,
    file: 'proxy/engines/mcp/sandbox.ts',
    find: `...(network ? [] : ['--unshare-net'])`,
    replace: `...(network ? [] : [])`,
    needs: 'sandbox',
    killedBy: { file: sandbox, test: 'has no network unless it is granted' },
  },
  {
    name: 'children: a credential stands among the arguments',
    invariant: contained,
    file: 'proxy/engines/mcp/sandbox.ts',
    find: `args: ['--args', given, '--',`,
    replace: `args: [...options, '--',`,
    needs: 'sandbox',
    killedBy: { file: sandbox, test: 'a credential, sandbox required' },
  },
  {
    name: 'children: the guard outlives the gateway',
    invariant: contained,
    file: 'proxy/engines/mcp/stdio-guard.ts',
    find: `control.on('error', finish);\ncontrol.on('end', finish);\ncontrol.on('close', finish);`,
    replace: `control.on('error', () => undefined);\nsetInterval(() => undefined, 60_000);`,
    killedBy: { file: 'proxy/engines/mcp/stdio-child.test.ts', test: 'does not outlive us' },
  },
  {
    name: 'arguments: the acts of a statement are not decided',
    invariant: 'deny by default',
    file: 'proxy/engines/mcp/analyse-arguments.ts',
    find: `acts: statements.flatMap(({ acts }) => acts),`,
    replace: `acts: statements.slice(1).flatMap(({ acts }) => acts),`,
    killedBy: { file: 'proxy/engines/mcp/analyse-arguments.test.ts', test: 'give the acts of statements' },
  },
  {
    name: 'arguments: any address may be given',
    invariant: 'deny by default',
    file: 'proxy/engines/mcp/analyse-url.ts',
    find: `if (!allow.some((pattern) => matches(pattern, address))) {`,
    replace: `if (allow.length < 0 && !allow.some((pattern) => matches(pattern, address))) {`,
    killedBy: { file: 'proxy/engines/mcp/analyse-url.test.ts' },
  },
  {
    name: 'arguments: a program that depends on variables is taken by its name',
    invariant: understood,
    file: 'proxy/engines/mcp/analyse-command.ts',
    find: `if (!word.literal) throw notUnderstood(`,
    replace: `if (!word.literal && word.text === '') throw notUnderstood(`,
    killedBy: { file: 'proxy/engines/mcp/analyse-command.test.ts', test: 'what is not understood' },
  },
];
