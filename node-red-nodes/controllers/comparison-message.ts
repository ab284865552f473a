import type { ComparisonResult } from '@meterseal/node-red-meterseal/core';
import type { Verdict, VerdictReason } from '@meterseal/protocol';
import { toHex, verdictOf } from '@meterseal/protocol';

/** One reading, or one thing about the chain, that is not verified. */
export type FindingMessage = {
  /** The meter's ID; its subject where the ID is not known, and `box` for what concerns the box. */
  meter: string;
  /** 0 for what concerns the meter as a whole. */
  seq: number;
  verdict: Verdict;
  reason: VerdictReason;
  accused?: 'collector' | 'box' | 'platform';
  flaw?: string;
};

/** One comparison of everything that is held, as messages carry it. */
export type ComparisonMessage = {
  /** `judged`, or why nothing was. */
  outcome: ComparisonResult['outcome'];
  why?: string;
  /** The worst of what was found. */
  verdict: Verdict;
  readings: number;
  verified: number;
  tampered: number;
  unverifiable: number;
  /** Readings that are verified by their hash, and whose seal is still to be checked: by the next comparisons. */
  sealsPending: number;
  /** The first ones, tampered before unverifiable; the counts cover all. */
  findings: FindingMessage[];
  chain: { origin: string; size: number; root: string } | null;
  /** The switch that connected, as the chain names it. */
  switch: ComparisonResult['switch'];
  lease: string;
  checkedAt: string;
  /** Milliseconds for which the switch was connected. */
  windowMs: number;
  totalMs: number;
  /** False where the gate did not confirm that it isolates. */
  released: boolean;
  /** A file beside the collector's own that keeps two signed heads which do not go together. */
  evidence?: string;
  /** Places of the collector's files that hold nothing readable. */
  damage: number;
};

/** Findings that one message lists. */
const MOST_FINDINGS = 200;

/** @param at when it ended, milliseconds since 1970 */
export function comparisonMessage(result: ComparisonResult, at: number): ComparisonMessage {
  const { outcome, why, readings, counts, chain, lease, windowMs, totalMs, released, evidence, damage } =
    result;
  return {
    outcome,
    ...(why === undefined ? {} : { why }),
    verdict: worstOf(result),
    readings,
    ...counts,
    sealsPending: result.seals.pending,
    findings: findingMessages(result).slice(0, MOST_FINDINGS),
    chain: chain === null ? null : { ...chain, root: toHex(chain.root) },
    switch: result.switch,
    lease: toHex(lease),
    checkedAt: new Date(at).toISOString(),
    windowMs: Math.round(windowMs),
    totalMs: Math.round(totalMs),
    released,
    ...(evidence === undefined ? {} : { evidence }),
    damage: damage.length,
  };
}

/** What a comparison says on the whole: where nothing is held, that everything held is verified. */
function worstOf({ outcome, counts }: ComparisonResult): Verdict {
  if (outcome !== 'judged') return verdictOf(outcome);
  if (counts.tampered > 0) return 'tampered';
  return counts.unverifiable > 0 ? 'unverifiable' : 'verified';
}

function findingMessages({ findings }: ComparisonResult): FindingMessage[] {
  const messages = findings.map(({ meter, subject, seq, reason, accused, flaw }) => ({
    meter: meter ?? (subject === 0 ? 'box' : `subject ${subject}`),
    seq,
    verdict: verdictOf(reason),
    reason,
    ...(accused === undefined ? {} : { accused }),
    ...(flaw === undefined ? {} : { flaw }),
  }));
  // The order within a verdict stays: by subject, number and code.
  return messages.sort((a, b) => Number(b.verdict === 'tampered') - Number(a.verdict === 'tampered'));
}
