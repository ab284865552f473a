import type { Database, SqlValue } from '../host/database.js';
import { addRecords, SQL } from './field-statements.js';
import type { RecordBytes, StoredRecord } from './stored-record.js';

/** Records of one commit: a bound on its memory and its latency. */
const MOST = 256;

type Waiting = {
  readonly number: number;
  readonly make: (seq: number) => RecordBytes;
  readonly resolve: (record: StoredRecord) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * Gives numbers to records and commits them: a number is used once, and no record exists without being stored. What
 * arrives while one commit is under way shares the next one, so that a poll cycle costs one or two syncs, however many
 * meters it has.
 */
export class RecordAppender {
  readonly #db: Database;
  readonly #commit: <T>(work: () => Promise<T>) => Promise<T>;
  #waiting: Waiting[] = [];
  #running = false;

  /** @param commit runs its argument in one transaction of `db` */
  constructor(db: Database, commit: <T>(work: () => Promise<T>) => Promise<T>) {
    this.#db = db;
    this.#commit = commit;
  }

  append(number: number, make: (seq: number) => RecordBytes): Promise<StoredRecord> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ number, make, resolve, reject });
      if (!this.#running) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#running = true;
    // Readings of the same turn of the event loop share a commit.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MOST);
      try {
        const settle = await this.#commit(() => this.#insert(batch));
        for (const tell of settle) tell();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#running = false;
  }

  /** @returns what to tell each caller once all of it is committed */
  async #insert(batch: readonly Waiting[]): Promise<(() => void)[]> {
    const next = new Map<number, number>();
    const settle: (() => void)[] = [];
    const rows: SqlValue[][] = [];
    for (const { number, make, resolve, reject } of batch) {
      const seq = next.get(number) ?? (await this.#nextSeq(number));
      let made: RecordBytes;
      try {
        made = make(seq);
      } catch (error) {
        // A record that cannot be made uses no number, and harms no other.
        settle.push(() => reject(error));
        continue;
      }
      const { bytes, hash } = made;
      rows.push([number, seq, 0, bytes, hash]);
      next.set(number, seq + 1);
      settle.push(() => resolve({ seq, version: 0, bytes, hash, entryIndex: null }));
    }
    if (rows.length > 0) await this.#db.run(addRecords(rows.length), ...rows.flat());
    for (const [number, seq] of next) await this.#db.run(SQL.takeSeq, seq, number);
    return settle;
  }

  async #nextSeq(number: number): Promise<number> {
    return (await this.#db.get<{ nextSeq: number }>(SQL.nextSeq, number))!.nextSeq;
  }
}
