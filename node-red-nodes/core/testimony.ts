import type { Crypto } from '@meterseal/protocol';
import { equalBytes } from '@meterseal/protocol';
import type { ChainView } from './chain-view.js';
import { DeliveredHashes } from './delivered-hashes.js';
import type { Deliveries } from './deliveries.js';
import type { StatedGap } from './gaps.js';
import type { Run } from './heights.js';
import { isWithin } from './heights.js';
import type { Testimony } from './judge.js';
import type { Ledgers } from './ledgers.js';
import type { KnownMeter } from './openings.js';
import type { SpoolIndex } from './spool-index.js';
import type { StatementTrust } from './statement-trust.js';
import type { Survey } from './survey.js';

export type TestimonyInput = {
  readonly crypto: Crypto;
  readonly trust: StatementTrust;
  readonly ledgers: Ledgers;
  /** Taken before `held` was read: every record that they cover was on the disk by then. */
  readonly heights: ReadonlyMap<number, readonly Run[]>;
  readonly held: SpoolIndex;
  readonly chain: ChainView;
  readonly survey: Survey;
};

/** Reads and checks the statements that a judgement needs; all others are left alone. */
export async function gatherTestimony(input: TestimonyInput): Promise<Testimony> {
  const { crypto, trust, ledgers, heights, held, chain, survey } = input;
  const { openings, deliveries, gaps } = ledgers;

  const delivered = new Map<number, Run[]>();
  for (const subject of survey.unanchored.keys()) {
    const meter = openings.ofSubject(subject);
    if (meter !== undefined) delivered.set(subject, await deliveredRuns(deliveries, trust, meter));
  }
  const differing = survey.differing.flatMap(({ meter: { subject }, seq }) => {
    const meter = openings.ofSubject(subject);
    return meter === undefined ? [] : [{ meter, seq }];
  });
  const hashes = await DeliveredHashes.of({ hasher: crypto, trust, deliveries, held, chain }, differing);
  const stated = new Map<number, StatedGap[]>();
  for (const meter of openings.all()) stated.set(meter.subject, gaps.signedBy(meter, trust));
  const knownKeys = new Map<Uint8Array, boolean>();

  return {
    isDelivered: (subject, seq) => isWithin(delivered.get(subject) ?? [], seq),
    isAcknowledged: (subject, seq) =>
      isWithin(heights.get(subject) ?? [], seq) || isWithin(chain.acknowledged.get(subject) ?? [], seq),
    gapAt: (subject, seq) => stated.get(subject)?.find(({ from, to }) => from <= seq && seq <= to)?.reason,
    wasDelivered: (subject, seq, hash) => hashes.has(subject, seq, hash),
    isKnownKey: (subject, identityKey) => {
      let known = knownKeys.get(identityKey);
      if (known === undefined) {
        const keys = openings.ofSubject(subject)?.identityKeys ?? [];
        known = keys.some((key) => equalBytes(key, identityKey));
        knownKeys.set(identityKey, known);
      }
      return known;
    },
  };
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
