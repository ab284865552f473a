import { AsyncLocalStorage } from 'node:async_hooks';
import { constants, open as openFile } from 'node:fs/promises';
import type { ErrorCode } from '@meterseal/protocol';
import { MetersealError } from '@meterseal/protocol';
import sqlite3 from 'sqlite3';

/** What a statement takes. Integers are exact up to 2^53 − 1; bytes become BLOBs. */
export type SqlValue = number | string | Uint8Array | null;

export type DatabaseOptions = {
  /** Open an existing file, never write to it. */
  readonly readonly?: boolean;
  /** For example `journal_mode=WAL`, in this order, before the schema. */
  readonly pragmas?: readonly string[];
  /** SQL that makes what is not there yet; runs in one transaction. */
  readonly schema?: string;
};

/**
 * One connection to one SQLite file, with promises. The only file that knows the `sqlite3` package, so that
 * `node:sqlite` can take its place.
 *
 * Awaits interleave, so a transaction holds the connection: statements made inside its function go ahead, all
 * others wait until it has ended. A blob that is read is a Buffer of its own.
 *
 * Every method throws MetersealError: `disk-full`, `file-damaged`, `busy`, `file-unusable` (I/O, rights, missing
 * file), `bad-argument` (a constraint or the SQL itself), `stopped` after `close`.
 */
export class Database {
  readonly #connection: sqlite3.Database;
  readonly #path: string;
  readonly #context = new AsyncLocalStorage<symbol>();
  /** The transaction that holds the connection. */
  #holder: symbol | undefined;
  #queue: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(connection: sqlite3.Database, path: string) {
    this.#connection = connection;
    this.#path = path;
  }

  /** Opens the file; unless read-only it is made with mode 0600 where it is missing. */
  static async open(path: string, options: DatabaseOptions = {}): Promise<Database> {
    const readonly = options.readonly === true;
    if (!readonly) await createPrivately(path);
    const mode = readonly ? sqlite3.OPEN_READONLY : sqlite3.OPEN_READWRITE;
    const connection = await new Promise<sqlite3.Database>((resolve, reject) => {
      const opened: sqlite3.Database = new sqlite3.Database(path, mode | sqlite3.OPEN_FULLMUTEX, (error) => {
        if (error === null) resolve(opened);
        else reject(translate(error, 'open', path));
      });
    });
    connection.serialize();
    const database = new Database(connection, path);
    try {
      for (const pragma of options.pragmas ?? []) await database.exec(`PRAGMA ${pragma}`);
      const { schema } = options;
      if (schema !== undefined) await database.transaction(() => database.exec(schema));
      return database;
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  /** Statements without parameters and without an answer. */
  exec(sql: string): Promise<void> {
    return this.#turn(() => this.#call((done) => this.#connection.exec(sql, done)));
  }

  run(sql: string, ...params: readonly SqlValue[]): Promise<{ changes: number; lastId: number }> {
    return this.#turn(
      () =>
        new Promise((resolve, reject) => {
          const path = this.#path;
          this.#connection.run(sql, params.map(bindable), function (this: sqlite3.RunResult, error) {
            if (error === null) resolve({ changes: this.changes, lastId: this.lastID });
            else reject(translate(error, 'write', path));
          });
        }),
    );
  }

  /** The first row, or undefined. */
  get<T extends object>(sql: string, ...params: readonly SqlValue[]): Promise<T | undefined> {
    return this.#turn(() =>
      this.#call<T | undefined>((done) => this.#connection.get(sql, params.map(bindable), done)),
    );
  }

  all<T extends object>(sql: string, ...params: readonly SqlValue[]): Promise<T[]> {
    return this.#turn(() => this.#call<T[]>((done) => this.#connection.all(sql, params.map(bindable), done)));
  }

  /**
   * Runs `work` between BEGIN IMMEDIATE and COMMIT, and rolls back if it throws. Transactions come one after the
   * other, in the order of the calls. If COMMIT itself fails nothing is known of what reached the disk.
   *
   * @throws what `work` throws; `bad-argument` inside another transaction of this connection
   */
  transaction<T>(work: () => Promise<T>): Promise<T> {
    return this.#transact('BEGIN IMMEDIATE', work);
  }

  /**
   * Runs `work`, which only reads, against one state of the file, whatever other connections commit meanwhile.
   *
   * @throws what `work` throws; `bad-argument` inside another transaction of this connection
   */
  snapshot<T>(work: () => Promise<T>): Promise<T> {
    return this.#transact('BEGIN', work);
  }

  /** Waits for what is under way. May be called twice. */
  async close(): Promise<void> {
    if (this.#closed) return;
    await this.#turn(async () => {
      this.#closed = true;
      await this.#call((done) => this.#connection.close(done));
    });
  }

  #transact<T>(begin: string, work: () => Promise<T>): Promise<T> {
    if (this.#isInside()) {
      throw new MetersealError('bad-argument', "couldn't begin transaction: this one is not finished");
    }
    return this.#turn(async () => {
      const holder = Symbol('transaction');
      this.#holder = holder;
      try {
        return await this.#context.run(holder, async () => {
          await this.exec(begin);
          try {
            const result = await work();
            await this.exec('COMMIT');
            return result;
          } catch (error) {
            // After an I/O error SQLite may have rolled back already; the first error is the one that counts.
            await this.exec('ROLLBACK').catch(() => {});
            throw error;
          }
        });
      } finally {
        this.#holder = undefined;
      }
    });
  }

  #isInside(): boolean {
    return this.#holder !== undefined && this.#context.getStore() === this.#holder;
  }

  /** At once inside the transaction that holds the connection, else when everything before has ended. */
  #turn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isInside()) return work();
    const turn = this.#queue.then(() => {
      if (this.#closed) throw new MetersealError('stopped', "couldn't use database: it was closed");
      return work();
    });
    this.#queue = turn.then(
      () => {},
      () => {},
    );
    return turn;
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
