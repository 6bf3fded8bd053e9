import type { DatabaseSync } from 'node:sqlite';
import { Token } from '../contract/principal.ts';
import { ToolPin } from '../contract/tool-pin.ts';
import { documentOf, ownedDocuments, type Reader, type Row, type Writer } from './documents.ts';
import type { LogPosition } from './position.ts';

export interface TokenReader extends Reader<Token> {
  /** without those got in exchange that expired before `after` (RFC 3339 UTC with milliseconds, as everywhere here) */
  since(after: string): readonly Token[];
  /** how many tokens got in exchange under a rule are good at `now` */
  live(rule: string, now: string): number;
  /** whether a token was got for this assertion; known for hours after both have ended */
  isSpent(assertion: { issuer: string; jti: string }): boolean;
}

export interface TokenWriter extends Writer<Token> {
  /** Forgets tokens of a trust rule that expired before `before`. */
  forgetExpired(at: LogPosition, rule: string, before: string): void;
}

export function tokens(database: DatabaseSync): TokenReader & TokenWriter {
  const documents = ownedDocuments(database, { table: 'tokens', owner: 'service_account', schema: Token, ownerOf: ({ serviceAccount }) => serviceAccount });
  const since = database.prepare(
    "SELECT document FROM tokens WHERE json_extract(document, '$.trustRule') IS NULL OR json_extract(document, '$.expiresAt') >= ? ORDER BY id",
  );
  const live = database.prepare(
    `SELECT count(*) AS n FROM tokens
     WHERE json_extract(document, '$.trustRule') = ? AND json_extract(document, '$.expiresAt') > ? AND json_extract(document, '$.revokedAt') IS NULL`,
  );
  const spent = database.prepare(
    "SELECT count(*) AS n FROM tokens WHERE json_extract(document, '$.run.jti') = ? AND json_extract(document, '$.run.issuer') = ?",
  );
  const forget = database.prepare("DELETE FROM tokens WHERE json_extract(document, '$.trustRule') = ? AND json_extract(document, '$.expiresAt') < ?");
  return {
    ...documents,
    since: (after) => since.all(after).map((row) => documentOf(Token, row)),
    live: (rule, now) => Number(live.get(rule, now)?.['n']),
    isSpent: ({ issuer, jti }) => Number(spent.get(jti, issuer)?.['n']) > 0,
    forgetExpired(_at, rule, before) {
      forget.run(rule, before);
    },
  };
}

export interface ToolPinReader extends Reader<ToolPin> {
  of(resource: string): readonly ToolPin[];
  on(offered: Pick<ToolPin, 'resource' | 'kind' | 'name'>): ToolPin | null;
}

export interface ToolPinWriter extends Writer<ToolPin> {
  /** The server of that name is gone, or is another. */
  forget(at: LogPosition, resource: string): void;
}

export function toolPins(database: DatabaseSync): ToolPinReader & ToolPinWriter {
  const all = database.prepare('SELECT document FROM tool_pins ORDER BY resource, kind, name');
  const byId = database.prepare('SELECT document FROM tool_pins WHERE id = ?');
  const byResource = database.prepare('SELECT document FROM tool_pins WHERE resource = ? ORDER BY kind, name');
  const byName = database.prepare('SELECT document FROM tool_pins WHERE resource = ? AND kind = ? AND name = ?');
  const put = database.prepare(
    `INSERT INTO tool_pins (id, resource, kind, name, position, document) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET position = excluded.position, document = excluded.document`,
  );
  const remove = database.prepare('DELETE FROM tool_pins WHERE id = ?');
  const forget = database.prepare('DELETE FROM tool_pins WHERE resource = ?');
  const one = (row: Row): ToolPin | null => (row === undefined ? null : documentOf(ToolPin, row));
  return {
    all: () => all.all().map((row) => documentOf(ToolPin, row)),
    find: (id) => one(byId.get(id)),
    of: (resource) => byResource.all(resource).map((row) => documentOf(ToolPin, row)),
    on: ({ resource, kind, name }) => one(byName.get(resource, kind, name)),
    put(at, pin) {
      put.run(pin.id, pin.resource, pin.kind, pin.name, at, JSON.stringify(pin));
    },
    delete(_at, id) {
      remove.run(id);
    },
    forget(_at, resource) {
      forget.run(resource);
    },
  };
}
