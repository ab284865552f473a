import { VERDICT_CODES, type VerdictReason, verdictOf } from '@meterseal/protocol';
import t from 'tap';

// Written out from docs/formats.md: a code that moved would make old verdicts lie.
const TABLE: Readonly<Record<VerdictReason, readonly [number, string]>> = {
  verified: [0, 'verified'],
  'hash-differs': [1, 'tampered'],
  'not-in-chain': [2, 'tampered'],
  'missing-at-collector': [3, 'tampered'],
  'payload-differs': [4, 'tampered'],
  'not-yet-anchored': [16, 'unverifiable'],
  'anchoring-overdue': [17, 'unverifiable'],
  'not-yet-received': [18, 'unverifiable'],
  'refused-by-platform': [19, 'unverifiable'],
  'lost-by-field': [20, 'unverifiable'],
  'dropped-by-policy': [21, 'unverifiable'],
  pruned: [22, 'unverifiable'],
  'before-mirror': [23, 'unverifiable'],
  'anchor-lost': [24, 'unverifiable'],
  'link-denied': [32, 'unverifiable'],
  'link-fault': [33, 'unverifiable'],
  'platform-unreachable': [34, 'unverifiable'],
  'stale-checkpoint': [35, 'unverifiable'],
  'bad-entries': [36, 'unverifiable'],
  'history-unproven': [37, 'unverifiable'],
  equivocation: [48, 'tampered'],
  'sequence-broken': [49, 'tampered'],
  'duplicate-subject': [50, 'tampered'],
  'history-rewritten': [51, 'tampered'],
};

t.test('every reason has its fixed code and counts in its class', async (t) => {
  t.strictSame(Object.keys(VERDICT_CODES), Object.keys(TABLE));
  for (const [reason, [code, verdict]] of Object.entries(TABLE)) {
    t.equal(VERDICT_CODES[reason as VerdictReason], code, reason);
    t.equal(verdictOf(reason as VerdictReason), verdict, reason);
  }
});
