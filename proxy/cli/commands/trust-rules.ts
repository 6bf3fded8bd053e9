import { InvalidArgumentError, Option, type Command } from 'commander';
import { fail } from '../../contract/errors.ts';
import type { ClaimCondition, TrustRule } from '../../contract/trust-rule.ts';
import type { Client } from '../client.ts';
import { every, list, seconds } from '../arguments.ts';
import { fields, table } from '../output.ts';
import { asked, readNamed, type Cli } from '../session.ts';

type Platform = TrustRule['platform'];

interface Preset {
  readonly issuer: string | null;
  readonly algorithms: TrustRule['algorithms'];
  /** claims worth keeping with every event */
  readonly recorded: readonly string[];
}

const presets: Readonly<Record<Platform, Preset>> = {
  github: {
    issuer: 'https://token.actions.githubusercontent.com',
    algorithms: ['RS256'],
    recorded: ['repository', 'repository_id', 'run_id', 'run_attempt', 'job_workflow_ref', 'workflow', 'ref', 'sha', 'environment', 'actor', 'event_name'],
  },
  gitlab: {
    issuer: null,
    algorithms: ['RS256'],
    recorded: ['project_path', 'project_id', 'pipeline_id', 'pipeline_source', 'job_id', 'ref', 'ref_protected', 'sha', 'environment', 'user_login'],
  },
  kubernetes: {
    issuer: null,
    algorithms: ['RS256', 'ES256'],
    recorded: ['kubernetes.io/namespace', 'kubernetes.io/pod/name', 'kubernetes.io/pod/uid', 'kubernetes.io/serviceaccount/name'],
  },
  client: { issuer: null, algorithms: ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'], recorded: [] },
  other: { issuer: null, algorithms: ['RS256', 'ES256'], recorded: [] },
};
const platforms = Object.keys(presets) as Platform[];

interface Options {
  readonly github?: ClaimCondition[];
  readonly gitlab?: ClaimCondition[];
  readonly kubernetes?: ClaimCondition[];
  readonly other?: ClaimCondition[];
  readonly client?: string;
  readonly issuer?: string;
  readonly serviceAccount?: string;
  readonly claim: ClaimCondition[];
  readonly jwks?: string;
  readonly issuerCa?: string;
  readonly local?: boolean;
  readonly algorithm: TrustRule['algorithms'];
  readonly record: string[];
  readonly resource: string[];
  readonly network: string[];
  readonly expires?: number;
}

export function addTrustRuleCommands(program: Command, cli: Cli): void {
  const group = program.command('trust-rule').description('which pipelines and clients may come as which service account, by their own tokens');
  addReading(group, cli);
  addChanging(group, cli);
}

function addReading(group: Command, cli: Cli): void {
  group
    .command('list')
    .description('all trust rules')
    .action(async (_options, command: Command) => {
      const { client, print } = asked(command, cli);
      const api = await client();
      const rules = await rulesOf(api);
      const names = await accountNames(api);
      print(rules, () =>
        table(
          ['NAME', 'PLATFORM', 'ISSUER', 'SERVICE ACCOUNT', 'STATE', 'CONDITIONS'],
          rules.map((rule) => rowOf(rule, names)),
        ),
      );
    });
  group
    .command('show <name>')
    .description('one trust rule')
    .action(async (name: string, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const api = await client();
      const rule = (await rulesOf(api)).find((candidate) => candidate.name === name);
      if (rule === undefined) throw fail('ERR_NOT_FOUND', { message: `There is no trust rule ${name}.` });
      const names = await accountNames(api);
      print(rule, () => textOf(rule, names));
    });
}

function addChanging(group: Command, cli: Cli): void {
  withSettings(group.command('add <name>').description('trusts tokens of an issuer, or a client by its own key, under conditions'))
    .requiredOption('--service-account <name>', 'who they come as')
    .action(async (name: string, options: Options & { serviceAccount: string }, command: Command) => {
      const { client, print } = asked(command, cli);
      const api = await client();
      const rule = await api.call('createTrustRule', { name, disabled: false, ...(await settingsOf(options)), serviceAccount: options.serviceAccount });
      const names = await accountNames(api);
      print(rule, () => textOf(rule, names));
    });
  withSettings(group.command('update <name>').description('replaces what is given; sessions and tokens that rest on the rule end'))
    .option('--service-account <name>', 'who they come as')
    .action(async (name: string, options: Options, command: Command) => {
      const { client, print } = asked(command, cli);
      const api = await client();
      const rule = await api.call('updateTrustRule', { name, ...(await patchOf(options)) });
      const names = await accountNames(api);
      print(rule, () => textOf(rule, names));
    });
  for (const [verb, disabled] of [
    ['disable', true],
    ['enable', false],
  ] as const) {
    group
      .command(`${verb} <name>`)
      .description(disabled ? 'ends what rests on it within a second and takes no more tokens' : 'takes tokens again')
      .action(async (name: string, _options, command: Command) => {
        const { client, print } = asked(command, cli);
        const rule = await (await client()).call('updateTrustRule', { name, disabled });
        print(rule, () => `${name} is ${disabled ? 'disabled' : 'enabled'}.\n`);
      });
  }
  group
    .command('remove <name>')
    .description('trusts it no longer; sessions and tokens that rest on it end')
    .action(async (name: string, _options, command: Command) => {
      const { client, print } = asked(command, cli);
      const done = await (await client()).call('deleteTrustRule', { name });
      print(done, () => `Removed ${name}.\n`);
    });
}

function withSettings(command: Command): Command {
  const conditions = 'conditions, like a=1,b=2: see docs/ci.md';
  return command
    .option('--github <conditions>', `GitHub Actions: ${conditions}`, condition)
    .option('--gitlab <conditions>', `GitLab CI: ${conditions}; with --issuer`, condition)
    .option('--kubernetes <conditions>', `Kubernetes: ${conditions}; with --issuer`, condition)
    .option('--other <conditions>', `any other issuer: ${conditions}; with --issuer`, condition)
    .option('--client <id>', 'a client that signs for itself (private_key_jwt); with --jwks')
    .option('--issuer <url>', 'iss of the tokens, letter for letter')
    .option('--claim <condition>', 'one more condition: claim=value, claim=a|b, or claim~pattern; may be repeated', addCondition, [])
    .option('--jwks <file>', 'public keys (RFC 7517) instead of asking the issuer')
    .option('--issuer-ca <file>', 'PEM of the authority that the issuer’s address is checked by')
    .option('--local', 'the issuer may be on this machine, and without TLS')
    .addOption(new Option('--algorithm <name>', 'signatures that are taken; may be repeated').argParser(addAlgorithm).default([]))
    .option('--record <claim>', 'a claim to keep with every event; may be repeated (default: those of the platform)', list, [])
    .option('--resource <name>', 'a resource it is good for; may be repeated (default: all)', list, [])
    .option('--network <cidr>', 'a network it may come from; may be repeated (default: any)', list, [])
    .option('--expires <duration>', 'how long tokens got in exchange are good: 60s to 1h (default 15m)', seconds);
}

type Settings = Omit<TrustRule, 'id' | 'name' | 'createdAt' | 'changedAt' | 'serviceAccount' | 'disabled'>;

async function settingsOf(options: Options): Promise<Settings> {
  const platform = platformOf(options);
  if (platform === null) throw fail('ERR_INVALID_INPUT', { message: `Say whose tokens: one of ${platforms.map((name) => `--${name}`).join(', ')}.` });
  const preset = presets[platform];
  const issuer = options.client ?? options.issuer ?? preset.issuer;
  if (issuer === null) throw fail('ERR_INVALID_INPUT', { message: '--issuer is missing: the address in the claim iss of its tokens.' });
  return {
    platform,
    issuer,
    keys: await keysOf(options),
    algorithms: options.algorithm.length > 0 ? options.algorithm : preset.algorithms,
    conditions: conditionsOf(options),
    recorded: options.record.length > 0 ? options.record : [...preset.recorded],
    resources: options.resource,
    networks: options.network,
    tokenSeconds: options.expires ?? 900,
  };
}

/** Only what was given. */
async function patchOf(options: Options): Promise<Partial<Settings> & { serviceAccount?: string }> {
  const platform = platformOf(options);
  const conditions = conditionsOf(options);
  const given = {
    platform: platform ?? undefined,
    issuer: options.client ?? options.issuer,
    keys: options.jwks === undefined && options.issuerCa === undefined && options.local !== true ? undefined : await keysOf(options),
    algorithms: someOf(options.algorithm),
    conditions: someOf(conditions),
    recorded: someOf(options.record),
    resources: someOf(options.resource),
    networks: someOf(options.network),
    tokenSeconds: options.expires,
    serviceAccount: options.serviceAccount,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function someOf<T>(items: readonly T[]): T[] | undefined {
  return items.length > 0 ? [...items] : undefined;
}

function platformOf(options: Options): Platform | null {
  const named = platforms.filter((name) => options[name] !== undefined);
  if (named.length > 1) throw fail('ERR_INVALID_INPUT', { message: `${named.map((name) => `--${name}`).join(' and ')} exclude each other.` });
  return named[0] ?? null;
}

function conditionsOf({ github, gitlab, kubernetes, other, claim }: Options): ClaimCondition[] {
  return [...(github ?? gitlab ?? kubernetes ?? other ?? []), ...claim];
}

async function keysOf({ jwks, issuerCa: ca, local = false }: Options): Promise<TrustRule['keys']> {
  if (jwks !== undefined) return { from: 'uploaded', jwks: await readNamed(jwks) };
  return { from: 'issuer', allowLocal: local, ...(ca !== undefined && { ca: await readNamed(ca) }) };
}

/** `a=1,b=x|y,c~refs/heads/*`. */
function condition(text: string): ClaimCondition[] {
  return text.split(',').map((part) => conditionOf(part));
}

function addCondition(text: string, before: ClaimCondition[]): ClaimCondition[] {
  return [...before, conditionOf(text)];
}

function conditionOf(text: string): ClaimCondition {
  const [, claim, sign, value] = /^([^=~]+)([=~])(.+)$/.exec(text) ?? [];
  if (claim === undefined || value === undefined) throw new InvalidArgumentError('Write it as claim=value, claim=a|b, or claim~pattern.');
  return { claim, test: sign === '~' ? { is: 'like', pattern: value } : { is: 'one-of', values: value.split('|') } };
}

const algorithms = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'] as const;

function addAlgorithm(text: string, before: TrustRule['algorithms']): TrustRule['algorithms'] {
  const name = algorithms.find((known) => known === text);
  if (name === undefined) throw new InvalidArgumentError(`One of ${algorithms.join(', ')}.`);
  return [...before, name];
}

function rulesOf(api: Client): Promise<TrustRule[]> {
  return every((cursor) => api.call('listTrustRules', { limit: 1_000, cursor }));
}

async function accountNames(api: Client): Promise<ReadonlyMap<string, string>> {
  const accounts = await every((cursor) => api.call('listServiceAccounts', { limit: 1_000, cursor }));
  return new Map(accounts.map(({ id, name }) => [id, name]));
}

function rowOf(rule: TrustRule, names: ReadonlyMap<string, string>): string[] {
  const { name, platform, issuer, serviceAccount } = rule;
  return [name, platform, issuer, names.get(serviceAccount) ?? serviceAccount, stateOf(rule), conditionsText(rule)];
}

function stateOf({ disabled }: TrustRule): string {
  return disabled ? 'disabled' : 'enabled';
}

function conditionsText({ conditions }: TrustRule): string {
  return conditions.map(({ claim, test }) => (test.is === 'like' ? `${claim}~${test.pattern}` : `${claim}=${test.values.join('|')}`)).join(',') || '–';
}

function textOf(rule: TrustRule, names: ReadonlyMap<string, string>): string {
  const { name, platform, issuer, keys, algorithms: taken, serviceAccount, recorded, resources, networks, tokenSeconds, changedAt, id } = rule;
  return fields({
    name,
    state: stateOf(rule),
    'service account': names.get(serviceAccount) ?? serviceAccount,
    platform,
    issuer,
    keys: keys.from === 'uploaded' ? 'uploaded' : 'asked of the issuer',
    algorithms: taken.join(', '),
    conditions: conditionsText(rule),
    recorded: recorded.join(', ') || '–',
    resources: resources.join(', ') || 'all',
    networks: networks.join(', ') || 'any',
    'tokens good for': `${String(tokenSeconds)} s`,
    changed: changedAt,
    id,
  });
}
