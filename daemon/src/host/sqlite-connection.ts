import { constants, open as openFile } from 'node:fs/promises';
import type { ErrorCode } from '@meterseal/protocol';
import { MetersealError } from '@meterseal/protocol';
import sqlite3 from 'sqlite3';

/** What a statement takes. Integers are exact up to 2^53 − 1; bytes become BLOBs. */
export type SqlValue = number | string | Uint8Array | null;

/**
 * One connection to one database; statements run in the order of the calls. A blob that is read is a Buffer of its own.
 *
 * Every method throws MetersealError: `disk-full`, `file-damaged`, `busy`, `file-unusable` (I/O, rights), `bad-argument` (a
 * constraint or the SQL itself), `stopped` after `close`.
 */
export interface SqlConnection {
  /** Statements without parameters and without an answer. */
  exec(sql: string): Promise<void>;
  run(sql: string, params: readonly SqlValue[]): Promise<{ changes: number; lastId: number }>;
  /** The first row, or undefined. */
  get<T extends object>(sql: string, params: readonly SqlValue[]): Promise<T | undefined>;
  all<T extends object>(sql: string, params: readonly SqlValue[]): Promise<T[]>;
  close(): Promise<void>;
}

/**
 * Opens a SQLite file; unless read-only it is made with mode 0600 where it is missing. The only file that knows the
 * `sqlite3` package, so that `node:sqlite` can take its place.
 *
 * @throws MetersealError as the connection's methods, `file-unusable` also for a missing file
 */
export async function openSqlite(path: string, readonly: boolean): Promise<SqlConnection> {
  if (!readonly) await createPrivately(path);
  const mode = readonly ? sqlite3.OPEN_READONLY : sqlite3.OPEN_READWRITE;
  const connection = await new Promise<sqlite3.Database>((resolve, reject) => {
    const opened: sqlite3.Database = new sqlite3.Database(path, mode | sqlite3.OPEN_FULLMUTEX, (error) => {
      if (error === null) resolve(opened);
      else reject(translate(error, 'open', path));
    });
  });
  connection.serialize();
  return new SqliteConnection(connection, path);
}

class SqliteConnection implements SqlConnection {
  readonly #connection: sqlite3.Database;
  readonly #path: string;

  constructor(connection: sqlite3.Database, path: string) {
    this.#connection = connection;
    this.#path = path;
  }

  exec(sql: string): Promise<void> {
    return this.#call((done) => this.#connection.exec(sql, done));
  }

  run(sql: string, params: readonly SqlValue[]): Promise<{ changes: number; lastId: number }> {
    return new Promise((resolve, reject) => {
      const path = this.#path;
      this.#connection.run(sql, params.map(bindable), function (this: sqlite3.RunResult, error) {
        if (error === null) resolve({ changes: this.changes, lastId: this.lastID });
        else reject(translate(error, 'write', path));
      });
    });
  }

  get<T extends object>(sql: string, params: readonly SqlValue[]): Promise<T | undefined> {
    return this.#call<T | undefined>((done) => this.#connection.get(sql, params.map(bindable), done));
  }

  all<T extends object>(sql: string, params: readonly SqlValue[]): Promise<T[]> {
    return this.#call<T[]>((done) => this.#connection.all(sql, params.map(bindable), done));
  }

  close(): Promise<void> {
    return this.#call((done) => this.#connection.close(done));
  }

  #call<T = void>(start: (done: (error: Error | null, value?: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      start((error, value) => {
        if (error === null) resolve(value as T);
        else reject(translate(error, 'use', this.#path));
      });
    });
  }
}

/** SQLite would make the file with the rights that the umask leaves, and follow a link. */
async function createPrivately(path: string): Promise<void> {
  try {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    const file = await openFile(path, flags, 0o600);
    await file.close();
  } catch (cause) {
    const full = (cause as NodeJS.ErrnoException).code === 'ENOSPC';
    throw new MetersealError(full ? 'disk-full' : 'file-unusable', `couldn't open database ${path}`, {
      hint: full ? FULL_HINT : UNUSABLE_HINT,
      cause,
    });
  }
}

function bindable(value: SqlValue): unknown {
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.length) : value;
}

const FULL_HINT = 'Free space on the disk that holds the state folder, then start again.';
const UNUSABLE_HINT =
  'Check that the file exists, that it is a plain file of this user, and that the disk is sound.';

function translate(cause: Error, verb: string, path: string): MetersealError {
  // The low byte is the primary result code; the rest tells I/O errors apart and stays in the message.
  const primary = ((cause as Error & { errno?: number }).errno ?? 0) & 0xff;
  const [code, hint] = meaningOf(primary);
  return new MetersealError(code, `couldn't ${verb} database ${path}: ${cause.message}`, { hint, cause });
}

function meaningOf(primary: number): [ErrorCode, string] {
  switch (primary) {
    case sqlite3.FULL:
      return ['disk-full', FULL_HINT];
    case sqlite3.CORRUPT:
    case sqlite3.NOTADB:
      return ['file-damaged', 'Restore the file from its backup; keep the damaged one for examination.'];
    case sqlite3.BUSY:
    case sqlite3.LOCKED:
      return ['busy', 'Another process uses the file: end it first.'];
    case sqlite3.MISUSE:
      return ['stopped', 'The database was closed.'];
    case sqlite3.ERROR:
    case sqlite3.CONSTRAINT:
    case sqlite3.MISMATCH:
    case sqlite3.TOOBIG:
    case sqlite3.RANGE:
      return ['bad-argument', 'This is a fault of meterseal itself: report it.'];
    default:
      return ['file-unusable', UNUSABLE_HINT];
  }
}
