import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { MaskingRule } from '../contract/masking-rule.ts';
import { ServiceAccount } from '../contract/principal.ts';
import { Resource } from '../contract/resource.ts';
import type { PolicyFile } from '../contract/snapshot.ts';
import { User, Invitation } from '../contract/user.ts';
import { Webhook } from '../contract/webhook.ts';
import { TrustRule } from '../contract/trust-rule.ts';
import { Witness } from '../contract/witness.ts';
import { documentOf, namedDocuments, ownedDocuments, type NamedReader, type Reader, type Row, type Writer } from './documents.ts';
import type { LogPosition } from './position.ts';
import { tokens, toolPins, type TokenReader, type TokenWriter, type ToolPinReader, type ToolPinWriter } from './workload-repositories.ts';
import { approvalRequests, grants, type GrantReader, type GrantWriter, type RequestReader, type RequestWriter } from './request-repositories.ts';

export const PolicySet = z.strictObject({
  version: z.string().min(1).max(128),
  files: z.array(z.strictObject({ name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/), text: z.string().max(1_048_576) })).max(1024),
});
export type PolicySet = z.infer<typeof PolicySet>;

export interface PastPolicySet extends PolicySet {
  /** of the event that put it in force */
  readonly position: number;
}

export interface StoredSecret {
  readonly id: string;
  readonly version: number;
}

/** Cannot write: what evidence, listings and the API's reads are given. */
export interface ReadableState {
  /** of the last event applied; -1 before the first */
  readonly cursor: number;
  /** how many state events made this state */
  readonly version: number;
  readonly serviceAccounts: NamedReader<ServiceAccount>;
  readonly tokens: TokenReader;
  readonly resources: NamedReader<Resource>;
  readonly secrets: Reader<StoredSecret>;
  readonly policies: {
    /** Before the first `policy.updated`: version `none`, no files. */
    current(): { readonly version: string; readonly files: readonly PolicyFile[] };
    /** newest first */
    history(): readonly PastPolicySet[];
    /** newest first, how many files each had; `before`: only those put in force before that position */
    versions(page: { limit: number; before: number | null }): readonly { readonly position: number; readonly version: string; readonly files: number }[];
    named(version: string): PolicySet | null;
  };
  readonly maskingRules: { all(): readonly MaskingRule[] };
  readonly users: NamedReader<User>;
  readonly invitations: Reader<Invitation>;
  readonly requests: RequestReader;
  readonly grants: GrantReader;
  readonly webhooks: NamedReader<Webhook>;
  readonly witnesses: NamedReader<Witness>;
  readonly trustRules: NamedReader<TrustRule>;
  readonly toolPins: ToolPinReader;
  /** the policies that are evaluated beside those in force; null: none */
  readonly shadow: { current(): PolicySet | null };
}

export interface WritableState extends ReadableState {
  readonly serviceAccounts: NamedReader<ServiceAccount> & Writer<ServiceAccount>;
  readonly tokens: TokenReader & TokenWriter;
  readonly resources: NamedReader<Resource> & Writer<Resource>;
  readonly secrets: Reader<StoredSecret> & Writer<StoredSecret>;
  readonly policies: ReadableState['policies'] & { replace(at: LogPosition, set: PolicySet): void };
  readonly maskingRules: ReadableState['maskingRules'] & { replace(at: LogPosition, rules: readonly MaskingRule[]): void };
  readonly users: NamedReader<User> & Writer<User>;
  readonly invitations: Reader<Invitation> & Writer<Invitation>;
  readonly requests: RequestReader & RequestWriter;
  readonly grants: GrantReader & GrantWriter;
  readonly webhooks: NamedReader<Webhook> & Writer<Webhook>;
  readonly witnesses: NamedReader<Witness> & Writer<Witness>;
  readonly trustRules: NamedReader<TrustRule> & Writer<TrustRule>;
  readonly toolPins: ToolPinReader & ToolPinWriter;
  readonly shadow: ReadableState['shadow'] & { replace(at: LogPosition, set: PolicySet): void };
}

export function repositoriesOf(database: DatabaseSync): WritableState {
  const cursor = database.prepare('SELECT position, version FROM cursor');
  return {
    get cursor() {
      return Number(cursor.get()?.['position']);
    },
    get version() {
      return Number(cursor.get()?.['version']);
    },
    serviceAccounts: namedDocuments(database, 'service_accounts', ServiceAccount),
    tokens: tokens(database),
    resources: namedDocuments(database, 'resources', Resource),
    secrets: secrets(database),
    policies: policies(database),
    maskingRules: maskingRules(database),
    users: namedDocuments(database, 'users', User),
    invitations: ownedDocuments(database, { table: 'invitations', owner: 'user', schema: Invitation, ownerOf: ({ user }) => user }),
    requests: approvalRequests(database),
    grants: grants(database),
    webhooks: namedDocuments(database, 'webhooks', Webhook),
    witnesses: namedDocuments(database, 'witnesses', Witness),
    trustRules: namedDocuments(database, 'trust_rules', TrustRule),
    toolPins: toolPins(database),
    shadow: shadowPolicies(database),
  };
}

function secrets(database: DatabaseSync): Reader<StoredSecret> & Writer<StoredSecret> {
  const all = database.prepare('SELECT id, version FROM secrets ORDER BY id');
  const byId = database.prepare('SELECT id, version FROM secrets WHERE id = ?');
  const put = database.prepare(
    `INSERT INTO secrets (id, version, position) VALUES (?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET version = excluded.version, position = excluded.position`,
  );
  const remove = database.prepare('DELETE FROM secrets WHERE id = ?');
  const of = (row: NonNullable<Row>): StoredSecret => ({ id: String(row['id']), version: Number(row['version']) });
  return {
    all: () => all.all().map(of),
    find(id) {
      const row = byId.get(id);
      return row === undefined ? null : of(row);
    },
    put(at, value) {
      put.run(value.id, value.version, at);
    },
    delete(_at, id) {
      remove.run(id);
    },
  };
}

function policies(database: DatabaseSync): WritableState['policies'] {
  const newestFirst = database.prepare('SELECT position, version, files FROM policy_sets ORDER BY position DESC');
  const newest = database.prepare('SELECT position, version, files FROM policy_sets ORDER BY position DESC LIMIT 1');
  const earlier = database.prepare(
    'SELECT position, version, json_array_length(files) AS n FROM policy_sets WHERE (?1 IS NULL OR position < ?1) ORDER BY position DESC LIMIT ?2',
  );
  const named = database.prepare('SELECT version, files FROM policy_sets WHERE version = ? ORDER BY position DESC LIMIT 1');
  const add = database.prepare('INSERT INTO policy_sets (position, version, files) VALUES (?, ?, ?)');
  const of = (row: NonNullable<Row>): PastPolicySet => ({
    ...PolicySet.parse({ version: row['version'], files: JSON.parse(String(row['files'])) as unknown }),
    position: Number(row['position']),
  });
  return {
    current() {
      const row = newest.get();
      if (row === undefined) return { version: 'none', files: [] };
      const { version, files } = of(row);
      return { version, files };
    },
    history: () => newestFirst.all().map(of),
    versions: ({ limit, before }) =>
      earlier.all(before, limit).map((row) => ({ position: Number(row['position']), version: String(row['version']), files: Number(row['n']) })),
    named(version) {
      const row = named.get(version);
      return row === undefined ? null : PolicySet.parse({ version: row['version'], files: JSON.parse(String(row['files'])) as unknown });
    },
    replace(at, set) {
      add.run(at, set.version, JSON.stringify(set.files));
    },
  };
}

function shadowPolicies(database: DatabaseSync): WritableState['shadow'] {
  const only = database.prepare('SELECT version, files FROM shadow_policies');
  const put = database.prepare(
    `INSERT INTO shadow_policies (only, position, version, files) VALUES (1, ?, ?, ?)
     ON CONFLICT (only) DO UPDATE SET position = excluded.position, version = excluded.version, files = excluded.files`,
  );
  return {
    current() {
      const row = only.get();
      const set = row === undefined ? null : PolicySet.parse({ version: row['version'], files: JSON.parse(String(row['files'])) as unknown });
      return set === null || set.files.length === 0 ? null : set;
    },
    replace(at, set) {
      put.run(at, set.version, JSON.stringify(set.files));
    },
  };
}

function maskingRules(database: DatabaseSync): WritableState['maskingRules'] {
  const all = database.prepare('SELECT document FROM masking_rules ORDER BY place');
  const clear = database.prepare('DELETE FROM masking_rules');
  const add = database.prepare('INSERT INTO masking_rules (position, document) VALUES (?, ?)');
  return {
    all: () => all.all().map((row) => documentOf(MaskingRule, row)),
    replace(at, rules) {
      clear.run();
      for (const rule of rules) add.run(at, JSON.stringify(rule));
    },
  };
}
