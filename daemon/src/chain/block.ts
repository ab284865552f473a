import type { Entry } from '@meterseal/protocol';
import { decodeEntries, ENTRY_CODES } from '@meterseal/protocol';
import type { EntryRange, IndexedType, StoredBlock } from './store.js';

const INDEXED: readonly string[] = ['enrolment', 'session', 'reading', 'switch'] satisfies IndexedType[];

/**
 * The entries of a block, not decoded; views into its BLOB.
 *
 * @throws MetersealError `chain-damaged`
 */
export function blockEntries(block: StoredBlock): Uint8Array[] {
  return decodeEntries(block.entries, Number.POSITIVE_INFINITY, 'chain-damaged');
}

/** The index rows of a block: its runs of rising numbers, per type and subject. Sorted like the table's key. */
export function rangesOf(entries: readonly Entry[], height: number): EntryRange[] {
  const last = new Map<
    string,
    { type: IndexedType; subject: number; first: number; last: number; height: number }
  >();
  const ranges: EntryRange[] = [];
  for (const { type, subject, seq } of entries) {
    if (!INDEXED.includes(type)) continue;
    const name = `${type} ${subject}`;
    const run = last.get(name);
    if (run !== undefined && seq === run.last + 1) {
      run.last = seq;
      continue;
    }
    // A second enrolment in one block has the number of the first: one row leads to both.
    if (run !== undefined && seq === run.last) continue;
    const started = { type: type as IndexedType, subject, first: seq, last: seq, height };
    last.set(name, started);
    ranges.push(started);
  }
  return ranges.sort(
    (a, b) => ENTRY_CODES[a.type] - ENTRY_CODES[b.type] || a.subject - b.subject || a.first - b.first,
  );
}
