import type { ComparisonResult, DifferingHashes, JudgedFinding } from '@meterseal/node-red-meterseal/core';
import { verdictOf } from '@meterseal/protocol';

/** A comparison of `readings` readings that found what is given, or did not come to that. */
export function resultOf(
  readings: number,
  findings: readonly JudgedFinding[],
  outcome: ComparisonResult['outcome'] = 'judged',
): ComparisonResult {
  const count = (verdict: string): number =>
    findings.filter(({ reason }) => verdictOf(reason) === verdict).length;
  const isJudged = outcome === 'judged';
  const counts = { verified: 0, tampered: 0, unverifiable: 0 };
  if (isJudged) {
    Object.assign(counts, { tampered: count('tampered'), unverifiable: count('unverifiable') });
    counts.verified = readings - findings.length;
  } else {
    counts[verdictOf(outcome)] = readings;
  }
  return {
    outcome,
    why: isJudged ? undefined : "couldn't compare",
    scope: 'full',
    counts,
    readings,
    seals: { checked: readings, pending: 0 },
    findings,
    chain: isJudged
      ? { origin: 'meterseal.example/meterseal/box-7/1', size: 40, root: new Uint8Array(32) }
      : null,
    switch: isJudged ? { driver: 'process', grade: 0 } : null,
    lease: new Uint8Array(16).fill(1),
    windowMs: 12.4,
    totalMs: 30.6,
    released: true,
    verdictsSent: 0,
    evidence: undefined,
    damage: [],
  };
}

export function finding(
  seq: number,
  reason: JudgedFinding['reason'],
  accused?: JudgedFinding['accused'],
  hashes?: DifferingHashes,
): JudgedFinding {
  const more = hashes === undefined ? {} : { hashes };
  return { subject: 1, seq, reason, meter: 'EM-1', accused, ...more };
}
