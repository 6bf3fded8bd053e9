import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { fail } from '../contract/errors.ts';
import { AppError, reasonOf } from '../lib/errors.ts';
import { sql as state } from './migrations/0001_state.ts';
import { sql as approvals } from './migrations/0002_approvals.ts';
import { sql as witnesses } from './migrations/0003_witnesses.ts';
import { sql as workloads } from './migrations/0004_workloads.ts';

/** In order; the database's user_version counts those applied. Never edit one that was released: add the next. */
const migrations: readonly string[] = [state, approvals, witnesses, workloads];

/** Synchronous: for the control process only. The file and its journals are 0600. Throws ERR_STATE_DAMAGED. */
export function openDatabase(path: string): DatabaseSync {
  // made before SQLite would make it, for the mode; the journals take the mode of the database
  closeSync(openSync(path, constants.O_CREAT | constants.O_RDWR | constants.O_NOFOLLOW, 0o600));
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: true, allowExtension: false });
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON; PRAGMA busy_timeout = 5000');
    const check = database.prepare('PRAGMA quick_check(1)').get();
    if (check?.['quick_check'] !== 'ok') throw fail('ERR_STATE_DAMAGED', { detail: 'quick_check failed' });
    migrate(database);
    return database;
  } catch (error) {
    database.close();
    throw error instanceof AppError ? error : fail('ERR_STATE_DAMAGED', { detail: reasonOf(error), cause: error });
  }
}

/** Removes a damaged database; the caller then rebuilds it from the log. */
export function discardDatabase(path: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(path + suffix, { force: true });
}

/** All of `change`, or nothing. */
export function inTransaction<T>(database: DatabaseSync, change: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = change();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function migrate(database: DatabaseSync): void {
  const applied = Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
  if (applied > migrations.length) throw fail('ERR_STATE_DAMAGED', { detail: 'made by a newer version of Postern' });
  migrations.slice(applied).forEach((sql, index) => {
    inTransaction(database, () => {
      database.exec(sql);
      database.exec(`PRAGMA user_version = ${String(applied + index + 1)}`);
    });
  });
}
