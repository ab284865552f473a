import type { BulkHasher, Entry, EntryType } from '@meterseal/protocol';
import { decodeEntries, ENTRY_CODES, MetersealError } from '@meterseal/protocol';
import type { EntryRange, IndexedType, StoredBlock } from './store.js';

/** RFC 6962, section 2.1: what stands before a leaf. */
const LEAF_PREFIX = 0;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * The entries of a block, not decoded; views into its BLOB.
 *
 * @throws MetersealError `chain-damaged`
 */
export function blockEntries(block: StoredBlock): Uint8Array[] {
  return decodeEntries(block.entries, Number.POSITIVE_INFINITY, 'chain-damaged');
}

/**
 * Leaf hashes of a block's entries, hashed where they lie.
 *
 * @throws MetersealError `chain-damaged`
 */
export function blockLeafHashes(hasher: BulkHasher, { entries }: Pick<StoredBlock, 'entries'>): Uint8Array {
  const bounds: number[] = [];
  for (let at = 0; at < entries.length; ) {
    const end = at + 2 + entries[at]! * 256 + (entries[at + 1] ?? 0);
    if (end === at + 2 || end > entries.length) {
      throw new MetersealError('chain-damaged', "couldn't read block: an entry that is empty or ends early");
    }
    bounds.push(at + 2, end);
    at = end;
  }
  return hasher.hashSlices(entries, Uint32Array.from(bounds), LEAF_PREFIX);
}

/** The index rows of a block: its runs of rising numbers, per type and subject. Sorted like the table's key. */
export function rangesOf(entries: readonly Entry[], height: number): EntryRange[] {
  const last = new Map<number, Writable<EntryRange>>();
  const ranges: EntryRange[] = [];
  for (const { type, subject, seq } of entries) {
    if (!isIndexed(type)) continue;
    const name = ENTRY_CODES[type] * 2 ** 32 + subject;
    const run = last.get(name);
    if (run !== undefined && seq === run.last + 1) {
      run.last = seq;
      continue;
    }
    // A second enrolment in one block has the number of the first: one row leads to both.
    if (run !== undefined && seq === run.last) continue;
    const started = { type, subject, first: seq, last: seq, height };
    last.set(name, started);
    ranges.push(started);
  }
  return ranges.sort(
    (a, b) => ENTRY_CODES[a.type] - ENTRY_CODES[b.type] || a.subject - b.subject || a.first - b.first,
  );
}

function isIndexed(type: EntryType): type is IndexedType {
  return type === 'reading' || type === 'enrolment' || type === 'session' || type === 'switch';
}
