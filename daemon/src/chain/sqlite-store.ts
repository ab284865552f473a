import { readFileSync } from 'node:fs';
import { ENTRY_CODES, isMetersealError, MetersealError } from '@meterseal/protocol';
import { Database } from '../host/database.js';
import type {
  BlockEntries,
  BlockWrite,
  ChainReader,
  ChainStore,
  EnrolmentRow,
  EntryRange,
  IndexedType,
  MeterRow,
  StoredBlock,
  VerdictRow,
} from './store.js';

const FORMAT = 1;
/** What `PRAGMA synchronous` answers for FULL. */
const FULL = 2;
/** Blocks that one query brings into memory. */
const PAGE = 64;

const BLOCK = 'SELECT height, first_index, count, time_ms, root, note, entries FROM block';
const RANGE = 'SELECT type, subject, first_seq, last_seq, height FROM entry_range';

type BlockColumns = {
  readonly height: number;
  readonly first_index: number;
  readonly count: number;
  readonly time_ms: number;
  readonly root: Uint8Array;
  readonly note: string;
  readonly entries: Uint8Array;
};
type RangeColumns = {
  readonly type: number;
  readonly subject: number;
  readonly first_seq: number;
  readonly last_seq: number;
  readonly height: number;
};

/** chain.db through a connection that cannot write: for `prove`, `fsck`, and for everything but the commit itself. */
export class SqliteChainReader implements ChainReader {
  readonly #database: Database;

  protected constructor(database: Database) {
    this.#database = database;
  }

  /** @throws MetersealError `file-unusable` where there is no file, `chain-damaged` */
  static async open(path: string): Promise<SqliteChainReader> {
    return new SqliteChainReader(await damaged(() => Database.open(path, { readonly: true })));
  }

  async platformId(): Promise<string | undefined> {
    const row = await this.#get<{ format: number; platform_id: string }>(
      'SELECT format, platform_id FROM meta',
    );
    if (row === undefined) return undefined;
    if (row.format !== FORMAT) {
      throw new MetersealError(
        'chain-damaged',
        `couldn't read chain.db: it has format ${row.format}, not ${FORMAT}`,
        {
          hint: 'Use the version of meterseal that wrote it.',
        },
      );
    }
    return row.platform_id;
  }

  head(): Promise<StoredBlock | undefined> {
    return this.#block('ORDER BY height DESC LIMIT 1');
  }

  blockAtHeight(height: number): Promise<StoredBlock | undefined> {
    return this.#block('WHERE height = ?', height);
  }

  async blockAtIndex(index: number): Promise<StoredBlock | undefined> {
    const block = await this.#block('WHERE first_index <= ? ORDER BY first_index DESC LIMIT 1', index);
    return block !== undefined && index < block.firstIndex + block.count ? block : undefined;
  }

  blocksOver(from: number, to: number): Promise<BlockEntries[]> {
    const sql = `SELECT height, first_index AS firstIndex, count, entries FROM block WHERE first_index < ?
      AND first_index >= (SELECT max(first_index) FROM block WHERE first_index <= ?) AND first_index + count > ?
      ORDER BY first_index`;
    return this.#all(sql, to, from, from);
  }

  async *blocks(fromHeight: number, toHeight = Number.MAX_SAFE_INTEGER): AsyncGenerator<StoredBlock> {
    for (let next = fromHeight; ; ) {
      const sql = `${BLOCK} WHERE height >= ? AND height <= ? ORDER BY height LIMIT ${PAGE}`;
      const page = await this.#all<BlockColumns>(sql, next, toHeight);
      for (const row of page) yield blockOf(row);
      if (page.length < PAGE) return;
      next = page.at(-1)!.height + 1;
    }
  }

  async tile(level: number, index: number): Promise<Uint8Array | undefined> {
    const sql = 'SELECT hashes FROM tile WHERE level = ? AND number = ?';
    return (await this.#get<{ hashes: Uint8Array }>(sql, level, index))?.hashes;
  }

  async heightOf(
    type: IndexedType,
    subject: number,
    seq: number,
    notAbove = Number.MAX_SAFE_INTEGER,
  ): Promise<number | undefined> {
    const sql = `${RANGE} WHERE type = ? AND subject = ? AND first_seq <= ? AND height <= ?
      ORDER BY first_seq DESC, height DESC LIMIT 1`;
    const row = await this.#get<RangeColumns>(sql, ENTRY_CODES[type], subject, seq, notAbove);
    return row !== undefined && row.last_seq >= seq ? row.height : undefined;
  }

  async verdict(hash: Uint8Array): Promise<VerdictRow | undefined> {
    const sql = 'SELECT hash, entry_index AS "index", signed FROM verdict WHERE hash = ?';
    return this.#get<VerdictRow>(sql, hash);
  }

  snapshot<T>(work: () => Promise<T>): Promise<T> {
    return this.#database.snapshot(work);
  }

  meters(): Promise<MeterRow[]> {
    return this.#all('SELECT subject, id AS meter, salt FROM meter ORDER BY subject');
  }

  enrolments(): Promise<EnrolmentRow[]> {
    return this.#all(
      `SELECT entry_index AS "index", subject, code_sha256 AS codeHash, holder_salt AS holderSalt, nonce, digest
       FROM enrolment ORDER BY entry_index`,
    );
  }

  verdicts(): Promise<VerdictRow[]> {
    return this.#all('SELECT hash, entry_index AS "index", signed FROM verdict ORDER BY entry_index');
  }

  async ranges(height: number): Promise<EntryRange[]> {
    const rows = await this.#all<RangeColumns>(
      `${RANGE} WHERE height = ? ORDER BY type, subject, first_seq`,
      height,
    );
    return rows.map((row) => ({
      type: typeOf(row.type),
      subject: row.subject,
      first: row.first_seq,
      last: row.last_seq,
      height: row.height,
    }));
  }

  async counts(): Promise<{ tiles: number; ranges: number; blocks: number }> {
    const sql = `SELECT (SELECT count(*) FROM tile) AS tiles, (SELECT count(*) FROM entry_range) AS ranges,
      (SELECT count(*) FROM block) AS blocks`;
    return (await this.#get<{ tiles: number; ranges: number; blocks: number }>(sql))!;
  }

  async faults(): Promise<string[]> {
    const rows = await this.#all<{ integrity_check: string }>('PRAGMA integrity_check(20)');
    return rows.map((row) => row.integrity_check).filter((line) => line !== 'ok');
  }

  close(): Promise<void> {
    return this.#database.close();
  }

  async #block(where: string, ...params: number[]): Promise<StoredBlock | undefined> {
    const row = await this.#get<BlockColumns>(`${BLOCK} ${where}`, ...params);
    return row === undefined ? undefined : blockOf(row);
  }

  #get<T extends object>(sql: string, ...params: (number | Uint8Array)[]): Promise<T | undefined> {
    return damaged(() => this.#database.get<T>(sql, ...params));
  }

  #all<T extends object>(sql: string, ...params: number[]): Promise<T[]> {
    return damaged(() => this.#database.all<T>(sql, ...params));
  }
}

/**
 * chain.db with its one writing connection. It reads through a second connection, which sees commits only: nothing that
 * is still under way can be answered to anybody.
 */
export class SqliteChainStore extends SqliteChainReader implements ChainStore {
  readonly #writer: Database;

  private constructor(writer: Database, reader: Database) {
    super(reader);
    this.#writer = writer;
  }

  /** @throws MetersealError `chain-damaged`, `file-unusable`, `disk-full`, `busy` */
  static override async open(path: string): Promise<SqliteChainStore> {
    const { pragmas, schema } = readSchema();
    const writer = await damaged(() => Database.open(path, { pragmas, schema }));
    try {
      await assertDurable(writer);
      return new SqliteChainStore(writer, await damaged(() => Database.open(path, { readonly: true })));
    } catch (error) {
      await writer.close();
      throw error;
    }
  }

  async initialise(platformId: string): Promise<void> {
    await this.#writer.run('INSERT INTO meta (id, format, platform_id) VALUES (1, ?, ?)', FORMAT, platformId);
  }

  commit({ block, tiles, ranges, meters, enrolments, verdicts }: BlockWrite): Promise<void> {
    const writer = this.#writer;
    return writer.transaction(async () => {
      await writer.run(
        'INSERT INTO block (height, first_index, count, time_ms, root, note, entries) VALUES (?, ?, ?, ?, ?, ?, ?)',
        block.height,
        block.firstIndex,
        block.count,
        block.time,
        block.root,
        block.note,
        block.entries,
      );
      for (const { level, index, hashes } of tiles) {
        await writer.run('INSERT INTO tile (level, number, hashes) VALUES (?, ?, ?)', level, index, hashes);
      }
      for (const { type, subject, first, last, height } of ranges) {
        await writer.run(
          'INSERT INTO entry_range (type, subject, first_seq, last_seq, height) VALUES (?, ?, ?, ?, ?)',
          ENTRY_CODES[type],
          subject,
          first,
          last,
          height,
        );
      }
      for (const { subject, meter, salt } of meters) {
        await writer.run('INSERT INTO meter (subject, id, salt) VALUES (?, ?, ?)', subject, meter, salt);
      }
      for (const row of enrolments) {
        await writer.run(
          `INSERT INTO enrolment (entry_index, subject, code_sha256, holder_salt, nonce, digest)
           VALUES (?, ?, ?, ?, ?, ?)`,
          row.index,
          row.subject,
          row.codeHash,
          row.holderSalt,
          row.nonce,
          row.digest,
        );
      }
      for (const { hash, index, signed } of verdicts) {
        await writer.run(
          'INSERT INTO verdict (hash, entry_index, signed) VALUES (?, ?, ?)',
          hash,
          index,
          signed,
        );
      }
    });
  }

  override async close(): Promise<void> {
    await super.close();
    await this.#writer.close();
  }
}

/** SQLite answers a PRAGMA that it does not follow without an error. */
async function assertDurable(writer: Database): Promise<void> {
  const journal = await writer.get<{ journal_mode: string }>('PRAGMA journal_mode');
  const sync = await writer.get<{ synchronous: number }>('PRAGMA synchronous');
  if (journal?.journal_mode === 'wal' && sync?.synchronous === FULL) return;
  throw new MetersealError('file-unusable', "couldn't use chain.db: a commit would not survive a power cut", {
    hint: 'Keep the state folder on a local disk, not on a network file system.',
  });
}

/** The PRAGMAs stand in the schema, beside their reasons, but cannot run inside its transaction. */
function readSchema(): { pragmas: string[]; schema: string } {
  const text = readFileSync(new URL('../../src/chain/schema.sql', import.meta.url), 'utf8');
  const pragma = /^PRAGMA (.+);$/gm;
  return {
    pragmas: [...text.matchAll(pragma)].map((match) => match[1]!),
    schema: text.replaceAll(pragma, ''),
  };
}

function blockOf(row: BlockColumns): StoredBlock {
  const { height, first_index: firstIndex, count, time_ms: time, root, note, entries } = row;
  return { height, firstIndex, count, time, root, note, entries };
}

function typeOf(code: number): IndexedType {
  for (const [name, known] of Object.entries(ENTRY_CODES)) if (known === code) return name as IndexedType;
  throw new MetersealError('chain-damaged', `couldn't read chain.db: an index row of type ${code}`);
}

/** A damaged file, and one that is another program's, is a damaged chain. */
async function damaged<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    // Statements of ours fail in themselves only where tables or columns are not what the schema made.
    if (!isMetersealError(cause, 'file-damaged', 'bad-argument')) throw cause;
    throw new MetersealError('chain-damaged', "couldn't read chain.db: it is damaged", {
      hint: 'Run `meterseal fsck`; restore chain.db from its backup, and keep the damaged one.',
      cause,
    });
  }
}
