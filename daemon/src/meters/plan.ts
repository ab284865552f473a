import { MetersealError } from '@meterseal/protocol';
import type { DataItem } from '../modbus/register-read.js';
import { dataRead } from '../modbus/register-read.js';
import type { Profile, ProfileLimits } from './profile.js';
import { readingRegisters } from './profile.js';
import { spanOf } from './register.js';

/** One request of a plan. */
export interface PlannedRead {
  readonly fc: 3 | 4;
  readonly at: number;
  readonly count: number;
  /** Of a DL/T 645 meter: one value, which comes as words. */
  readonly data?: DataItem;
}

/** Registers that nobody asked for, but that are cheaper to read along than to leave out, where the meter allows it. */
const MAX_GAP = 9;
/** What a further request costs, in registers: at 9,600 baud 20.8 ms against 2.08 ms for a register. */
const REQUEST_COST = 10;

/**
 * Reads that cover the registers of a reading with the least time on the wire, under the profile's limits. Where
 * it can be had, no two that follow each other, from one reading to the next too, have answers of one length:
 * then a late answer never passes for the one that is due.
 *
 * @param acceptUnproven with registers on which sources disagree
 * @throws MetersealError `misuse` if there is nothing else, and it is not accepted
 */
export function planReads(profile: Profile, acceptUnproven = false): readonly PlannedRead[] {
  const registers = readingRegisters(profile, acceptUnproven);
  if (registers.length === 0) {
    throw new MetersealError(
      'misuse',
      `couldn't plan reads of ${profile.name}: its sources disagree on every register`,
      {
        hint: 'compare its values with the display of your meter, then say accept-unproven: true (poll: --accept-unproven)',
      },
    );
  }
  const items = registers.flatMap(({ data }) => (data === undefined ? [] : [dataRead(data)]));
  // Answers of a DL/T 645 meter say of what they are: no two are of one shape, and their order does not matter.
  if (items.length > 0) return items;
  const groups = ([3, 4] as const).map((fc) =>
    registers
      .filter((register) => register.fc === fc)
      .map((register): Span => ({ fc, ...spanOf(register) }))
      .sort((a, b) => a.from - b.from || a.end - b.end),
  );
  return alternate(groups.flatMap((group) => cheapestReads(group, profile.limits)));
}

/** Registers that have to come in one answer. */
interface Span {
  readonly fc: 3 | 4;
  readonly from: number;
  readonly end: number;
}

interface Block {
  readonly cost: number;
  /** Index of the block's first span, and what it reads. */
  readonly first: number;
  readonly read: PlannedRead | undefined;
}

/** @param spans of one function code, in the order of their begins; the scale factors of several may be one register */
function cheapestReads(
  spans: readonly Span[],
  { registers: most, gap }: ProfileLimits,
): readonly PlannedRead[] {
  const widest = Math.min(gap, MAX_GAP);
  // best[i] is the last block of the cheapest way to read the first i spans.
  const best: (Block | undefined)[] = [{ cost: 0, first: 0, read: undefined }];
  for (const [first, { fc, from: at }] of spans.entries()) {
    let end = at;
    for (const [i, span] of spans.slice(first).entries()) {
      if (i > 0 && span.from - end > widest) break;
      end = Math.max(end, span.end);
      if (end - at > most) break;
      const cost = best[first]!.cost + REQUEST_COST + end - at;
      const known = best[first + i + 1];
      if (known !== undefined && known.cost <= cost) continue;
      best[first + i + 1] = { cost, first, read: { fc, at, count: end - at } };
    }
  }
  const reads: PlannedRead[] = [];
  for (let until = spans.length; until > 0; until = best[until]!.first) reads.unshift(best[until]!.read!);
  return reads;
}

/**
 * Puts reads of one length apart, as on a ring: the most frequent lengths first, every other place. Where one
 * length has more than half of the places some stay together, and the bus clears the line between them.
 */
function alternate(reads: readonly PlannedRead[]): PlannedRead[] {
  const byLength = new Map<string, PlannedRead[]>();
  for (const read of reads) {
    const key = `${read.fc}/${read.count}`;
    byLength.set(key, [...(byLength.get(key) ?? []), read]);
  }
  const sorted = [...byLength.values()]
    .sort((a, b) => b.length - a.length || b[0]!.count - a[0]!.count)
    .flat();
  const ring: PlannedRead[] = new Array(sorted.length);
  let place = 0;
  for (const read of sorted) {
    ring[place] = read;
    place += 2;
    if (place >= sorted.length) place = 1;
  }
  return ring;
}
