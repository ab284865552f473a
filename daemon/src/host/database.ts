import { AsyncLocalStorage } from 'node:async_hooks';
import { MetersealError } from '@meterseal/protocol';
import type { SqlConnection, SqlValue } from './sqlite-connection.js';
import { openSqlite } from './sqlite-connection.js';

export type { SqlConnection, SqlValue } from './sqlite-connection.js';

export type DatabaseOptions = {
  /** Open an existing file, never write to it. */
  readonly readonly?: boolean;
  /** For example `journal_mode=WAL`, in this order, before the schema. */
  readonly pragmas?: readonly string[];
  /** SQL that makes what is not there yet; runs in one transaction. */
  readonly schema?: string;
};

/** A transaction under way, and the one of another database that it was begun in. */
type Transaction = { readonly outer: Transaction | undefined };

/** Which transactions the running code is inside of. One for all databases: each costs every promise of the process. */
const context = new AsyncLocalStorage<Transaction>();

/**
 * One connection to one database, with transactions. Awaits interleave, so a transaction holds the connection: statements
 * made inside its function go ahead, all others wait until it has ended.
 *
 * Every method throws what the connection throws, and `stopped` after `close`.
 */
export class Database {
  readonly #connection: SqlConnection;
  /** The transaction that holds the connection. */
  #holder: Transaction | undefined;
  #queue: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(connection: SqlConnection) {
    this.#connection = connection;
  }

  /** @param place path of a SQLite file, or a connection, which the database then owns */
  static async open(place: string | SqlConnection, options: DatabaseOptions = {}): Promise<Database> {
    const connection = typeof place === 'string' ? await openSqlite(place, options.readonly === true) : place;
    const database = new Database(connection);
    try {
      for (const pragma of options.pragmas ?? []) await database.exec(`PRAGMA ${pragma}`);
      const { schema } = options;
      if (schema !== undefined) {
        await database.transaction(() => database.exec(schema));
        // A process that was killed may have committed what it did not live to sync: it must be on the disk before
        // anything is told because of it. A checkpoint syncs the log first, and is no work where there is none.
        await database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      }
      return database;
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  /** Statements without parameters and without an answer. */
  exec(sql: string): Promise<void> {
    return this.#turn(() => this.#connection.exec(sql));
  }

  run(sql: string, ...params: readonly SqlValue[]): Promise<{ changes: number; lastId: number }> {
    return this.#turn(() => this.#connection.run(sql, params));
  }

  /** The first row, or undefined. */
  get<T extends object>(sql: string, ...params: readonly SqlValue[]): Promise<T | undefined> {
    return this.#turn(() => this.#connection.get<T>(sql, params));
  }

  all<T extends object>(sql: string, ...params: readonly SqlValue[]): Promise<T[]> {
    return this.#turn(() => this.#connection.all<T>(sql, params));
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
      await this.#connection.close();
    });
  }

  #transact<T>(begin: string, work: () => Promise<T>): Promise<T> {
    if (this.#isInside()) {
      throw new MetersealError('bad-argument', "couldn't begin transaction: this one is not finished");
    }
    return this.#turn(async () => {
      const holder: Transaction = { outer: context.getStore() };
      this.#holder = holder;
      try {
        return await context.run(holder, async () => {
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
    if (this.#holder === undefined) return false;
    for (let at = context.getStore(); at !== undefined; at = at.outer) if (at === this.#holder) return true;
    return false;
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
}
