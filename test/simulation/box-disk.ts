import type { Engine, SigningKey } from '@meterseal/native';
import { MetersealError } from '@meterseal/protocol';
import type { IdentityVault } from 'meterseal/internal/agent/identity-keys';
import type { ChainFiles } from 'meterseal/internal/chain/chain-files';
import type { ChainStore } from 'meterseal/internal/chain/store';
import type { SpoolFile } from 'meterseal/internal/gate/spool-file';
import type { SqlConnection } from 'meterseal/internal/host/database';
import type { Dice } from './dice.js';
import { FieldTables, plainConnection } from './field-tables.js';
import type { Life } from './life.js';
import { never } from './life.js';
import { MemoryChainStore } from './memory-chain-store.js';
import type { Writes } from './writes.js';

/** The box's disk: field.db and the identities' secrets, chain.db and the files beside it, the spool of transitions. */
export class BoxDisk {
  readonly fieldTables = new FieldTables();
  readonly chainStore = new MemoryChainStore();
  readonly #secrets = new Map<number, Uint8Array>();
  #logKey: string | undefined;
  #policy: string | undefined;
  #checkpoint: string | undefined;
  /** The checkpoint file is never synced. */
  #syncedCheckpoint: string | undefined;
  #spool: Uint8Array = new Uint8Array(0);
  #syncedSpool = 0;

  get policy(): string | undefined {
    return this.#policy;
  }

  get logKey(): string | undefined {
    return this.#logKey;
  }

  cutPower(dice: Dice): void {
    this.fieldTables.cutPower();
    this.chainStore.cutPower();
    const fate = dice.below(4);
    if (fate === 0) this.#checkpoint = this.#syncedCheckpoint;
    if (fate === 1) this.#checkpoint = this.#checkpoint?.slice(0, dice.below(this.#checkpoint.length));
    this.#syncedCheckpoint = this.#checkpoint;
    this.#spool = this.#spool.slice(0, dice.between(this.#syncedSpool, this.#spool.length));
    this.#syncedSpool = this.#spool.length;
  }

  /** field.db as one process sees it. A transaction that the process did not live to commit is taken back. */
  fieldConnection(life: Life, writes: Writes): SqlConnection {
    const tables = this.fieldTables;
    const plain = plainConnection(tables);
    life.onEnd(() => tables.rollback());
    const failure = (): MetersealError =>
      new MetersealError('file-unusable', "couldn't write database: disk I/O error");
    // Inside a transaction and for what only reads nothing reaches the disk.
    const write = <T>(what: string, apply: () => Promise<T>, unsynced?: () => unknown): Promise<T> =>
      writes.do(life, what, apply, failure, unsynced);
    return {
      exec: async (sql) => {
        if (life.ended) return never();
        if (sql !== 'COMMIT') return plain.exec(sql);
        await write(
          'commits field.db',
          () => plain.exec(sql),
          () => tables.commit(false),
        );
      },
      run: async (sql, params) => {
        if (life.ended) return never();
        if (!tables.isInTransaction)
          return write(`field.db: ${sql.slice(0, 24)}`, () => plain.run(sql, params));
        return writes.between(life, () => plain.run(sql, params));
      },
      get: async (sql, params) => (life.ended ? never() : plain.get(sql, params)),
      all: async (sql, params) => (life.ended ? never() : plain.all(sql, params)),
      close: async () => {},
    };
  }

  identityVault(life: Life, writes: Writes, engine: Engine): IdentityVault {
    return {
      save: (number, seed) =>
        writes.doAtOnce(life, `saves identity ${number}`, () => this.#secrets.set(number, seed.slice())),
      load: (number): SigningKey => {
        const seed = this.#secrets.get(number);
        if (seed === undefined)
          throw new MetersealError('file-missing', "couldn't read identity key: no such file");
        return engine.keyFromSeed(seed);
      },
    };
  }

  /** chain.db as one process sees it. */
  chainStoreFor(life: Life, writes: Writes): ChainStore {
    const store = this.chainStore;
    // To open it is to sync it.
    store.sync();
    const failure = (): MetersealError =>
      new MetersealError('file-unusable', "couldn't write database: disk I/O error");
    const seen = <T>(read: () => Promise<T>): Promise<T> => (life.ended ? never() : read());
    return {
      platformId: () => seen(() => store.platformId()),
      head: () => seen(() => store.head()),
      blockAtHeight: (height) => seen(() => store.blockAtHeight(height)),
      blockAtIndex: (index) => seen(() => store.blockAtIndex(index)),
      blocksOver: (from, to) => seen(() => store.blocksOver(from, to)),
      blocks: (from, to) => store.blocks(from, to),
      tile: (level, index) => seen(() => store.tile(level, index)),
      heightOf: (type, subject, seq, notAbove) => seen(() => store.heightOf(type, subject, seq, notAbove)),
      verdict: (hash) => seen(() => store.verdict(hash)),
      snapshot: (work) => store.snapshot(work),
      meters: () => seen(() => store.meters()),
      enrolments: () => seen(() => store.enrolments()),
      verdicts: () => seen(() => store.verdicts()),
      ranges: (height) => seen(() => store.ranges(height)),
      counts: () => seen(() => store.counts()),
      faults: () => seen(() => store.faults()),
      close: async () => {},
      initialise: (id) => writes.do(life, 'begins chain.db', () => store.initialise(id), failure),
      commit: (write) =>
        writes.do(
          life,
          `commits block ${write.block.height}`,
          () => store.commitNow(write, true),
          failure,
          () => store.commitNow(write, false),
        ),
    };
  }

  /** @param published told of every checkpoint that anybody can read from here on */
  chainFiles(life: Life, writes: Writes, published: (note: string) => void): ChainFiles {
    return {
      hasLogKey: () => this.#logKey !== undefined,
      readLogKey: () => {
        if (this.#logKey === undefined)
          throw new MetersealError('file-missing', "couldn't read log key: no such file");
        return this.#logKey;
      },
      saveLogKey: (pem) =>
        writes.doAtOnce(life, 'saves the log key', () => {
          this.#logKey = pem;
        }),
      readPolicy: () => this.#policy,
      savePolicy: (text) =>
        writes.doAtOnce(life, 'saves the policy', () => {
          this.#policy = text;
        }),
      readCheckpoint: () => this.#checkpoint,
      publishCheckpoint: (note) =>
        writes.do(
          life,
          'publishes a checkpoint',
          () => {
            this.#checkpoint = note;
            published(note);
          },
          () => Object.assign(new Error('disk failed'), { code: 'EIO' }),
        ),
    };
  }

  spoolFile(life: Life, writes: Writes): SpoolFile {
    const failure = (): Error => Object.assign(new Error('disk failed'), { code: 'EIO' });
    const write = (what: string, apply: () => void, unsynced?: () => void): Promise<void> =>
      writes.do(life, what, apply, failure, unsynced);
    const add = (bytes: Uint8Array): void => {
      this.#spool = Buffer.concat([this.#spool, bytes]);
    };
    const sync = (): void => {
      this.#syncedSpool = this.#spool.length;
    };
    // To open it is to sync it.
    sync();
    return {
      read: async () => (life.ended ? never() : this.#spool.slice()),
      append: (bytes) =>
        write(
          'appends to the spool',
          () => {
            add(bytes);
            sync();
          },
          () => add(bytes),
        ),
      note: (bytes) => write('notes in the spool', () => add(bytes)),
      truncate: (length) =>
        write('cuts the spool', () => {
          this.#spool = this.#spool.slice(0, length);
          sync();
        }),
      replace: (bytes) =>
        write('replaces the spool', () => {
          this.#spool = bytes.slice();
          sync();
        }),
      setAside: () =>
        write('sets the spool aside', () => {
          this.#spool = new Uint8Array(0);
          sync();
        }),
      close: async () => {},
    };
  }
}
