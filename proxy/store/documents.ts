import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { z } from 'zod';
import type { LogPosition } from './position.ts';

/** What readers get. */
export interface Reader<T> {
  /** by name or id, in stable order */
  all(): readonly T[];
  find(id: string): T | null;
}

export interface NamedReader<T> extends Reader<T> {
  named(name: string): T | null;
}

export interface Writer<T> {
  put(at: LogPosition, value: T): void;
  delete(at: LogPosition, id: string): void;
}

export type Row = Record<string, SQLOutputValue> | undefined;

// rows are parsed like any other input: the file may have been changed by hand
export function documentOf<T>(schema: z.ZodType<T>, row: NonNullable<Row>): T {
  return schema.parse(JSON.parse(String(row['document'])));
}

/** A table of (id, name, position, document). */
export function namedDocuments<T extends { id: string; name: string }>(
  database: DatabaseSync,
  table: 'service_accounts' | 'resources' | 'users' | 'webhooks' | 'witnesses' | 'trust_rules',
  schema: z.ZodType<T>,
): NamedReader<T> & Writer<T> {
  const all = database.prepare(`SELECT document FROM ${table} ORDER BY name`);
  const byId = database.prepare(`SELECT document FROM ${table} WHERE id = ?`);
  const byName = database.prepare(`SELECT document FROM ${table} WHERE name = ?`);
  const put = database.prepare(
    `INSERT INTO ${table} (id, name, position, document) VALUES (?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET name = excluded.name, position = excluded.position, document = excluded.document`,
  );
  const remove = database.prepare(`DELETE FROM ${table} WHERE id = ?`);
  const one = (row: Row): T | null => (row === undefined ? null : documentOf(schema, row));
  return {
    all: () => all.all().map((row) => documentOf(schema, row)),
    find: (id) => one(byId.get(id)),
    named: (name) => one(byName.get(name)),
    put(at, value) {
      put.run(value.id, value.name, at, JSON.stringify(value));
    },
    delete(_at, id) {
      remove.run(id);
    },
  };
}
/** A table of (id, owner, position, document), where the owner's end is the row's. */
export function ownedDocuments<T extends { id: string }>(
  database: DatabaseSync,
  {
    table,
    owner,
    schema,
    ownerOf,
  }: { table: 'tokens' | 'invitations'; owner: 'service_account' | 'user'; schema: z.ZodType<T>; ownerOf: (value: T) => string },
): Reader<T> & Writer<T> {
  const all = database.prepare(`SELECT document FROM ${table} ORDER BY id`);
  const byId = database.prepare(`SELECT document FROM ${table} WHERE id = ?`);
  const put = database.prepare(
    `INSERT INTO ${table} (id, ${owner}, position, document) VALUES (?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET position = excluded.position, document = excluded.document`,
  );
  const remove = database.prepare(`DELETE FROM ${table} WHERE id = ?`);
  return {
    all: () => all.all().map((row) => documentOf(schema, row)),
    find(id) {
      const row = byId.get(id);
      return row === undefined ? null : documentOf(schema, row);
    },
    put(at, value) {
      put.run(value.id, ownerOf(value), at, JSON.stringify(value));
    },
    delete(_at, id) {
      remove.run(id);
    },
  };
}
