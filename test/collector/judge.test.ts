import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import type { Testimony } from '@meterseal/node-red-meterseal/internal/judging/judge';
import { judge } from '@meterseal/node-red-meterseal/internal/judging/judge';
import { Matching } from '@meterseal/node-red-meterseal/internal/judging/matching';
import type { ChainFlaw } from '@meterseal/node-red-meterseal/internal/mirror/chain-view';
import {
  ChainView,
  SESSION_BAD,
  SESSION_GOOD,
} from '@meterseal/node-red-meterseal/internal/mirror/chain-view';
import {
  SEAL_BAD,
  SEAL_MALFORMED,
  SEAL_UNCHECKED,
} from '@meterseal/node-red-meterseal/internal/mirror/seal-states';
import { SpoolIndex } from '@meterseal/node-red-meterseal/internal/spool/spool-index';
import { SeqRows } from '@meterseal/node-red-meterseal/internal/storage/seq-rows';
import type { GapReason } from '@meterseal/protocol';
import { equalBytes, toHex, utf8 } from '@meterseal/protocol';
import t from 'tap';
import { keyOf } from './sample-meter.js';

/** One meter, subject 1, and one number, 5; readings are named by a letter that stands for their hash. */
type Case = {
  /** Versions held, in order; `x>y` is a void record x that replaces y, `x>?` one that replaces something unknown. */
  readonly held?: readonly string[];
  /** Readings on the chain under number 5. */
  readonly chain?: readonly string[];
  /** The session of each reading on the chain: good if not given. */
  readonly session?: 'bad' | 'none' | 'foreign';
  /** That of the first reading on the chain. */
  readonly badSeal?: boolean;
  readonly malformedSeal?: boolean;
  readonly delivered?: boolean;
  readonly acknowledged?: boolean;
  readonly gap?: GapReason;
  /** What the statements prove to have been delivered. */
  readonly proven?: string;
  readonly unknownKey?: boolean;
  /** Milliseconds since the records were received; the delay is 1,000. */
  readonly age?: number;
  readonly epochStart?: number;
  readonly unmirrored?: boolean;
  /** Highest number on the chain besides. */
  readonly last?: number;
  /** The meter was never opened. */
  readonly stranger?: boolean;
  readonly breaks?: readonly ChainFlaw[];
  /** Reasons, or the number of verified readings, sorted. */
  readonly says: readonly string[];
};

const hashOf = (name: string): Uint8Array => crypto.sha256(utf8(name));

function run(given: Case): string[] {
  const held = new SpoolIndex();
  for (const [i, text] of (given.held ?? []).entries()) {
    const [name, replaced] = text.split('>') as [string, string | undefined];
    const replaces =
      replaced === undefined ? undefined : replaced === '?' ? '0'.repeat(64) : toHex(hashOf(replaced));
    const received = 10_000 - (given.age ?? 0);
    held.add({
      meter: 'EM-1',
      seq: 5,
      hash: hashOf(name),
      received,
      segment: 1,
      offset: i,
      length: 1,
      replaces,
    });
  }
  const chain = new ChainView();
  const identityKey = keyOf('identity').publicKey;
  const firstSeq = given.epochStart ?? 1;
  chain.enrol({ epoch: 1, subject: 1, commitment: new Uint8Array(32), identityKey, firstSeq });
  chain.sessionSubjects.push(given.session === 'foreign' ? 2 : 1);
  chain.sessionStates.push(given.session === 'bad' ? SESSION_BAD : SESSION_GOOD);
  chain.sessionEnrolments.push(0);
  chain.sessionKeys.push(keyOf('session').publicKey);
  const rows = new SeqRows();
  chain.subjects.set(1, rows);
  const anchor = (name: string, seq: number): void => {
    const row = chain.readings;
    chain.hashes.push(hashOf(name));
    chain.indexes.push(row);
    chain.readingSessions.push(given.session === 'none' ? -1 : 0);
    const isBad = given.badSeal === true && row === 0;
    chain.seals.push(isBad ? SEAL_BAD : given.malformedSeal === true ? SEAL_MALFORMED : SEAL_UNCHECKED);
    rows.add(seq, row);
  };
  for (const name of given.chain ?? []) anchor(name, 5);
  chain.hasUnmirroredEpoch = given.unmirrored ?? false;
  for (const flaw of given.breaks ?? []) chain.breaks.push({ subject: 1, seq: 5, flaw });
  const besides = given.last !== undefined;
  if (besides) anchor('besides', given.last!);

  const testimony: Testimony = {
    isDelivered: () => given.delivered ?? false,
    isAcknowledged: (_subject, seq) => seq === 5 && (given.acknowledged ?? false),
    gapAt: () => given.gap,
    wasDelivered: (_subject, _seq, hash) =>
      given.proven !== undefined && equalBytes(hash, hashOf(given.proven)),
    isKnownKey: () => given.unknownKey !== true,
  };
  const meters = given.stranger === true ? [] : [{ subject: 1, meter: 'EM-1' }];
  const matching = new Matching({ held, chain, isKnownKey: testimony.isKnownKey });
  for (const meter of meters) matching.walk(meter);
  const times = { now: 10_000, anchoringDelay: 1_000 };
  const found = judge({ held, chain, meters, matching, testimony, breaks: [], ...times });
  const reasons = found
    .list()
    .filter(({ seq }) => !besides || seq !== given.last)
    .map(({ reason }) => reason);
  return [...Array.from({ length: found.counts.verified }, () => 'verified'), ...reasons].sort();
}

const CASES: Record<string, Case> = {
  'held and anchored': { held: ['a'], chain: ['a'], says: ['verified'] },
  'held twice, one anchored': { held: ['a', 'b'], chain: ['b'], says: ['hash-differs', 'verified'] },
  'changed at the collector': { held: ['b'], chain: ['a'], proven: 'a', says: ['hash-differs'] },
  'changed, and nothing proves what was delivered': { held: ['b'], chain: ['a'], says: ['hash-differs'] },
  'delivered one thing, anchored another': { held: ['b'], chain: ['a'], proven: 'b', says: ['equivocation'] },
  'delivered b, anchored a, and c stands there too': {
    held: ['b', 'c'],
    chain: ['a'],
    proven: 'b',
    says: ['equivocation', 'hash-differs'],
  },
  'refused, and filled by a void record': {
    held: ['a', 'v>a'],
    chain: ['v'],
    proven: 'a',
    says: ['refused-by-platform', 'verified'],
  },
  'a void record that replaces something else excuses nothing': {
    held: ['a', 'v>b'],
    chain: ['v'],
    proven: 'a',
    says: ['equivocation', 'verified'],
  },
  'a changed reading is not excused by a void record': {
    held: ['b', 'v>a'],
    chain: ['v'],
    proven: 'a',
    says: ['hash-differs', 'verified'],
  },
  'lost by the field, and filled by a void record': {
    held: ['a', 'v>?'],
    chain: ['v'],
    proven: 'a',
    says: ['lost-by-field', 'verified'],
  },
  'an invented reading is not lost by the field': {
    held: ['b', 'v>?'],
    chain: ['v'],
    says: ['hash-differs', 'verified'],
  },
  'a void record that is not on the chain excuses nothing': {
    held: ['b', 'v>b'],
    chain: ['a'],
    says: ['hash-differs', 'hash-differs'],
  },
  'delivered, not on the chain': { held: ['a'], delivered: true, says: ['not-yet-anchored'] },
  'delivered just within the delay': { held: ['a'], delivered: true, age: 1_000, says: ['not-yet-anchored'] },
  'delivered too long ago': { held: ['a'], delivered: true, age: 1_001, says: ['anchoring-overdue'] },
  'two versions, not on the chain': {
    held: ['a', 'v>a'],
    delivered: true,
    says: ['not-yet-anchored', 'not-yet-anchored'],
  },
  'held without a word of the meter': { held: ['a'], says: ['not-in-chain'] },
  'held of a meter that was never opened': {
    held: ['a', 'b'],
    stranger: true,
    says: ['not-in-chain', 'not-in-chain'],
  },
  'on the chain, acknowledged, not held': {
    chain: ['a'],
    acknowledged: true,
    says: ['missing-at-collector'],
  },
  'acknowledged and in a gap': {
    chain: ['a'],
    acknowledged: true,
    gap: 'lost-by-field',
    says: ['missing-at-collector'],
  },
  'on the chain, in a gap': { chain: ['a'], gap: 'lost-by-field', says: ['lost-by-field'] },
  'dropped by policy': { chain: ['a'], gap: 'dropped-by-policy', says: ['dropped-by-policy'] },
  'on the chain, never seen here': { chain: ['a'], says: ['not-yet-received'] },
  'held in spite of a gap': { held: ['a'], chain: ['a'], gap: 'lost-by-field', says: ['verified'] },
  'below the mirrored epochs': {
    held: ['a'],
    delivered: true,
    epochStart: 6,
    unmirrored: true,
    says: ['before-mirror'],
  },
  'lost with an epoch': { held: ['a'], delivered: true, epochStart: 6, says: ['anchor-lost'] },
  'invented below an epoch': { held: ['a'], epochStart: 6, says: ['not-in-chain'] },
  'passed over by the chain': { held: ['a'], delivered: true, last: 9, says: ['sequence-broken'] },
  'two hashes on the chain, one held': { held: ['a'], chain: ['a', 'b'], says: ['equivocation'] },
  'two hashes on the chain, none held': { chain: ['a', 'b'], says: ['equivocation'] },
  'two hashes on the chain, both held': {
    held: ['a', 'b'],
    chain: ['a', 'b'],
    says: ['equivocation', 'equivocation'],
  },
  'the same hash twice on the chain': {
    held: ['a'],
    chain: ['a', 'a'],
    breaks: ['number-repeated'],
    says: ['sequence-broken', 'verified'],
  },
  'a session that the meter did not sign': {
    held: ['a'],
    chain: ['a'],
    session: 'bad',
    says: ['sequence-broken'],
  },
  'such a session, another reading': {
    held: ['b'],
    chain: ['a'],
    session: 'bad',
    proven: 'b',
    says: ['sequence-broken'],
  },
  'such a session, none held': { chain: ['a'], session: 'bad', says: ['sequence-broken'] },
  'no session': { held: ['a'], chain: ['a'], session: 'none', says: ['sequence-broken'] },
  'another meter’s session': { held: ['a'], chain: ['a'], session: 'foreign', says: ['sequence-broken'] },
  'a seal that the session did not make': {
    held: ['a'],
    chain: ['a'],
    badSeal: true,
    says: ['sequence-broken'],
  },
  'a seal that is no signature, none held': { chain: ['a'], malformedSeal: true, says: ['sequence-broken'] },
  'a bad entry beside a good one': {
    held: ['b'],
    chain: ['a', 'b'],
    badSeal: true,
    says: ['sequence-broken', 'verified'],
  },
  'a key that the meter has not named': {
    held: ['a'],
    chain: ['a'],
    unknownKey: true,
    says: ['not-yet-anchored'],
  },
  'such a key, another reading': {
    held: ['b'],
    chain: ['a'],
    unknownKey: true,
    proven: 'b',
    says: ['not-yet-anchored'],
  },
  'such a key, long ago': {
    held: ['a'],
    chain: ['a'],
    unknownKey: true,
    age: 5_000,
    says: ['anchoring-overdue'],
  },
  'such a key, none held': { chain: ['a'], unknownKey: true, says: ['not-yet-received'] },
  'a break where no reading tells of it': { breaks: ['number-missing'], says: ['sequence-broken'] },
  'a break that a reading tells of already': {
    held: ['a'],
    chain: ['a'],
    badSeal: true,
    breaks: ['session-invalid'],
    says: ['sequence-broken'],
  },
  'a subject that is two meters': {
    held: ['a'],
    chain: ['a'],
    breaks: ['subject-reused'],
    says: ['duplicate-subject', 'verified'],
  },
  'an enrolment that differs from the opening': {
    breaks: ['commitment-differs'],
    says: ['duplicate-subject'],
  },
};

for (const [what, given] of Object.entries(CASES)) {
  t.test(what, async (t) => {
    t.strictSame(run(given), [...given.says].sort());
  });
}
