import type { DeliveryGroup, Hasher, ReadingRecord } from '@meterseal/protocol';
import {
  decodeRecord,
  equalBytes,
  MetersealError,
  RUNNING_HASH_START,
  readingHash,
  runningHash,
  toHex,
} from '@meterseal/protocol';
import type { Deliveries } from '../ledgers/deliveries.js';
import type { MeterHeight } from '../ledgers/heights.js';
import type { KnownMeter } from '../ledgers/openings.js';
import { searchRunningHash } from '../ledgers/running-hash-search.js';

/** What the collector holds of one meter, as far as a delivery of it has to fit. */
export type MeterStanding = {
  readonly meter: KnownMeter;
  readonly height: MeterHeight;
  /** Reading hashes of all versions that are held of a number. */
  readonly versions: (seq: number) => readonly Uint8Array[];
  readonly deliveries: Deliveries;
};

export type CheckedRecord = {
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly bytes: Uint8Array;
  readonly record: ReadingRecord;
  /** True if other bytes were held, or came before, under this number. */
  readonly isConflict: boolean;
};

export type CheckedDelivery = {
  /** Records that are not held yet, in the order in which they came. */
  readonly fresh: readonly CheckedRecord[];
  readonly height: MeterHeight;
  /** False where exactly this statement is held already. */
  readonly isNews: boolean;
};

/** Versions of one number: a reading, its void record, and room for what must be looked into. */
const MAX_VERSIONS = 16;
/** Hashes that placing a statement below the held height may cost: a batch, and some mixtures of it. */
const MAX_SEARCH_HASHES = 100_000;

/**
 * Checks what one meter delivers against what is held of it. The statement's signature is checked by the caller.
 *
 * New numbers must follow the held ones without a gap, up to where the statement goes, and lead from the held running
 * hash to the stated one. A statement that goes no further than what is held must be true of it.
 *
 * @throws MetersealError `bad-record`; `statement-refused` where the statement is not true of what is held and came;
 *   `delivery-gap` where numbers are left out; `conflict` where a number has too many versions
 */
export function checkDelivery(
  hasher: Hasher,
  group: DeliveryGroup,
  standing: MeterStanding,
): CheckedDelivery {
  const { meter, height, deliveries } = standing;
  const statement = group.statement.value;
  if (statement.first !== height.first) {
    refuse(`it starts at ${statement.first}, what is held starts at ${height.first}`);
  }
  const came = new Map<number, Uint8Array[]>();
  const fresh: CheckedRecord[] = [];
  let due = height.seq + 1;
  for (const bytes of group.records) {
    const record = decodeRecord(bytes);
    if (record.meter !== meter.meter) refuse('a record is of another meter');
    if (record.seq < statement.first || record.seq > statement.to)
      refuse('a record lies outside its numbers');
    const hash = readingHash(hasher, bytes);
    const earlier = came.get(record.seq) ?? [];
    if (record.seq > height.seq && earlier.length === 0) {
      if (record.seq !== due) leaveOut(due);
      due++;
    }
    came.set(record.seq, [...earlier, hash]);
    const known = [...standing.versions(record.seq), ...earlier];
    if (known.some((version) => equalBytes(version, hash))) continue;
    if (known.length >= MAX_VERSIONS) {
      throw new MetersealError(
        'conflict',
        `couldn't accept delivery: number ${record.seq} has too many versions`,
      );
    }
    // What stands in the spool above the acknowledged height was never acknowledged: no conflict with it.
    const isConflict = record.seq <= height.seq ? known.length > 0 : earlier.length > 0;
    fresh.push({ seq: record.seq, hash, bytes, record, isConflict });
  }
  if (due <= statement.to) leaveOut(due);

  const known = deliveries.over(meter.subject, statement.first, statement.to);
  const stated = (row: number): boolean => equalBytes(deliveries.runningHash(row), statement.runningHash);
  const isNews = !known.some(stated);
  if (statement.to > height.seq) {
    let hash = height.runningHash;
    for (let seq = height.seq + 1; seq <= statement.to; seq++)
      hash = runningHash(hasher, hash, came.get(seq)![0]!);
    if (!equalBytes(hash, statement.runningHash)) refuse('the readings do not lead to its running hash');
    return { fresh, isNews, height: { first: height.first, seq: statement.to, runningHash: hash } };
  }
  const atHeight = statement.to === height.seq && equalBytes(statement.runningHash, height.runningHash);
  if (!atHeight && (statement.to === height.seq || (isNews && !isTrueBelow(hasher, group, standing, came)))) {
    refuse('its running hash is not that of what is held');
  }
  return { fresh, isNews, height };
}

/** Whether a statement that ends below what is held can be true of it: from the nearest statement before it. */
function isTrueBelow(
  hasher: Hasher,
  group: DeliveryGroup,
  { meter, versions, deliveries }: MeterStanding,
  came: ReadonlyMap<number, readonly Uint8Array[]>,
): boolean {
  const { first, to, runningHash: target } = group.statement.value;
  const bases = deliveries
    .around(meter.subject, to)
    .before.filter((row) => deliveries.first(row) === first)
    .map((row) => ({ seq: deliveries.to(row), hash: deliveries.runningHash(row) }));
  const budget = { hashes: MAX_SEARCH_HASHES };
  for (const base of [...bases, { seq: first - 1, hash: RUNNING_HASH_START }]) {
    if (to - base.seq > budget.hashes) continue;
    const candidates = Array.from({ length: to - base.seq }, (_, i) => {
      const seq = base.seq + 1 + i;
      return distinct([...versions(seq), ...(came.get(seq) ?? [])]);
    });
    if (searchRunningHash(hasher, base.hash, target, candidates, budget) !== undefined) return true;
  }
  return false;
}

function distinct(hashes: readonly Uint8Array[]): Uint8Array[] {
  return [...new Map(hashes.map((hash) => [toHex(hash), hash])).values()];
}

function refuse(why: string): never {
  throw new MetersealError('statement-refused', `couldn't accept delivery: ${why}`, {
    hint: 'Ask for the state of the meter, and deliver from there.',
  });
}

function leaveOut(seq: number): never {
  throw new MetersealError('delivery-gap', `couldn't accept delivery: number ${seq} is left out`, {
    hint: 'Deliver it, or state its gap with the identity key.',
  });
}
