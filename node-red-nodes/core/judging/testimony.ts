import type { Crypto } from '@meterseal/protocol';
import type { Deliveries } from '../ledgers/deliveries.js';
import type { StatedGap } from '../ledgers/gaps.js';
import type { Run } from '../ledgers/heights.js';
import { isWithin } from '../ledgers/heights.js';
import type { Ledgers } from '../ledgers/ledgers.js';
import type { KnownMeter } from '../ledgers/openings.js';
import type { StatementTrust } from '../ledgers/statement-trust.js';
import type { ChainView } from '../mirror/chain-view.js';
import type { HeldRecords } from '../spool/spool-index.js';
import { DeliveredHashes } from './delivered-hashes.js';
import type { Testimony } from './judge.js';
import type { JudgedMeter, Matching } from './matching.js';
import { rowsOf } from './matching.js';

export type TestimonyInput = {
  readonly crypto: Crypto;
  readonly trust: StatementTrust;
  readonly ledgers: Ledgers;
  /** Taken before `held` was read: every record that they cover was on the disk by then. */
  readonly heights: ReadonlyMap<number, readonly Run[]>;
  readonly held: HeldRecords;
  readonly chain: ChainView;
  readonly meters: readonly JudgedMeter[];
  readonly matching: Matching;
};

/** Reads and checks the statements that a judgement needs; all others are left alone. */
export async function gatherTestimony(input: TestimonyInput): Promise<Testimony> {
  const { crypto, trust, ledgers, heights, held, chain } = input;
  const { openings, deliveries, gaps } = ledgers;

  const { unanchored, differing } = survey(input);
  const delivered = new Map<number, Run[]>();
  for (const meter of unanchored) {
    delivered.set(meter.subject, await deliveredRuns(deliveries, trust, meter));
  }
  const hashes = await DeliveredHashes.of({ hasher: crypto, trust, deliveries, held, chain }, differing);
  const stated = new Map<number, readonly StatedGap[]>();
  const gapsOf = (subject: number): readonly StatedGap[] => {
    const meter = openings.ofSubject(subject);
    const known = stated.get(subject) ?? (meter === undefined ? [] : gaps.signedBy(meter, trust));
    stated.set(subject, known);
    return known;
  };

  return {
    isDelivered: (subject, seq) => isWithin(delivered.get(subject) ?? [], seq),
    isAcknowledged: (subject, seq) =>
      isWithin(heights.get(subject) ?? [], seq) || isWithin(chain.acknowledged.get(subject) ?? [], seq),
    gapAt: (subject, seq) => gapsOf(subject).find(({ from, to }) => from <= seq && seq <= to)?.reason,
    wasDelivered: (subject, seq, hash) => hashes.has(subject, seq, hash),
    isKnownKey: (subject, identityKey) => openings.hasKey(subject, identityKey),
  };
}

/** Meters that have readings which are held but not on the chain, and numbers that are both with different hashes. */
function survey(input: TestimonyInput): {
  unanchored: ReadonlySet<KnownMeter>;
  differing: readonly { readonly meter: KnownMeter; readonly seq: number }[];
} {
  const { ledgers, held, chain, meters, matching } = input;
  const bySubject = new Map(meters.map((meter) => [meter.subject, meter]));
  const unanchored = new Set<KnownMeter>();
  const differing: { meter: KnownMeter; seq: number }[] = [];
  for (let i = 0; i < matching.open.length; i++) {
    const subject = matching.open.subjectAt(i);
    const meter = ledgers.openings.ofSubject(subject);
    if (meter === undefined) continue;
    const seq = matching.open.seqAt(i);
    const { ours, theirs } = rowsOf(input, bySubject.get(subject)!);
    const their = theirs.rowsOf(seq);
    const isOther = (our: number): boolean => !their.some((row) => held.hashes.same(our, chain.hashes, row));
    if (their.length === 0) unanchored.add(meter);
    else if (ours.rowsOf(seq).some(isOther)) differing.push({ meter, seq });
  }
  return { unanchored, differing };
}

/** What the furthest statement of each run covers that the meter has really signed. */
async function deliveredRuns(
  deliveries: Deliveries,
  trust: StatementTrust,
  meter: KnownMeter,
): Promise<Run[]> {
  const runs = new Map<number, Run>();
  for (const row of deliveries.latestFirst(meter.subject)) {
    const first = deliveries.first(row);
    if (runs.has(first)) continue;
    const signed = await deliveries.read(row);
    if (signed !== undefined && trust.signerOf(signed, meter) !== undefined) {
      runs.set(first, { first, seq: deliveries.to(row) });
    }
  }
  return [...runs.values()];
}
