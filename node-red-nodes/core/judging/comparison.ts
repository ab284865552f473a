import type { LeasePurpose, Policy, Random, VerdictReason } from '@meterseal/protocol';
import {
  compareFindings,
  encodeVerdict,
  equalBytes,
  isMetersealError,
  signMessage,
  verdictOf,
} from '@meterseal/protocol';
import type { FileDamage } from '../ledgers/ledgers.js';
import type { MirroredEpoch } from '../mirror/chain-index.js';
import { ChainIndex, rootOnDisk } from '../mirror/chain-index.js';
import type { SwitchKind } from '../mirror/chain-view.js';
import type { Mirrors } from '../mirror/mirrors.js';
import type { Storage } from '../storage/storage.js';
import type { GateLink } from '../window/gate-link.js';
import type { LeaseWish } from '../window/lease-client.js';
import type { LeaseCounter } from '../window/lease-counter.js';
import type { VerdictStore } from '../window/verdict-store.js';
import type { Fetched, RunFailure, Shown, WindowResult } from '../window/window.js';
import { runWindow } from '../window/window.js';
import { keepEvidence } from './evidence.js';
import type { Findings, JudgedFinding, VerdictCounts } from './findings.js';
import type { JudgingTools, Scope } from './judging.js';
import { judgeHeld } from './judging.js';
import { Standing } from './standing.js';

export type ComparisonTools = JudgingTools & {
  readonly storage: Storage;
  readonly dir: string;
  readonly random: Random;
  readonly policy: Policy;
  readonly gate: GateLink;
  readonly mirrors: Mirrors;
  readonly counter: LeaseCounter;
  readonly verdicts: VerdictStore;
  /** What the last comparison of this process left; undefined where there was none, or it failed. */
  readonly memory: { standing: Standing | undefined };
};

export type ComparisonWish = {
  readonly purpose: LeasePurpose;
  /** Longest window, milliseconds. */
  readonly max: number;
  readonly scope: Scope;
};

/** Seals of readings that are held and on the chain with the same hash. */
export type SealCounts = {
  readonly checked: number;
  /** Not checked yet: that these readings are verified says that the hashes agree, not yet that the meter sealed them. */
  readonly pending: number;
};

export type ComparisonResult = {
  /** `judged`, or why nothing was; the counts then say it of everything that is held. */
  readonly outcome: 'judged' | RunFailure;
  /** What went wrong, in words. */
  readonly why: string | undefined;
  /** `new` where only that was judged which came since the last comparison, or was not verified then. */
  readonly scope: Scope;
  readonly counts: VerdictCounts;
  /** Readings that were judged: versions held, and entries that are not held. */
  readonly readings: number;
  /** Of everything that is held, whatever the scope. */
  readonly seals: SealCounts;
  /** What is not verified, sorted by subject, number and code; at most 10,000 tampered and 10,000 unverifiable. */
  readonly findings: readonly JudgedFinding[];
  /** The chain that was judged by; null where nothing was. */
  readonly chain: { readonly origin: string; readonly size: number; readonly root: Uint8Array } | null;
  /** What kind of switch the chain says it was that connected for this comparison; null where nothing was judged. */
  readonly switch: SwitchKind | null;
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
 * One comparison: the window, and then, isolated again, the judging of what is held by what is mirrored. The verdict is
 * signed and kept; it goes out in the next window.
 *
 * @throws MetersealError `commit-failed`, `disk-full` where the collector's own disk fails
 */
export async function compare(
  tools: ComparisonTools,
  { purpose, max, scope }: ComparisonWish,
): Promise<ComparisonResult> {
  const { clock, crypto, policy, mirrors, verdicts, random, gate, signer, counter, platformId } = tools;
  const started = clock.monotonic();
  const wish: LeaseWish = { lease: random(16), purpose, max };
  const lease = { gate, signer, counter, platformId };
  const window = await runWindow({ lease, crypto, policy, mirrors, verdicts, clock }, wish);

  const judged = await afterWindow(tools, window, wish.lease, scope);
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

type Outcome = Pick<
  ComparisonResult,
  'outcome' | 'why' | 'scope' | 'counts' | 'readings' | 'seals' | 'findings' | 'chain' | 'switch' | 'damage'
>;
type Ended =
  | (Outcome & { outcome: 'judged'; evidence?: undefined })
  | { outcome: RunFailure; why: string; evidence?: string | undefined };

async function afterWindow(
  tools: ComparisonTools,
  window: WindowResult,
  lease: Uint8Array,
  scope: Scope,
): Promise<Ended> {
  const { shown, fetched, outcome, why = '' } = window;
  if (outcome === 'behind') return behind(tools, shown!);
  if (outcome !== 'mirrored') {
    // Only a head that the platform has signed, with a proof that does not hold, is evidence of anything.
    if (outcome !== 'history-unproven' || shown?.consistency === undefined) return { outcome, why };
    return { outcome, why, evidence: await evidenceOf(tools, outcome, shown) };
  }
  const { standing } = tools.memory;
  // Only what was judged to its end is built on.
  tools.memory.standing = undefined;
  const known = standing ?? newStanding(tools);
  const ended = await judgeFetched(tools, known, { shown: shown!, fetched: fetched!, lease, scope });
  if (ended.outcome === 'judged' || ended.outcome === 'stale-checkpoint') tools.memory.standing = known;
  return ended;
}

function newStanding({ crypto, policy, platformId, signer }: ComparisonTools): Standing {
  return new Standing(new ChainIndex(crypto, policy, { platformId, collectorKey: signer.publicKey }));
}

async function judgeFetched(
  tools: ComparisonTools,
  standing: Standing,
  run: { shown: Shown; fetched: Fetched; lease: Uint8Array; scope: Scope },
): Promise<Ended> {
  const { mirrors, ledgers } = tools;
  const { shown, fetched, lease } = run;
  const { note, checkpoint, mirror, keptSize } = shown;
  const scope = standing.isComplete ? run.scope : 'full';
  // The disk takes its time while everything else goes on; nothing is said before it has everything.
  const committed = mirror.commit(note, checkpoint, fetched.range);
  committed.catch(() => {});
  if (fetched.lists === undefined) await committed;
  try {
    const epochs = epochsOf(mirrors, shown, fetched);
    const judged = await judgeHeld(tools, standing, scope, epochs, lease, keptSize);
    await committed;
    if (judged === 'stale') {
      const why = "couldn't accept checkpoint: it does not cover the connecting of this very lease";
      return { outcome: 'stale-checkpoint', why };
    }
    const { findings, time, connectedBy, good, bad } = judged;
    for (const { epoch, mirror } of mirrors.committed()) {
      await mirror.checked.add(rising(good.get(epoch)), rising(bad.get(epoch)));
    }
    const { origin, size, root } = checkpoint;
    await keepVerdict(tools, findings, { origin, size, root, lease, time });
    return {
      outcome: 'judged',
      why: undefined,
      scope,
      counts: findings.counts,
      readings: findings.readings,
      seals: sealsOf(standing),
      findings: findings.list(),
      chain: { origin, size, root },
      switch: connectedBy,
      damage: ledgers.damage,
    };
  } catch (error) {
    await committed;
    if (!isMetersealError(error, 'chain-damaged')) throw error;
    return { outcome: 'bad-entries', why: error.message };
  }
}

/** Everything that is mirrored, with what came just now. */
function epochsOf(mirrors: Mirrors, shown: Shown, { lists, ...fetched }: Fetched): MirroredEpoch[] {
  const { mirror, note, checkpoint } = shown;
  const epochs = mirrors.all().flatMap(({ epoch, mirror: other }): MirroredEpoch[] => {
    if (other === mirror) {
      const fresh = lists === undefined ? {} : { fresh: { ...fetched, lists } };
      return [{ epoch, mirror, note, checkpoint, end: mirror.end, ...fresh }];
    }
    const { head } = other;
    if (head === undefined) return [];
    const end = { size: head.range.size, bytes: head.bytes };
    return [{ epoch, mirror: other, note: head.note, checkpoint: head.checkpoint, end }];
  });
  return epochs;
}

/** No more came than is mirrored: an old checkpoint of the same history, or another history. */
async function behind(tools: ComparisonTools, shown: Shown): Promise<Ended> {
  const { checkpoint, mirror, keptSize } = shown;
  if (keptSize > 0 && checkpoint.size <= keptSize) {
    try {
      const root = await rootOnDisk(tools.crypto, mirror, checkpoint.size);
      if (!equalBytes(root, checkpoint.root)) {
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

function notJudged({ ledgers, memory }: ComparisonTools, outcome: RunFailure, why: string): Outcome {
  const counts = { verified: 0, tampered: 0, unverifiable: 0 };
  const readings = ledgers.spool.index.count;
  counts[verdictOf(outcome satisfies VerdictReason)] = readings;
  const nothing = {
    counts,
    readings,
    seals: sealsOf(memory.standing),
    findings: [],
    chain: null,
    switch: null,
  };
  return { outcome, why, scope: 'full', ...nothing, damage: ledgers.damage };
}

/** What is known of the seals of everything held; nothing before the first comparison of this process. */
export function sealsOf(standing: Standing | undefined): SealCounts {
  const { checked, pending } = standing?.index.view.seals ?? { checked: 0, pending: 0 };
  return { checked, pending };
}

function rising(indexes: readonly number[] = []): number[] {
  return [...indexes].sort((a, b) => a - b);
}
