import type { Crypto } from '@meterseal/protocol';
import { concat, ENTRY_CODES, equalBytes, isMetersealError, pack, readingHash } from '@meterseal/protocol';
import { READING_BYTES } from '../mirror/chain-reader.js';
import type { ChainView } from '../mirror/chain-view.js';
import type { CheckedEntries } from '../mirror/checked-entries.js';
import type { EntryList } from '../mirror/entry-list.js';
import { countOf } from '../mirror/entry-list.js';
import { SEAL_UNCHECKED } from '../mirror/seal-states.js';
import type { Spool } from '../spool/spool.js';
import type { HeldRecords } from '../spool/spool-index.js';

/** A seal as its entry has it, taken from bytes of which the root is compared. */
export type SealToCheck = {
  readonly epoch: number;
  readonly index: number;
  readonly subject: number;
  readonly seq: number;
  readonly signature: Uint8Array;
};

/** Collects seals that were never found good from lists of entries; those that were found bad before come first. */
export class SealCollection {
  readonly #most: number;
  readonly #isWanted: (subject: number, seq: number) => boolean;
  readonly #suspects: SealToCheck[] = [];
  readonly #others: SealToCheck[] = [];

  /** @param most seals, besides suspects; @param isWanted which readings' */
  constructor(most: number, isWanted: (subject: number, seq: number) => boolean) {
    this.#most = most;
    this.#isWanted = isWanted;
  }

  get seals(): readonly SealToCheck[] {
    return [...this.#suspects, ...this.#others];
  }

  get isFull(): boolean {
    return this.#others.length >= this.#most;
  }

  /** @param first index of the first entry */
  take(list: EntryList, first: number, epoch: number, checked: CheckedEntries): void {
    const { bytes, bounds } = list;
    if (this.isFull && !checked.hasBad) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let i = 0; i < countOf(list); i++) {
      const at = bounds[2 * i]!;
      const index = first + i;
      const isReading = bytes[at + 1] === ENTRY_CODES.reading && bounds[2 * i + 1]! - at === READING_BYTES;
      if (!isReading || checked.isGood(index)) continue;
      const isSuspect = checked.isBad(index);
      if (!isSuspect && this.isFull) continue;
      const subject = view.getUint32(at + 12);
      const seq = view.getUint32(at + 16) * 2 ** 32 + view.getUint32(at + 20);
      if (!this.#isWanted(subject, seq)) continue;
      const signature = bytes.slice(at + 64, at + 128);
      (isSuspect ? this.#suspects : this.#others).push({ epoch, index, subject, seq, signature });
    }
  }
}

export type SealTools = {
  readonly crypto: Crypto;
  readonly spool: Spool;
  readonly held: HeldRecords;
  readonly chain: ChainView;
  readonly meterOf: (subject: number) => string | undefined;
};

/** Indexes by epoch. */
export type EntriesByEpoch = Map<number, number[]>;

export type CheckedSeals = {
  readonly good: EntriesByEpoch;
  /** Those that the session key did not make over the held record. */
  readonly bad: readonly { readonly seal: SealToCheck; readonly row: number }[];
};

/**
 * Checks seals of readings that are held: the session's key over the record's bytes, as they are on the disk now. What is
 * good is noted in the view; what is bad is left to the caller.
 */
export async function checkSeals(tools: SealTools, seals: readonly SealToCheck[]): Promise<CheckedSeals> {
  const { crypto, chain } = tools;
  const keys = new Map<number, number>();
  const known: { readonly seal: SealToCheck; readonly row: number; readonly session: number }[] = [];
  const sealed: Uint8Array[] = [];
  for (const seal of seals) {
    const found = await findRecord(tools, seal);
    if (found === undefined) continue;
    const session = chain.readingSessions.at(found.row);
    if (!keys.has(session)) keys.set(session, keys.size);
    known.push({ seal, row: found.row, session });
    sealed.push(concat(seal.signature, found.record));
  }
  const opened = await crypto.openBatch({
    keys: concat(...[...keys.keys()].map((session) => chain.sessionKeys.at(session))),
    keyOf: Uint32Array.from(known, ({ session }) => keys.get(session)!),
    ...pack(sealed),
  });
  const good: EntriesByEpoch = new Map();
  const bad: { seal: SealToCheck; row: number }[] = [];
  for (const [i, { seal, row }] of known.entries()) {
    if (opened[i] === 1) {
      chain.seals.settle(row, true);
      note(good, seal.epoch, seal.index);
    } else {
      bad.push({ seal, row });
    }
  }
  return { good, bad };
}

/** The entry's row, and the held record of the same hash; undefined where the seal is not to be checked, or cannot be. */
async function findRecord(
  tools: SealTools,
  { epoch, index, subject, seq }: SealToCheck,
): Promise<{ readonly row: number; readonly record: Uint8Array } | undefined> {
  const { held, chain, meterOf } = tools;
  const row = chain.rowAt(subject, seq, epoch, index);
  if (row === undefined || chain.seals.of(row) !== SEAL_UNCHECKED) return undefined;
  if (chain.flawOf(row, subject) !== undefined) return undefined;
  const meter = meterOf(subject);
  const versions = meter === undefined ? [] : held.versions(meter, seq);
  const our = versions.find((version) => held.hashes.same(version, chain.hashes, row));
  const record = our === undefined ? undefined : await readRecord(tools, our);
  return record === undefined ? undefined : { row, record };
}

/** Undefined where it was changed on the disk meanwhile: of that the next comparison tells. */
async function readRecord({ crypto, spool, held }: SealTools, row: number): Promise<Uint8Array | undefined> {
  try {
    const record = await spool.read(held, row);
    return equalBytes(readingHash(crypto, record), held.hashes.at(row)) ? record : undefined;
  } catch (error) {
    if (!isMetersealError(error, 'file-damaged')) throw error;
    return undefined;
  }
}

export function note(entries: EntriesByEpoch, epoch: number, index: number): void {
  const indexes = entries.get(epoch);
  if (indexes === undefined) entries.set(epoch, [index]);
  else indexes.push(index);
}
