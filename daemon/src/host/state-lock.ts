import { isMetersealError, MetersealError } from '@meterseal/protocol';
import { Database } from './database.js';

/**
 * One process per state folder: an exclusive lock of SQLite on the file `lock`, which the kernel releases when the process
 * ends, also by kill -9.
 *
 * @returns what gives the lock back
 * @throws MetersealError `state-in-use`
 */
export async function lockState(path: string): Promise<() => Promise<void>> {
  let database: Database | undefined;
  try {
    database = await Database.open(path, { pragmas: ['busy_timeout = 0', 'locking_mode = EXCLUSIVE'] });
    await database.exec('BEGIN EXCLUSIVE; CREATE TABLE IF NOT EXISTS lock (held INTEGER) STRICT; COMMIT;');
  } catch (cause) {
    await database?.close();
    if (!isMetersealError(cause, 'busy')) throw cause;
    throw new MetersealError('state-in-use', "couldn't lock state folder: another meterseal uses it", {
      hint: 'End the other process, or choose another state folder with --state.',
      cause,
    });
  }
  const held = database;
  return () => held.close();
}
