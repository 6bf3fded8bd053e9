import { DatabaseSync } from 'node:sqlite';
import { fail } from '../contract/errors.ts';

/**
 * Keeps a second writer off the directory. SQLite's exclusive lock is used because the system releases it when the
 * process dies, whatever way, and it needs no clean-up. Throws ERR_CONFLICT when somebody else holds it.
 */
export function lockWriter(path: string): Disposable {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw fail('ERR_CONFLICT', { message: 'Another process is writing this log.', detail: path, cause: error });
  }
  return {
    [Symbol.dispose]: () => {
      database.close();
    },
  };
}
