import { closeSync, constants, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { fail } from '../contract/errors.ts';
import { AppError, reasonOf } from '../lib/errors.ts';
import { inTransaction } from '../store/database.ts';

/** Grows with every change of the tables: a database of another version is made anew from the log. */
const schemaVersion = 1;

/**
 * What the public headers of events say, arranged for searching. `events.id` is the index in the log; texts that recur are
 * numbers of `words`. Nothing of a body is ever here.
 */
const sql = `
CREATE TABLE cursor (
  -- events taken in: the index of the next one
  next INTEGER NOT NULL,
  -- SHA-256 of the header of the event before it: tells another log of the same length
  last BLOB
) STRICT;
INSERT INTO cursor (next, last) VALUES (0, NULL);
CREATE TABLE words (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  code INTEGER NOT NULL,
  principal INTEGER NOT NULL,
  resource INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  session INTEGER,
  operation TEXT,
  request INTEGER,
  error INTEGER,
  shadow INTEGER,
  shadow_version INTEGER
) STRICT;
CREATE INDEX events_code ON events (code);
CREATE INDEX events_principal ON events (principal);
CREATE INDEX events_resource ON events (resource);
CREATE INDEX events_session ON events (session) WHERE session IS NOT NULL;
CREATE INDEX events_operation ON events (operation) WHERE operation IS NOT NULL;
CREATE INDEX events_failed ON events (outcome) WHERE outcome >= 2;
CREATE INDEX events_shadow ON events (shadow_version) WHERE shadow IS NOT NULL;
-- the times within 1024 events each: clocks may go back, so an index does not tell a time
CREATE TABLE blocks (block INTEGER PRIMARY KEY, earliest INTEGER NOT NULL, latest INTEGER NOT NULL) STRICT;
CREATE TABLE sessions (
  started INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  principal TEXT NOT NULL,
  resource TEXT NOT NULL,
  database TEXT NOT NULL,
  account TEXT NOT NULL,
  address TEXT NOT NULL,
  started_at TEXT NOT NULL,
  ended_at TEXT,
  operations INTEGER NOT NULL DEFAULT 0,
  reason TEXT,
  recording_root TEXT
) STRICT;
CREATE INDEX sessions_principal ON sessions (principal);
CREATE INDEX sessions_resource ON sessions (resource);
CREATE TABLE hours (
  hour INTEGER PRIMARY KEY,
  permitted INTEGER NOT NULL,
  refused INTEGER NOT NULL,
  held INTEGER NOT NULL,
  masked INTEGER NOT NULL
) STRICT;
CREATE TABLE ledger (
  day INTEGER NOT NULL,
  rule TEXT NOT NULL,
  resource TEXT NOT NULL,
  hidden INTEGER NOT NULL,
  operations INTEGER NOT NULL,
  latest INTEGER NOT NULL,
  PRIMARY KEY (day, rule, resource)
) STRICT, WITHOUT ROWID;
CREATE TABLE disk_samples (at INTEGER PRIMARY KEY, used INTEGER NOT NULL) STRICT;
`;

/** Synchronous: for a thread of its own. The file and its journals are 0600. Throws ERR_STATE_DAMAGED: discard it and read the log again. */
export function openHistoryDatabase(path: string): DatabaseSync {
  closeSync(openSync(path, constants.O_CREAT | constants.O_RDWR | constants.O_NOFOLLOW, 0o600));
  const database = new DatabaseSync(path, { allowExtension: false });
  try {
    // it can be made anew, so it need not outlive a power loss; cursor and rows stay in step all the same
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF; PRAGMA busy_timeout = 5000');
    database.exec('PRAGMA cache_size = -65536; PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 8192');
    const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
    if (version === 0) create(database);
    else if (version !== schemaVersion) throw fail('ERR_STATE_DAMAGED', { detail: 'made by another version of Postern' });
    const check = database.prepare('PRAGMA quick_check(1)').get();
    if (check?.['quick_check'] !== 'ok') throw fail('ERR_STATE_DAMAGED', { detail: 'quick_check failed' });
    return database;
  } catch (error) {
    database.close();
    throw error instanceof AppError ? error : fail('ERR_STATE_DAMAGED', { detail: reasonOf(error), cause: error });
  }
}

function create(database: DatabaseSync): void {
  inTransaction(database, () => {
    database.exec(sql);
    database.exec(`PRAGMA user_version = ${String(schemaVersion)}`);
  });
}
