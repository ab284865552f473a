import type { SwitchState, SwitchTransition } from '@meterseal/protocol';
import { MetersealError } from '@meterseal/protocol';
import type { SpoolFile } from './spool-file.js';
import type { SpoolRecord } from './spool-record.js';
import { encodeSpoolRecord, readSpool } from './spool-record.js';

/** One transition that the chain may not have yet. */
export type PendingTransition = { readonly seq: number; readonly transition: SwitchTransition };

/** Where the numbering stands: the last transition's number, and the state that it led to. */
export type SpoolPlace = { readonly seq: number; readonly state: SwitchState };

/** Above this, and with nothing pending, the file is written anew: only its last place matters. */
const MAX_FILE_BYTES = 1_048_576;

/**
 * The gate's memory: every transition is written here first, and goes to the chain afterwards. Numbers are given
 * at once, in the order of the calls; the writes follow in that order. After a failed write nothing more is
 * written: every later call rejects with the same error.
 */
export class TransitionSpool {
  /** What opening had to mend. */
  readonly found: 'clean' | 'torn' | 'damaged';
  /** Resolves with the first failed write. */
  readonly failed: Promise<MetersealError>;
  readonly #file: SpoolFile;
  #fail: (error: MetersealError) => void = () => {};
  #last: SpoolPlace | null = null;
  #committed = 0;
  #pending: PendingTransition[] = [];
  #bytes: number;
  #writes: Promise<void> = Promise.resolve();

  private constructor(file: SpoolFile, found: TransitionSpool['found'], bytes: number) {
    this.#file = file;
    this.found = found;
    this.#bytes = bytes;
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
  }

  /**
   * Reads the spool. A torn tail is cut off; a file that is damaged beyond that is set aside, and the spool is empty,
   * as if it were lost: the chain then says where numbering stands.
   *
   * @throws MetersealError `commit-failed`, `disk-full` when that cannot be written
   */
  static async open(file: SpoolFile): Promise<TransitionSpool> {
    try {
      const { records, length, tail } = readSpool(await file.read());
      const spool = new TransitionSpool(file, tail, length);
      if (tail !== 'damaged' && records.every((record) => spool.#take(record))) {
        if (tail === 'torn') await file.truncate(length);
        return spool;
      }
      await file.setAside();
      return new TransitionSpool(file, 'damaged', 0);
    } catch (cause) {
      throw writeFailure(cause);
    }
  }

  /** Null while it is not known: the spool is new or was lost, and the chain has not been asked yet. */
  get last(): SpoolPlace | null {
    return this.#last;
  }

  /** Number of the last transition that the chain is known to have. */
  get committedSeq(): number {
    return this.#committed;
  }

  /** What the chain may lack, in order. */
  get pending(): readonly PendingTransition[] {
    return this.#pending;
  }

  /**
   * Writes down the next transition; resolves when it is on the disk.
   *
   * @throws MetersealError `commit-failed`, `disk-full`
   */
  async append(transition: SwitchTransition): Promise<void> {
    const record = { kind: 'transition', seq: (this.#last?.seq ?? 0) + 1, transition } as const;
    if (!this.#take(record)) {
      throw new MetersealError(
        'bad-argument',
        `couldn't spool transition: ${transition.from} is not the last state`,
      );
    }
    await this.#write(record, (bytes) => this.#file.append(bytes));
  }

  /** Notes that the chain has everything up to `seq`. Losing this note costs one request that is answered again. */
  async committed(seq: number): Promise<void> {
    const record = { kind: 'committed', seq } as const;
    if (!this.#take(record)) {
      throw new MetersealError('bad-argument', `couldn't note commit: ${seq} is not pending`);
    }
    const noted = this.#write(record, (bytes) => this.#file.note(bytes));
    if (this.#bytes > MAX_FILE_BYTES && this.#pending.length === 0) await this.#compact();
    else await noted;
  }

  /**
   * Goes on after `seq`, where the chain is in `state`; what was spooled above is void.
   *
   * @throws MetersealError `commit-failed`, `disk-full`
   */
  rebase(place: SpoolPlace): Promise<void> {
    const record = { kind: 'base', ...place } as const;
    this.#take(record);
    return this.#write(record, (bytes) => this.#file.append(bytes));
  }

  /** Resolves when everything so far is written; rejects if a write failed. */
  settled(): Promise<void> {
    return this.#writes;
  }

  async close(): Promise<void> {
    await this.#writes.catch(() => {});
    await this.#file.close();
  }

  /** Applies a record; false if it does not follow from what is there. */
  #take(record: SpoolRecord): boolean {
    switch (record.kind) {
      case 'transition': {
        const { seq, transition } = record;
        if (this.#last === null || seq !== this.#last.seq + 1 || transition.from !== this.#last.state)
          return false;
        this.#last = { seq, state: transition.to };
        this.#pending = [...this.#pending, { seq, transition }];
        return true;
      }
      case 'committed':
        if (this.#pending[0] === undefined || record.seq < this.#pending[0].seq) return false;
        if (record.seq > this.#pending.at(-1)!.seq) return false;
        this.#committed = record.seq;
        this.#pending = this.#pending.filter(({ seq }) => seq > record.seq);
        return true;
      case 'base':
        this.#last = { seq: record.seq, state: record.state };
        this.#committed = record.seq;
        this.#pending = [];
        return true;
    }
  }

  #compact(): Promise<void> {
    const record = encodeSpoolRecord({ kind: 'base', ...this.#last! });
    this.#bytes = record.length;
    return this.#enqueue(() => this.#file.replace(record));
  }

  #write(record: SpoolRecord, write: (bytes: Uint8Array) => Promise<void>): Promise<void> {
    const bytes = encodeSpoolRecord(record);
    this.#bytes += bytes.length;
    return this.#enqueue(() => write(bytes));
  }

  #enqueue(write: () => Promise<void>): Promise<void> {
    const written = this.#writes.then(() =>
      write().catch((cause: unknown) => {
        const failure = writeFailure(cause);
        this.#fail(failure);
        throw failure;
      }),
    );
    this.#writes = written;
    // Callers see the rejection; the queue itself must not end the process with it.
    written.catch(() => {});
    return written;
  }
}

function writeFailure(cause: unknown): MetersealError {
  if (cause instanceof MetersealError) return cause;
  const code = (cause as NodeJS.ErrnoException).code ?? 'failed';
  return new MetersealError(
    code === 'ENOSPC' ? 'disk-full' : 'commit-failed',
    `couldn't spool transition: ${code}`,
    { hint: 'Check the disk that holds the state folder, then start the gate again.', cause },
  );
}
