import type { Crypto, LeasePurpose, Policy, Random, Signer, VerdictReason } from '@meterseal/protocol';
import {
  compareFindings,
  encodeVerdict,
  equalBytes,
  isMetersealError,
  rangeRoot,
  signMessage,
  verdictOf,
} from '@meterseal/protocol';
import { readChain } from './chain-source.js';
import type { ChainView } from './chain-view.js';
import type { Clock } from './clock.js';
import { keepEvidence } from './evidence.js';
import type { Findings, JudgedFinding, VerdictCounts } from './findings.js';
import type { GateLink } from './gate-link.js';
import { judge } from './judge.js';
import type { LeaseWish } from './lease-client.js';
import type { LeaseCounter } from './lease-counter.js';
import type { FileDamage, Ledgers } from './ledgers.js';
import { inSpool } from './ledgers.js';
import type { JudgedMeter } from './match.js';
import { rereadMirror } from './mirror.js';
import type { Mirrors } from './mirrors.js';
import type { GoodEntries } from './signature-check.js';
import { checkChainSignatures, checkSeals } from './signature-check.js';
import { StatementTrust } from './statement-trust.js';
import type { Storage } from './storage.js';
import { Survey } from './survey.js';
import { gatherTestimony } from './testimony.js';
import type { VerdictStore } from './verdict-store.js';
import type { RunFailure, Shown, WindowResult } from './window.js';
import { runWindow } from './window.js';

export type ComparisonTools = {
  readonly storage: Storage;
  readonly dir: string;
  readonly crypto: Crypto;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly random: Random;
  readonly platformId: string;
  readonly policy: Policy;
  readonly gate: GateLink;
  /** Milliseconds after which a delivered reading ought to be on the chain. */
  readonly anchoringDelay: number;
  readonly ledgers: Ledgers;
  readonly mirrors: Mirrors;
  readonly counter: LeaseCounter;
  readonly verdicts: VerdictStore;
};

export type ComparisonResult = {
  /** `judged`, or why nothing was; the counts then say it of everything that is held. */
  readonly outcome: 'judged' | RunFailure;
  /** What went wrong, in words. */
  readonly why: string | undefined;
  readonly counts: VerdictCounts;
  /** Readings that were judged: versions held, and entries that are not held. */
  readonly readings: number;
  /** What is not verified, sorted by subject, number and code; at most 10,000 tampered and 10,000 unverifiable. */
  readonly findings: readonly JudgedFinding[];
  /** The chain that was judged by; null where nothing was. */
  readonly chain: { readonly origin: string; readonly size: number; readonly root: Uint8Array } | null;
  readonly lease: Uint8Array;
  /** Milliseconds for which collector and platform were connected; 0 if they were not. */
  readonly windowMs: number;
  readonly totalMs: number;
  /** False where the gate did not confirm that it isolates; it does so by itself when the lease runs out. */
  readonly released: boolean;
  readonly verdictsSent: number;
  /** The file that keeps two signed heads which do not go together. */
  readonly evidence: string | undefined;
  /** Places of the collector's files that hold nothing readable. */
  readonly damage: readonly FileDamage[];
};

/**
 * One comparison: the window, and then, isolated again, the judging of everything that is held against everything that
 * is mirrored. The verdict is signed and kept; it goes out in the next window.
 *
 * @throws MetersealError `commit-failed`, `disk-full` where the collector's own disk fails
 */
export async function compare(
  tools: ComparisonTools,
  purpose: LeasePurpose,
  max: number,
): Promise<ComparisonResult> {
  const { clock, crypto, policy, mirrors, verdicts, random, gate, signer, counter, platformId } = tools;
  const started = clock.monotonic();
  const wish: LeaseWish = { lease: random(16), purpose, max };
  const lease = { gate, signer, counter, platformId };
  const window = await runWindow({ lease, crypto, policy, mirrors, verdicts, clock }, wish);

  const judged = await afterWindow(tools, window, wish.lease);
  const rest = judged.outcome === 'judged' ? judged : notJudged(tools, judged.outcome, judged.why);
  return {
    ...rest,
    lease: wish.lease,
    windowMs: window.windowMs,
    totalMs: clock.monotonic() - started,
    released: window.released,
    verdictsSent: window.verdictsSent,
    evidence: judged.evidence,
  };
}

type Judged = Pick<
  ComparisonResult,
  'outcome' | 'why' | 'counts' | 'readings' | 'findings' | 'chain' | 'damage'
>;
type Ended =
  | (Judged & { outcome: 'judged'; evidence?: undefined })
  | { outcome: RunFailure; why: string; evidence?: string | undefined };

async function afterWindow(tools: ComparisonTools, window: WindowResult, lease: Uint8Array): Promise<Ended> {
  const { shown, outcome, why = '' } = window;
  if (outcome === 'behind') return behind(tools, shown!);
  if (outcome !== 'mirrored') {
    // Only a head that the platform has signed, with a proof that does not hold, is evidence of anything.
    if (outcome !== 'history-unproven' || shown?.consistency === undefined) return { outcome, why };
    return { outcome, why, evidence: await evidenceOf(tools, outcome, shown) };
  }
  let chain: ChainView;
  try {
    const addressee = { platformId: tools.platformId, collectorKey: tools.signer.publicKey };
    chain = await readChain(tools.crypto, tools.policy, tools.mirrors, addressee, lease);
  } catch (error) {
    if (!isMetersealError(error, 'chain-damaged')) throw error;
    return { outcome: 'bad-entries', why: error.message };
  }
  if (chain.leaseAt === undefined || chain.leaseAt.index < shown!.keptSize) {
    const words = "couldn't accept checkpoint: it does not cover the connecting of this very lease";
    return { outcome: 'stale-checkpoint', why: words };
  }
  return judgeAll(tools, chain, shown!, lease);
}

/** No more came than is mirrored: an old checkpoint of the same history, or another history. */
async function behind(tools: ComparisonTools, shown: Shown): Promise<Ended> {
  const { checkpoint, mirror, keptSize } = shown;
  if (keptSize > 0 && checkpoint.size <= keptSize) {
    try {
      const range = await rereadMirror(tools.crypto, mirror, () => {}, checkpoint.size);
      if (!equalBytes(rangeRoot(tools.crypto, range), checkpoint.root)) {
        const evidence = await evidenceOf(tools, 'history-rewritten', shown);
        const why = `couldn't accept checkpoint: another root for ${checkpoint.size} entries than is mirrored`;
        return { outcome: 'history-rewritten', why, evidence };
      }
    } catch (error) {
      if (!isMetersealError(error, 'file-damaged')) throw error;
      return { outcome: 'bad-entries', why: error.message };
    }
  }
  return { outcome: 'stale-checkpoint', why: "couldn't accept checkpoint: it is no newer than the last one" };
}

function evidenceOf(
  tools: ComparisonTools,
  reason: 'history-rewritten' | 'history-unproven',
  shown: Shown,
): Promise<string | undefined> {
  const { note, keptNote, consistency } = shown;
  const time = tools.clock.now();
  const evidence = { reason, time, kept: keptNote, shown: note, consistency };
  return keepEvidence(tools.storage, tools.dir, tools.crypto, evidence);
}

async function judgeAll(
  tools: ComparisonTools,
  chain: ChainView,
  { checkpoint }: Shown,
  lease: Uint8Array,
): Promise<Judged & { outcome: 'judged' }> {
  const { crypto, ledgers, mirrors, signer, platformId, clock, anchoringDelay } = tools;
  const good: GoodEntries = new Map();
  // Heights before records, so that every record they cover is read; records before statements, so that every statement
  // that they came with is known.
  const heights = ledgers.heights.snapshot();
  const { index: held, damage } = await ledgers.spool.readAll();
  await checkChainSignatures(crypto, chain, good);
  const meters = metersOf(ledgers, chain);
  compareOpenings(ledgers, chain);
  const survey = Survey.of(held, chain, meters);
  const badSeals = await checkSeals(crypto, ledgers.spool, held, chain, survey, good);
  const trust = new StatementTrust(crypto, { platformId, collectorKey: signer.publicKey });
  const testimony = await gatherTestimony({ crypto, trust, ledgers, heights, held, chain, survey });
  const now = clock.now();
  const findings = judge({ held, chain, meters, testimony, badSeals, now, anchoringDelay });

  for (const { epoch, mirror } of mirrors.committed()) await mirror.checked.add(rising(good.get(epoch)));
  const { origin, size, root } = checkpoint;
  await keepVerdict(tools, findings, { origin, size, root, lease, time: now });
  return {
    outcome: 'judged',
    why: undefined,
    counts: findings.counts,
    readings: findings.readings,
    findings: findings.list(),
    chain: { origin, size, root },
    damage: [...ledgers.damage.filter(({ file }) => !file.startsWith('spool/')), ...inSpool(damage)],
  };
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

/** A subject that the chain gives to another meter than its own field says. */
function compareOpenings({ openings }: Ledgers, chain: ChainView): void {
  const told = new Set<number>();
  for (const { subject, commitment } of chain.enrolments) {
    const opening = openings.ofSubject(subject);
    if (opening === undefined || equalBytes(opening.commitment, commitment) || told.has(subject)) continue;
    told.add(subject);
    chain.breaks.push({ subject, seq: 0, flaw: 'commitment-differs' });
  }
}

async function keepVerdict(
  { signer, verdicts }: ComparisonTools,
  findings: Findings,
  head: { origin: string; size: number; root: Uint8Array; lease: Uint8Array; time: number },
): Promise<void> {
  // A statement lists a finding once, however many versions of a reading it is about; the counts cover all.
  const listed = findings
    .list()
    .filter((finding, i, all) => i === 0 || compareFindings(all[i - 1]!, finding) !== 0);
  const most = 2 ** 32 - 1;
  const { verified, tampered, unverifiable } = findings.counts;
  const statement = encodeVerdict({
    ...head,
    collectorKey: signer.publicKey,
    verified: Math.min(verified, most),
    tampered: Math.min(tampered, most),
    unverifiable: Math.min(unverifiable, most),
    findings: listed,
  });
  await verdicts.add(signMessage(signer, statement));
}

function notJudged({ ledgers }: ComparisonTools, outcome: RunFailure, why: string): Judged {
  const counts = { verified: 0, tampered: 0, unverifiable: 0 };
  counts[verdictOf(outcome satisfies VerdictReason)] = ledgers.spool.index.count;
  const readings = ledgers.spool.index.count;
  return { outcome, why, counts, readings, findings: [], chain: null, damage: ledgers.damage };
}

function rising(indexes: readonly number[] = []): number[] {
  return [...indexes].sort((a, b) => a - b);
}
