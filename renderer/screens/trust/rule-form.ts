import type { Input } from '../../../proxy/contract/api.ts';
import { ClaimCondition, TrustRule } from '../../../proxy/contract/trust-rule.ts';
import type { InputFault } from '../../../proxy/lib/errors.ts';
import { platforms, type Platform } from './platforms.ts';

export interface ConditionForm {
  readonly claim: string;
  readonly is: 'one-of' | 'like';
  /** one a line; of `like` the only one is the pattern */
  readonly values: string;
}

/** What is typed, as it is typed. */
export interface RuleForm {
  readonly name: string;
  readonly platform: Platform;
  readonly issuer: string;
  readonly keys: 'issuer' | 'uploaded';
  readonly jwks: string;
  readonly ca: string;
  readonly allowLocal: boolean;
  readonly algorithms: readonly TrustRule['algorithms'][number][];
  readonly conditions: readonly ConditionForm[];
  /** its name */
  readonly serviceAccount: string;
  readonly recorded: readonly string[];
  readonly resources: readonly string[];
  readonly networks: readonly string[];
  readonly tokenMinutes: string;
}

export type RuleFaults = Readonly<Partial<Record<string, string>>>;

export const emptyCondition: ConditionForm = { claim: '', is: 'one-of', values: '' };

/** What a platform brings along; what was typed for another one goes. */
export function presetOf(platform: Platform): Pick<RuleForm, 'platform' | 'issuer' | 'keys' | 'algorithms' | 'conditions' | 'recorded'> {
  const { issuer, algorithms, recorded, claims } = platforms[platform];
  const [first] = claims;
  return {
    platform,
    issuer: issuer ?? '',
    keys: platform === 'client' ? 'uploaded' : 'issuer',
    algorithms,
    conditions: first === undefined ? [] : [{ ...emptyCondition, claim: first }],
    recorded: [...recorded],
  };
}

export const emptyRule: RuleForm = {
  name: '',
  ...presetOf('github'),
  jwks: '',
  ca: '',
  allowLocal: false,
  serviceAccount: '',
  resources: [],
  networks: [],
  tokenMinutes: '15',
};

const secondsPerMinute = 60;

/** `account`: the name of the service account. */
export function ruleFormOf(rule: TrustRule, account: string): RuleForm {
  const { name, platform, issuer, keys, algorithms, conditions, recorded, resources, networks, tokenSeconds } = rule;
  return {
    name,
    platform,
    issuer,
    keys: keys.from,
    jwks: keys.from === 'uploaded' ? keys.jwks : '',
    ca: keys.from === 'issuer' ? (keys.ca ?? '') : '',
    allowLocal: keys.from === 'issuer' && keys.allowLocal,
    algorithms,
    conditions: conditions.map(({ claim, test }) => ({ claim, is: test.is, values: test.is === 'like' ? test.pattern : test.values.join('\n') })),
    serviceAccount: account,
    recorded,
    resources,
    networks,
    tokenMinutes: String(tokenSeconds / secondsPerMinute),
  };
}

type Settings = Omit<Input<'createTrustRule'>, 'name' | 'disabled'>;

export function ruleSettingsOf(form: RuleForm): Settings {
  const { platform, issuer, algorithms, conditions, serviceAccount, recorded, resources, networks, tokenMinutes } = form;
  return {
    platform,
    issuer: issuer.trim(),
    keys: keysOf(form),
    algorithms: [...algorithms],
    conditions: conditions.map(conditionOf),
    serviceAccount: serviceAccount.trim(),
    recorded: [...recorded],
    resources: [...resources],
    networks: [...networks],
    tokenSeconds: /^\d{1,3}(\.\d{1,4})?$/.test(tokenMinutes.trim()) ? Math.round(Number(tokenMinutes) * secondsPerMinute) : NaN,
  };
}

function keysOf({ keys, jwks, ca, allowLocal }: RuleForm): TrustRule['keys'] {
  if (keys === 'uploaded') return { from: 'uploaded', jwks: jwks.trim() };
  return { from: 'issuer', allowLocal, ...(ca.trim() !== '' && { ca: `${ca.trim()}\n` }) };
}

function conditionOf({ claim, is, values }: ConditionForm): ClaimCondition {
  const lines = values
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return { claim: claim.trim(), test: is === 'like' ? { is, pattern: lines[0] ?? '' } : { is, values: lines } };
}

const words: RuleFaults = {
  name: 'Lower-case letters, digits, dot, dash and underscore; it begins with a letter and has at most 63.',
  issuer: 'This is needed.',
  serviceAccount: 'This is needed: the name of a service account.',
  algorithms: 'At least one.',
  tokenMinutes: 'A number from 1 to 60.',
};

const Settings = TrustRule.pick({ name: true, issuer: true, algorithms: true, recorded: true, tokenSeconds: true });

/** What is wrong, field by field, in words; empty: nothing. Whether the conditions hold somebody fast is said by the service. */
export function ruleFaults(form: RuleForm, isNew: boolean): RuleFaults {
  const { issuer, algorithms, recorded, tokenSeconds, conditions, keys } = ruleSettingsOf(form);
  const parsed = Settings.safeParse({ name: isNew ? form.name.trim() : 'known', issuer, algorithms, recorded, tokenSeconds });
  const found = (parsed.error?.issues ?? []).map(({ path, message }): [string, string] => {
    const field = fieldOf(path.join('.'));
    return [field, words[field] ?? message];
  });
  const bad = conditions.flatMap((condition, at) =>
    ClaimCondition.safeParse(condition).success ? [] : [[`conditions.${at}`, 'It needs a claim, and at least one value.'] as const],
  );
  return {
    ...Object.fromEntries(found),
    ...Object.fromEntries(bad),
    ...(form.serviceAccount.trim() === '' && { serviceAccount: words['serviceAccount'] }),
    ...(keys.from === 'uploaded' && keyFault(keys.jwks)),
  };
}

function keyFault(jwks: string): RuleFaults {
  if (jwks === '') return { jwks: 'This is needed: public keys as JSON (RFC 7517).' };
  // a private member of a key: RFC 7518 sections 6.2.2 and 6.3.2, RFC 8037 section 2
  if (/"d"\s*:/.test(jwks) || jwks.includes('PRIVATE KEY'))
    return { jwks: 'This holds a private key. Paste only public keys, and replace that one: it was shown here.' };
  return {};
}

function fieldOf(path: string): string {
  const [condition] = /^conditions\.\d+/.exec(path) ?? [];
  if (condition !== undefined) return condition;
  const [first = '', second = ''] = path.split('.');
  if (first === 'keys') return second === '' ? 'jwks' : second;
  return first === 'tokenSeconds' ? 'tokenMinutes' : first;
}

/** The faults the service found, at their fields. */
export function servedRuleFaults(found: readonly InputFault[]): RuleFaults {
  return Object.fromEntries(found.map(({ path, message }) => [fieldOf(path), message]));
}

/** One condition in a line: `ref is refs/heads/main`, `job_workflow_ref is like …`. */
export function conditionText({ claim, test }: ClaimCondition): string {
  return test.is === 'like' ? `${claim} is like ${test.pattern}` : `${claim} is ${test.values.join(' or ')}`;
}
