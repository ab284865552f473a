import type { Engine } from '@meterseal/native';
import type { ClockState, Signer } from '@meterseal/protocol';
import {
  encodeEntries,
  equalBytes,
  formatCheckpoint,
  isMetersealError,
  MetersealError,
  platformIdOf,
  signNote,
} from '@meterseal/protocol';
import type { Clock } from '../host/clock.js';
import type { Logger } from '../host/logger.js';
import { blockLeafHashes, rangesOf } from './block.js';
import { Draft } from './draft.js';
import type { LedgerState } from './ledger-state.js';
import type { BlockWrite, ChainReader, ChainStore, StoredBlock } from './store.js';
import { type TreeEdge, TreeReader } from './tree.js';

/**
 * A change of the chain. It runs synchronously against the state, checks first and adds then; it may refuse by throwing a
 * MetersealError before it has added anything. It may also add nothing and only look: what it saw is committed when its
 * caller hears of it.
 */
export type Job<T> = (draft: Draft) => T;

/** What the world may see of the chain: always a committed state. */
export type Published = {
  readonly size: number;
  readonly height: number;
  readonly root: Uint8Array;
  /** The signed checkpoint. */
  readonly note: string;
  readonly edge: TreeEdge;
  readonly meters: number;
};

export type ChainParts = {
  readonly store: ChainStore;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  readonly origin: string;
  readonly logKey: Signer;
  /** 16 random bytes of this start. */
  readonly bootId: Uint8Array;
  readonly clockState: () => ClockState;
  /** Writes the checkpoint to where others read it. */
  readonly publishNote: (note: string) => Promise<void>;
  /** From recovery. */
  readonly state: LedgerState;
  readonly edge: TreeEdge;
  readonly head: StoredBlock | undefined;
};

/** Entries behind which a block takes no further jobs: bounds the memory and the latency of one commit. */
const BLOCK_FULL = 4_096;

type Waiting = {
  readonly run: (draft: Draft) => void;
  readonly resolve: (note: string) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * The embedded chain of one box, and its single writer. Jobs that arrive while a commit is under way share the next block.
 *
 * The first failure to commit is the last: nothing more is signed or written, every caller is refused with it, and
 * `failed` resolves. Whoever runs the chain ends the process; the next start finds out what the disk holds.
 */
export class Chain {
  readonly platformId: string;
  readonly #parts: ChainParts;
  readonly #state: LedgerState;
  #edge: TreeEdge;
  #published: Published | undefined;
  #queue: Waiting[] = [];
  #running: Promise<void> | undefined;
  #stopping = false;
  #failure: MetersealError | undefined;
  #tellFailure: (error: MetersealError) => void = () => {};
  /** Resolves with the reason once the chain has failed for good; never rejects. */
  readonly failed: Promise<MetersealError>;

  constructor(parts: ChainParts) {
    this.#parts = parts;
    this.#state = parts.state;
    this.#edge = parts.edge;
    this.platformId = platformIdOf(parts.origin);
    this.failed = new Promise((resolve) => {
      this.#tellFailure = resolve;
    });
    if (parts.head !== undefined) this.#publish(parts.head, parts.edge);
  }

  get origin(): string {
    return this.#parts.origin;
  }

  get engine(): Engine {
    return this.#parts.engine;
  }

  get clock(): Clock {
    return this.#parts.clock;
  }

  /** Public half of the log key. */
  get logKey(): Uint8Array {
    return this.#parts.logKey.publicKey;
  }

  /** The committed blocks. */
  get reader(): ChainReader {
    return this.#parts.store;
  }

  get published(): Published {
    if (this.#published === undefined)
      throw new MetersealError('not-found', "couldn't read chain: it has no block yet");
    return this.#published;
  }

  /** The highest number of a meter that any job has added: what lies above it is nowhere on the chain. */
  highest(subject: number): number {
    return this.#state.subjects.get(subject)?.last.seq ?? 0;
  }

  /** The published tree. */
  get tree(): TreeReader {
    return new TreeReader(this.#parts.engine, this.#parts.store, this.published.edge);
  }

  /**
   * Runs a job in the next block.
   *
   * @returns once everything that the job added or saw is committed: its result, and a checkpoint that covers it
   * @throws what the job throws; MetersealError `commit-failed`, `disk-full`, `behind-witness`, `stopped`
   */
  append<T>(job: Job<T>): Promise<{ result: T; note: string }> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      if (this.#stopping)
        return reject(new MetersealError('stopped', "couldn't append to chain: it is being stopped"));
      let outcome: { result: T } | { error: unknown };
      this.#queue.push({
        run: (draft) => {
          const before = draft.entries.length;
          try {
            outcome = { result: job(draft) };
          } catch (error) {
            if (draft.entries.length > before) throw error;
            outcome = { error };
          }
        },
        resolve: (note) =>
          'error' in outcome ? reject(outcome.error) : resolve({ result: outcome.result, note }),
        reject,
      });
      this.#running ??= this.#work();
    });
  }

  /** Takes no more jobs and waits for the commits under way. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  /** Ends the chain: nothing is signed, written or accepted any more. */
  fail(error: MetersealError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#parts.log.fatal({ err: error }, 'the chain has stopped');
    for (const waiting of this.#queue.splice(0)) waiting.reject(error);
    this.#tellFailure(error);
  }

  async #work(): Promise<void> {
    // Requests that arrived in the same turn of the event loop share a block.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const jobs: Waiting[] = [];
      try {
        await this.#commit(jobs);
      } catch (cause) {
        this.fail(asFatal(cause));
        for (const { reject } of jobs) reject(this.#failure);
      }
    }
    this.#running = undefined;
  }

  /**
   * One block, from the jobs to the answers. This order is the promise that the chain makes; docs/chain.md tells what each
   * step is there for.
   *
   * @param jobs filled with the jobs that this block takes from the queue
   * @throws whatever makes the chain fail
   */
  async #commit(jobs: Waiting[]): Promise<void> {
    const { store, engine, clock, logKey, origin, publishNote } = this.#parts;

    // Build the block in memory. The state moves ahead of the disk here: if anything below fails, the process ends with it.
    const draft = new Draft(this.#state, clock.now());
    while (this.#queue.length > 0 && draft.entries.length < BLOCK_FULL) {
      const job = this.#queue.shift()!;
      jobs.push(job);
      job.run(draft);
    }
    if (draft.entries.length === 0) {
      for (const { resolve } of jobs) resolve(this.published.note);
      return;
    }
    const write = this.#closeBlock(draft);
    const { edge, tiles } = this.#edge.append(engine, blockLeafHashes(engine, write.block));
    const root = edge.root(engine);
    this.#state.endBlock(root);

    // Sign the checkpoint in memory, unless a witness has meanwhile shown that this history is not the only one. It must
    // not leave this function before the block that it covers is on disk: a checkpoint that the reopened chain does not know would be a second history.
    this.#refuseIfFailed();
    const note = signNote(
      engine,
      logKey,
      origin,
      formatCheckpoint({ origin, size: edge.size, root, extensions: [] }),
    );
    const block: StoredBlock = { ...write.block, root, note };

    // One transaction. POINT OF NO RETURN for the disk: from here on the block may be there even if we never hear of it,
    // so a failure is final. Trying again on this handle could write over what a lost reply has already made durable.
    await store.commit({ ...write, block, tiles });

    // Read back, through the connection that sees committed rows only, and hash again what it gives.
    const stored = await store.blockAtHeight(block.height);
    if (stored === undefined || !this.#isSame(stored, block)) {
      throw new MetersealError(
        'commit-failed',
        "couldn't commit block: what was read back is not what was written",
        {
          hint: 'The disk or the memory of this machine is faulty: run `meterseal fsck` before anything else.',
        },
      );
    }

    this.#refuseIfFailed();

    // POINT OF NO RETURN for the world: from here on the signature is out, and every later history must contain this one.
    this.#edge = edge;
    this.#publish(block, edge);
    await publishNote(note);
    for (const { resolve } of jobs) resolve(note);
  }

  #refuseIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Adds the block-close and gathers what is written with the block; root and note are still missing. */
  #closeBlock(
    draft: Draft,
  ): Omit<BlockWrite, 'tiles' | 'block'> & { block: Omit<StoredBlock, 'root' | 'note'> } {
    const state = this.#state;
    const height = state.height + 1;
    const firstIndex = this.#edge.size;
    draft.add({
      type: 'block-close',
      subject: 0,
      seq: height,
      previousRoot: state.root,
      firstIndex,
      count: draft.entries.length,
      bootId: this.#parts.bootId,
      clock: this.#parts.clockState(),
      witnessed: false,
    });
    return {
      block: {
        height,
        firstIndex,
        count: draft.entries.length,
        time: draft.time,
        entries: encodeEntries(draft.bytes),
      },
      ranges: rangesOf(draft.entries, height),
      meters: draft.meters,
      enrolments: draft.enrolments,
      verdicts: draft.verdicts,
    };
  }

  #isSame(stored: StoredBlock, block: StoredBlock): boolean {
    const { engine } = this.#parts;
    const { edge } = this.#edge.append(engine, blockLeafHashes(engine, stored));
    const { firstIndex, count, note } = block;
    return (
      stored.firstIndex === firstIndex &&
      stored.count === count &&
      stored.note === note &&
      equalBytes(stored.root, block.root) &&
      equalBytes(edge.root(engine), block.root)
    );
  }

  #publish(block: StoredBlock, edge: TreeEdge): void {
    const { height, root, note } = block;
    this.#published = { size: edge.size, height, root, note, edge, meters: this.#state.subjects.size };
  }
}

/** Every error inside a commit ends the chain; a full disk keeps its own code, because the remedy is another one. */
function asFatal(cause: unknown): MetersealError {
  if (isMetersealError(cause, 'commit-failed', 'behind-witness')) return cause;
  const full =
    isMetersealError(cause, 'disk-full') || (cause as NodeJS.ErrnoException | null)?.code === 'ENOSPC';
  return new MetersealError(full ? 'disk-full' : 'commit-failed', "couldn't commit block", {
    hint: full
      ? 'Free space on the disk that holds the state folder, then start again.'
      : 'Start again: the chain finds out by itself what the disk holds. If it happens again the disk is failing.',
    cause,
  });
}
