import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from '../cli/client.ts';
import type { MaskingRule } from '../contract/masking-rule.ts';
import { AppError } from '../lib/errors.ts';
import type { Secret } from '../lib/secret.ts';

/** Who the demo has: the first may read only. */
export const demoPrincipals = [
  { name: 'ci-runner', owner: 'Build team', purpose: 'Nightly reports from the payments database', groups: ['readers'] },
  { name: 'release-bot', owner: 'Release team', purpose: 'Schema changes and corrections at release time', groups: ['readers', 'writers', 'migrators'] },
  { name: 'dispute-desk', owner: 'Card operations', purpose: 'Looks up full card numbers for disputes', groups: ['readers', 'card-operators'] },
] as const;

/** Who looks at what the release bot deletes. */
export const demoApprover = { name: 'alice', human: 'alice@example.com', groups: ['approvers'] } as const;

/** Who may open the console: one administers, one decides. Their keys are made in whatever browser opens their link. */
export const demoPeople = [
  { name: 'olivia', human: 'olivia@example.com', groups: [], roles: ['administrator', 'auditor'], does: 'administrator' },
  { name: 'bob', human: 'bob@example.com', groups: ['approvers'], roles: [], does: 'approver' },
] as const;

export const demoResource = 'payments';

const starterSet = fileURLToPath(new URL('../../resources/policies/pci-dss-starter', import.meta.url));

const ownPolicies = fileURLToPath(new URL('policies', import.meta.url));

const tagged: readonly Omit<MaskingRule, 'resource' | 'schema'>[] = [
  { table: 'cards', column: 'pan', tag: 'pan' },
  { table: 'cards', column: 'cvv', tag: 'sad' },
  { table: 'card_numbers_numeric', column: 'pan', tag: 'pan' },
];

export interface DemoTarget {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly account: string;
  readonly password: Secret<string>;
  /** the resource's own port on the gateway */
  readonly listenPort: number;
}

/** Brings the service to the demo's configuration; what is there already stays. */
export async function configure(client: Client, target: DemoTarget): Promise<void> {
  for (const principal of demoPrincipals) await unlessThere(() => client.call('createServiceAccount', { ...principal, groups: [...principal.groups] }));
  const { host, port, database, account, listenPort } = target;
  const settings = { host, port, database, account, listenPort, tls: { mode: 'disable' } } as const;
  const isNew = await unlessThere(() =>
    client.call('createResource', {
      name: demoResource,
      protocol: 'postgres',
      ...settings,
      password: target.password.reveal(),
      recording: { maxBytesPerOperation: 65_536 },
    }),
  );
  if (!isNew) await client.call('updateResource', { name: demoResource, ...settings });
  const { version, files } = await client.call('getPolicies', {});
  if (files.length === 0) await client.call('putPolicies', { files: await demoPolicies(), replaces: version });
  const { rules } = await client.call('getMaskingRules', {});
  if (rules.length === 0) await client.call('putMaskingRules', { rules: tagged.map((rule) => ({ resource: demoResource, schema: 'public', ...rule })) });
}

/** The starter set and the demo's own rules on arguments. */
async function demoPolicies(): Promise<{ name: string; text: string }[]> {
  return (await Promise.all([starterSet, ownPolicies].map(policiesIn))).flat();
}

async function policiesIn(dir: string): Promise<{ name: string; text: string }[]> {
  const names = (await readdir(dir)).filter((name) => name.endsWith('.cedar')).sort();
  return Promise.all(names.map(async (name) => ({ name, text: await readFile(join(dir, name), 'utf8') })));
}

/** False when it was there already. */
export async function unlessThere(create: () => Promise<unknown>): Promise<boolean> {
  try {
    await create();
    return true;
  } catch (error) {
    if (error instanceof AppError && error.code === 'ERR_CONFLICT') return false;
    throw error;
  }
}

/** A token for each principal that has none in `known`, or whose token is no longer good. */
export async function tokens(client: Client, known: Readonly<Record<string, string>>): Promise<Record<string, string>> {
  const live = new Set(
    (await client.call('listTokens', { limit: 500 })).items
      .filter((token) => token.revokedAt === null && Date.parse(token.expiresAt) > Date.now() + 86_400_000)
      .map((token) => token.serviceAccount),
  );
  const result: Record<string, string> = {};
  for (const { name } of demoPrincipals) {
    const { id } = await client.call('showServiceAccount', { name });
    const kept = known[name];
    result[name] = kept !== undefined && live.has(id) ? kept : (await client.call('createToken', { serviceAccount: name })).token;
  }
  return result;
}
