import type { Checkpoint, CompactRange, Crypto, Policy } from '@meterseal/protocol';
import {
  appendLeaves,
  EMPTY_RANGE,
  equalBytes,
  isMetersealError,
  MetersealError,
  openCheckpoint,
  rangeRoot,
} from '@meterseal/protocol';
import type { Addressee } from '../ledgers/statement-trust.js';
import { nextTurn } from '../time/next-turn.js';
import type { HeldHashes } from './chain-reader.js';
import { ChainReader } from './chain-reader.js';
import type { ChainView } from './chain-view.js';
import type { CheckedEntries } from './checked-entries.js';
import type { EntryList } from './entry-list.js';
import { countOf } from './entry-list.js';
import type { Mirror, MirrorPlace } from './mirror.js';
import { MIRROR_START } from './mirror.js';

/** What goes before a leaf when it is hashed, RFC 6962. */
export const LEAF_PREFIX = 0;
/** Lists of entries between which others get their turn. */
const LISTS_PER_TURN = 4;

/** One epoch's mirror, up to a checkpoint. */
export type MirroredEpoch = {
  readonly epoch: number;
  readonly mirror: Mirror;
  readonly note: string;
  readonly checkpoint: Checkpoint;
  readonly end: MirrorPlace;
  /** What came in this very window, which the checkpoint covers and the mirror need not have on the disk yet. */
  readonly fresh?: FreshEntries;
};

/** Entries that were hashed as they came, and led to the checkpoint's root. */
export type FreshEntries = {
  readonly from: MirrorPlace;
  /** Of all entries before them, as it was committed. */
  readonly before: CompactRange;
  readonly lists: readonly EntryList[];
  /** Of all entries, these included. */
  readonly range: CompactRange;
};

/** Is shown every list of entries that is read, of which the root is compared afterwards. */
export type ListVisitor = (list: EntryList, first: number, epoch: number, checked: CheckedEntries) => void;

type Progress = { readonly place: MirrorPlace; readonly range: CompactRange };

/**
 * What the mirrored entries say, read once and kept: entries that hash to the same root say the same. It only ever says
 * what a signed root covers.
 */
export class ChainIndex {
  readonly #crypto: Crypto;
  readonly #policy: Policy;
  readonly #reader: ChainReader;
  readonly #progress = new Map<number, Progress>();

  constructor(crypto: Crypto, policy: Policy, addressee: Addressee) {
    this.#crypto = crypto;
    this.#policy = policy;
    this.#reader = new ChainReader(addressee);
  }

  get view(): ChainView {
    return this.#reader.view;
  }

  /**
   * Follows the mirrors to where they end. After it has thrown, the index is of no use any more.
   *
   * @param epochs in order
   * @throws MetersealError `chain-damaged` where the mirror's files do not lead to the signed roots
   */
  async follow(
    epochs: readonly MirroredEpoch[],
    options: {
      /** Whose `connecting` entry is looked for among what is new. */
      readonly lease: Uint8Array;
      /** Read what is known already again too: it must be on the disk what it was. */
      readonly again: boolean;
      /** What new readings are compared with as they are read. */
      readonly held: HeldHashes;
      readonly visit: ListVisitor;
    },
  ): Promise<void> {
    const { lease, again, held, visit } = options;
    this.#reader.begin(lease, held);
    for (const mirrored of epochs) {
      try {
        openCheckpoint(this.#crypto, this.#policy, mirrored.note);
        if (again) await this.#readAgain(mirrored, visit);
        await this.#readOn(mirrored, visit);
      } catch (error) {
        if (!isMetersealError(error, 'file-damaged', 'policy-refused', 'bad-checkpoint')) throw error;
        refuse(error.message, error);
      }
    }
  }

  async #readAgain({ epoch, mirror }: MirroredEpoch, visit: ListVisitor): Promise<void> {
    const known = this.#progress.get(epoch);
    if (known === undefined) return;
    const range = await this.#hash(mirror, MIRROR_START, known.place, EMPTY_RANGE, (list, first) =>
      visit(list, first, epoch, mirror.checked),
    );
    if (!this.#isSame(range, known.range)) refuse('they are not what they were');
  }

  async #readOn(mirrored: MirroredEpoch, visit: ListVisitor): Promise<void> {
    const { epoch, mirror, checkpoint, end, fresh } = mirrored;
    let known = this.#progress.get(epoch);
    if (known === undefined) {
      const { origin } = checkpoint;
      this.#reader.startEpoch({ epoch, origin, isGood: (index) => mirror.checked.isGood(index) });
      known = { place: MIRROR_START, range: EMPTY_RANGE };
    }
    const take = (list: EntryList, first: number): void => {
      this.#reader.read(list, first);
      visit(list, first, epoch, mirror.checked);
    };
    this.view.reserve(this.view.readings + end.size - known.place.size);
    const onDisk = fresh?.from ?? end;
    let range = await this.#hash(mirror, known.place, onDisk, known.range, take);
    if (fresh !== undefined) {
      if (!this.#isSame(range, fresh.before)) refuse('they do not lead to the kept root');
      let { size } = onDisk;
      for (const [i, list] of fresh.lists.entries()) {
        take(list, size);
        size += countOf(list);
        if (i % LISTS_PER_TURN === LISTS_PER_TURN - 1) await nextTurn();
      }
      range = fresh.range;
    }
    if (range.size !== end.size || !equalBytes(rangeRoot(this.#crypto, range), checkpoint.root)) {
      refuse('they do not lead to the signed root');
    }
    this.#progress.set(epoch, { place: end, range });
  }

  async #hash(
    mirror: Mirror,
    from: MirrorPlace,
    to: MirrorPlace,
    before: CompactRange,
    visit: (list: EntryList, first: number) => void,
  ): Promise<CompactRange> {
    let range = before;
    for await (const list of mirror.read(from, to)) {
      // Other threads hash it while it is read here.
      const hashes = this.#crypto.hashSlicesAsync(list.bytes, list.bounds, LEAF_PREFIX);
      hashes.catch(() => {});
      visit(list, range.size);
      range = appendLeaves(this.#crypto, range, await hashes);
    }
    return range;
  }

  #isSame(a: CompactRange, b: CompactRange): boolean {
    return a.size === b.size && equalBytes(rangeRoot(this.#crypto, a), rangeRoot(this.#crypto, b));
  }
}

/**
 * The root of a mirror's first entries as they are on the disk now.
 *
 * @param size of the older tree; not larger than what is committed
 * @throws MetersealError `file-damaged`
 */
export async function rootOnDisk(crypto: Crypto, mirror: Mirror, size: number): Promise<Uint8Array> {
  const { range: whole, bytes } = mirror.head!;
  let range = EMPTY_RANGE;
  for await (const list of mirror.read(MIRROR_START, { size: whole.size, bytes })) {
    const bounds = list.bounds.subarray(0, 2 * Math.min(countOf(list), size - range.size));
    range = appendLeaves(crypto, range, crypto.hashSlices(list.bytes, bounds, LEAF_PREFIX));
    if (range.size === size) break;
  }
  return rangeRoot(crypto, range);
}

function refuse(why: string, cause?: unknown): never {
  throw new MetersealError('chain-damaged', `couldn't read mirrored entries: ${why}`, {
    hint: "Keep the folder `mirror` for whoever looks into it, then move it away: it is fetched again from the chain's start.",
    cause,
  });
}
