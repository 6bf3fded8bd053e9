import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { ApprovalRequest, Grant, RequestStatus } from '../contract/approval-request.ts';
import { documentOf, type Row } from './documents.ts';
import type { LogPosition } from './position.ts';

export interface StoredRequest {
  /** of the event that made it: the order in which requests came */
  readonly created: number;
  /** of the event that changed it last */
  readonly position: number;
  readonly request: ApprovalRequest;
}

/** Absent members: of every kind. */
export interface RequestFilter {
  readonly status?: RequestStatus | undefined;
  /** groups that decide */
  readonly groups?: readonly string[] | undefined;
}

export interface RequestReader {
  find(id: string): ApprovalRequest | null;
  /** newest first; `before`: only those that came earlier than that position */
  newest(filter: RequestFilter, page: { limit: number; before: number | null }): readonly StoredRequest[];
  /** those that changed after the position, in the order of their last change */
  requestsAfter(position: number, limit: number): readonly StoredRequest[];
  /** pending and approved operations, oldest first: what a restart ends */
  openOperations(limit: number): readonly ApprovalRequest[];
  /** newest first */
  accesses(status: RequestStatus, limit: number): readonly ApprovalRequest[];
  /** pending and approved ones whose time is over; `now` in milliseconds since the epoch */
  due(now: number, limit: number): readonly ApprovalRequest[];
  /** milliseconds since the epoch; null: nothing is pending or approved */
  nextExpiry(): number | null;
  /** Pending and approved ones, of one principal or of all. */
  countOpen(principal?: string): number;
  countPending(): number;
  /** how the requests of a principal stand */
  countsOf(principal: string): Readonly<Record<RequestStatus, number>>;
  /** ids of other pending requests of the same principal or session, newest first */
  neighbours(request: ApprovalRequest, limit: number): readonly string[];
}

export interface RequestWriter {
  put(at: LogPosition, value: ApprovalRequest): void;
}

export interface GrantReader {
  find(id: string): Grant | null;
  /** by id */
  all(): readonly Grant[];
  /** newest first; `endsAfter`: milliseconds since the epoch */
  newest(page: { limit: number; before: number | null; endsAfter?: number }): readonly { readonly created: number; readonly grant: Grant }[];
  /** those that end, or ended, after a moment; by id */
  endingAfter(moment: number): readonly Grant[];
  ofRequest(request: string): Grant | null;
}

export interface GrantWriter {
  put(at: LogPosition, value: Grant): void;
}

const open = `status IN ('pending', 'approved')`;

export function approvalRequests(database: DatabaseSync): RequestReader & RequestWriter {
  return { ...requestQueries(database), ...requestCounts(database), ...requestWriter(database) };
}

const storedOf = (row: NonNullable<Row>): StoredRequest => ({
  created: Number(row['created']),
  position: Number(row['position']),
  request: documentOf(ApprovalRequest, row),
});

function requestQueries(
  database: DatabaseSync,
): Pick<RequestReader, 'find' | 'newest' | 'requestsAfter' | 'openOperations' | 'accesses' | 'due' | 'nextExpiry'> {
  const byId = database.prepare('SELECT document FROM approval_requests WHERE id = ?');
  const newest = database.prepare(
    `SELECT created, position, document FROM approval_requests
     WHERE (?1 IS NULL OR created < ?1) AND (?2 IS NULL OR status = ?2) AND (?3 IS NULL OR approvers IN (SELECT value FROM json_each(?3)))
     ORDER BY created DESC LIMIT ?4`,
  );
  const after = database.prepare('SELECT created, position, document FROM approval_requests WHERE position > ? ORDER BY position LIMIT ?');
  const operations = database.prepare(`SELECT document FROM approval_requests WHERE ${open} AND kind = 'operation' ORDER BY created LIMIT ?`);
  const accesses = database.prepare(`SELECT document FROM approval_requests WHERE status = ? AND kind = 'access' ORDER BY created DESC LIMIT ?`);
  const due = database.prepare(`SELECT document FROM approval_requests WHERE ${open} AND expires <= ? ORDER BY expires LIMIT ?`);
  const next = database.prepare(`SELECT min(expires) AS expires FROM approval_requests WHERE ${open}`);
  const many = (rows: readonly NonNullable<Row>[]): ApprovalRequest[] => rows.map((row) => documentOf(ApprovalRequest, row));
  return {
    find(id) {
      const row = byId.get(id);
      return row === undefined ? null : documentOf(ApprovalRequest, row);
    },
    newest: ({ status, groups }, { limit, before }) =>
      newest.all(before, status ?? null, groups === undefined ? null : JSON.stringify(groups), limit).map(storedOf),
    requestsAfter: (position, limit) => after.all(position, limit).map(storedOf),
    openOperations: (limit) => many(operations.all(limit)),
    accesses: (status, limit) => many(accesses.all(status, limit)),
    due: (now, limit) => many(due.all(now, limit)),
    nextExpiry() {
      const expires = next.get()?.['expires'];
      return typeof expires === 'number' ? expires : null;
    },
  };
}

function requestCounts(database: DatabaseSync): Pick<RequestReader, 'countOpen' | 'countPending' | 'countsOf' | 'neighbours'> {
  const count = database.prepare(`SELECT count(*) AS n FROM approval_requests WHERE ${open} AND (?1 IS NULL OR principal = ?1)`);
  const pending = database.prepare(`SELECT count(*) AS n FROM approval_requests WHERE status = 'pending'`);
  const counts = database.prepare('SELECT status, count(*) AS n FROM approval_requests WHERE principal = ? GROUP BY status');
  const neighbours = database.prepare(
    `SELECT id FROM approval_requests WHERE status = 'pending' AND id <> ?1 AND (principal = ?2 OR session = ?3) ORDER BY created DESC LIMIT ?4`,
  );
  return {
    countOpen: (principal) => Number(count.get(principal ?? null)?.['n']),
    countPending: () => Number(pending.get()?.['n']),
    countsOf(principal) {
      const found: Record<RequestStatus, number> = { pending: 0, approved: 0, denied: 0, expired: 0, withdrawn: 0, used: 0 };
      for (const row of counts.all(principal)) found[RequestStatus.parse(row['status'])] = Number(row['n']);
      return found;
    },
    neighbours: ({ id, canonical }, limit) => neighbours.all(id, canonical.principal.subject, sessionOf(canonical), limit).map((row) => String(row['id'])),
  };
}

function requestWriter(database: DatabaseSync): RequestWriter {
  const put = database.prepare(
    `INSERT INTO approval_requests (id, created, position, status, kind, principal, session, approvers, expires, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET position = excluded.position, status = excluded.status, document = excluded.document`,
  );
  return {
    put(at, value) {
      const { id, status, canonical } = value;
      const matter: SQLInputValue[] = [canonical.subject.kind, canonical.principal.subject, sessionOf(canonical), canonical.terms.group];
      put.run(id, at, at, status, ...matter, Date.parse(canonical.expiresAt), JSON.stringify(value));
    },
  };
}

function sessionOf({ subject }: ApprovalRequest['canonical']): string | null {
  return subject.kind === 'operation' ? subject.session : null;
}

/** When a grant ends, or ended: milliseconds since the epoch. */
export function endOf({ expiresAt, revokedAt }: Grant): number {
  const expires = Date.parse(expiresAt);
  return revokedAt === null ? expires : Math.min(expires, Date.parse(revokedAt));
}

export function grants(database: DatabaseSync): GrantReader & GrantWriter {
  const byId = database.prepare('SELECT document FROM grants WHERE id = ?');
  const byRequest = database.prepare('SELECT document FROM grants WHERE request = ?');
  const all = database.prepare('SELECT document FROM grants ORDER BY id');
  const newest = database.prepare(
    'SELECT created, document FROM grants WHERE (?1 IS NULL OR created < ?1) AND (?2 IS NULL OR ends > ?2) ORDER BY created DESC LIMIT ?3',
  );
  const ending = database.prepare('SELECT document FROM grants WHERE ends > ? ORDER BY id');
  const put = database.prepare(
    `INSERT INTO grants (id, created, position, ends, request, document) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET position = excluded.position, ends = excluded.ends, document = excluded.document`,
  );
  const one = (row: Row): Grant | null => (row === undefined ? null : documentOf(Grant, row));
  return {
    find: (id) => one(byId.get(id)),
    ofRequest: (request) => one(byRequest.get(request)),
    all: () => all.all().map((row) => documentOf(Grant, row)),
    newest: ({ limit, before, endsAfter }) =>
      newest.all(before, endsAfter ?? null, limit).map((row) => ({ created: Number(row['created']), grant: documentOf(Grant, row) })),
    endingAfter: (moment) => ending.all(moment).map((row) => documentOf(Grant, row)),
    put(at, value) {
      put.run(value.id, at, at, endOf(value), value.request, JSON.stringify(value));
    },
  };
}
