import type { Crypto, Signer } from '@meterseal/protocol';
import { equalBytes } from '@meterseal/protocol';
import type { Ledgers } from '../ledgers/ledgers.js';
import { StatementTrust } from '../ledgers/statement-trust.js';
import type { MirroredEpoch } from '../mirror/chain-index.js';
import type { ChainBreak, ChainView, SwitchKind } from '../mirror/chain-view.js';
import type { Clock } from '../time/clock.js';
import type { Findings } from './findings.js';
import { judge } from './judge.js';
import type { JudgedMeter } from './matching.js';
import type { EntriesByEpoch } from './seal-check.js';
import { checkSeals, note, SealCollection } from './seal-check.js';
import { checkChainSignatures } from './signature-check.js';
import type { Standing } from './standing.js';
import { gatherTestimony } from './testimony.js';

/** `full` reads and judges everything again; `new` judges what came since the last comparison. */
export type Scope = 'full' | 'new';

export type JudgingTools = {
  readonly crypto: Crypto;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly platformId: string;
  /** Milliseconds after which a delivered reading ought to be on the chain. */
  readonly anchoringDelay: number;
  readonly ledgers: Ledgers;
};

export type Judged = {
  readonly findings: Findings;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** What kind of switch the `connecting` entry names. */
  readonly connectedBy: SwitchKind;
  /** Signatures that were checked, to be remembered once the entries are committed. */
  readonly good: EntriesByEpoch;
  readonly bad: EntriesByEpoch;
};

/** Seals that one comparison checks; the others are checked between comparisons, see `SealAudit`. */
const SEALS_PER_COMPARISON = 1_024;

/**
 * Judges what is held by what is mirrored.
 *
 * @param epochs everything that is mirrored, in order
 * @param lease whose `connecting` entry has to be among what is new
 * @param newest entries of the last epoch that the collector knew before
 * @returns `stale` where the checkpoint does not cover that entry
 * @throws MetersealError `chain-damaged`; then `standing` is of no use any more
 */
export async function judgeHeld(
  tools: JudgingTools,
  standing: Standing,
  scope: Scope,
  epochs: readonly MirroredEpoch[],
  lease: Uint8Array,
  newest: number,
): Promise<Judged | 'stale'> {
  const { crypto, ledgers, signer, platformId, clock, anchoringDelay } = tools;
  const { openings, spool } = ledgers;
  const chain = standing.index.view;
  const isFull = scope === 'full' || !standing.isComplete;
  // Heights before records, so that every record they cover is read; records before statements, so that every statement
  // that they came with is known.
  const heights = ledgers.heights.snapshot();
  const held = isFull ? await spool.reread() : spool.held();
  const meterOf = (subject: number): string | undefined => openings.ofSubject(subject)?.meter;
  const isHeld = (subject: number, seq: number): boolean => {
    const meter = meterOf(subject);
    return meter !== undefined && held.versions(meter, seq).length > 0;
  };
  const seals = new SealCollection(SEALS_PER_COMPARISON, isHeld);
  standing.hold(held);
  await standing.index.follow(epochs, {
    lease,
    again: isFull,
    held: { hashes: held.hashes, rowsOf: (subject) => held.rowsOfMeter(meterOf(subject) ?? '') },
    visit: (...list) => seals.take(...list),
  });
  const { leaseAt } = chain;
  if (leaseAt === undefined || leaseAt.index < newest) return 'stale';
  const connectedBy = { driver: leaseAt.driver, grade: leaseAt.grade };

  const good = await checkChainSignatures(crypto, chain);
  const meters = metersOf(ledgers, chain);
  const isKnownKey = (subject: number, key: Uint8Array): boolean => openings.hasKey(subject, key);
  const input = { held, chain, isKnownKey };
  const matching = isFull ? standing.matchAll(input, meters) : standing.matchNew(input, meters);

  const checked = await checkSeals({ crypto, spool, held, chain, meterOf }, seals.seals);
  for (const [epoch, indexes] of checked.good) for (const index of indexes) note(good, epoch, index);
  const bad: EntriesByEpoch = new Map();
  for (const { seal, row } of checked.bad) {
    const { epoch, index, subject, seq } = seal;
    matching.reopen({ subject, meter: meterOf(subject) }, seq);
    chain.seals.settle(row, false);
    note(bad, epoch, index);
  }

  const trust = new StatementTrust(crypto, { platformId, collectorKey: signer.publicKey });
  const evidence = { crypto, trust, ledgers, heights, held, chain, meters, matching };
  const testimony = await gatherTestimony(evidence);
  const time = clock.now();
  const breaks = compareOpenings(ledgers, chain);
  const findings = judge({ held, chain, meters, matching, testimony, breaks, now: time, anchoringDelay });
  standing.note(input, meters, matching);
  return { findings, time, connectedBy, good, bad };
}

/** Every meter that this collector was told of, or has told anybody of. */
function metersOf({ openings, heights, deliveries }: Ledgers, chain: ChainView): JudgedMeter[] {
  const subjects = new Set<number>([
    ...heights.subjects(),
    ...deliveries.subjects(),
    ...chain.acknowledged.keys(),
  ]);
  for (const { subject } of openings.all()) subjects.add(subject);
  return [...subjects]
    .sort((a, b) => a - b)
    .map((subject) => ({ subject, meter: openings.ofSubject(subject)?.meter }));
}

/** Subjects that the chain gives to another meter than their own field says. */
function compareOpenings({ openings }: Ledgers, chain: ChainView): ChainBreak[] {
  const told = new Map<number, ChainBreak>();
  for (const { subject, commitment } of chain.enrolments) {
    const opening = openings.ofSubject(subject);
    if (opening === undefined || equalBytes(opening.commitment, commitment) || told.has(subject)) continue;
    told.set(subject, { subject, seq: 0, flaw: 'commitment-differs' });
  }
  return [...told.values()];
}
