/** What a comparison can say of one reading, or of the chain. Fixed: docs/operate.md says what to do for each. */
export const VERDICT_CODES = {
  verified: 0,
  // tampered
  'hash-differs': 1,
  'not-in-chain': 2,
  'missing-at-collector': 3,
  'payload-differs': 4,
  // unverifiable
  'not-yet-anchored': 16,
  'anchoring-overdue': 17,
  'not-yet-received': 18,
  'refused-by-platform': 19,
  'lost-by-field': 20,
  'dropped-by-policy': 21,
  pruned: 22,
  'before-mirror': 23,
  'anchor-lost': 24,
  'link-denied': 32,
  'link-fault': 33,
  'platform-unreachable': 34,
  'stale-checkpoint': 35,
  'bad-entries': 36,
  'history-unproven': 37,
  // accusing
  equivocation: 48,
  'sequence-broken': 49,
  'duplicate-subject': 50,
  'history-rewritten': 51,
} as const;

export type VerdictReason = keyof typeof VERDICT_CODES;
export type Verdict = 'verified' | 'tampered' | 'unverifiable';

/** The class that a reason counts in: 1–4 and 48–51 are tampered, 16–37 unverifiable. */
export function verdictOf(reason: VerdictReason): Verdict {
  const code = VERDICT_CODES[reason];
  if (code === 0) return 'verified';
  return code >= 16 && code <= 37 ? 'unverifiable' : 'tampered';
}
