import type { Entry } from '@meterseal/protocol';
import { emptyRoot } from '@meterseal/protocol';
import { LedgerState } from 'meterseal/internal/chain/ledger-state';
import t from 'tap';
import { engine } from './test-box.js';

const hash = (n: number) => new Uint8Array(32).fill(n);
const key = (n: number) => engine.keyFromSeed(hash(n)).publicKey;
const signature = new Uint8Array(64);
const head = { time: 1, subject: 0, seq: 1 };
const meter = { time: 1, subject: 1, seq: 0 };

const epoch: Entry = {
  ...head,
  type: 'epoch',
  previousOrigin: '',
  previousCheckpoint: hash(0),
  highestKnown: hash(0),
  reason: 'first',
  logKey: key(9),
};
const enrolment: Entry = {
  ...meter,
  type: 'enrolment',
  meterCommitment: hash(1),
  identityKey: key(1),
  holderCommitment: hash(2),
  keyOrigin: 'issued',
  firstSeq: 5,
};
const accepted: Entry = {
  ...meter,
  type: 'authentication',
  result: 'accepted',
  reason: 'none',
  messageHash: hash(3),
};
const session: Entry = {
  ...meter,
  seq: 1,
  type: 'session',
  authentication: 2,
  sessionKey: key(2),
  expires: 9,
  signature,
};
const reading: Entry = {
  ...meter,
  seq: 5,
  type: 'reading',
  session: 1,
  hash: hash(5),
  sealSignature: signature,
};
const event: Entry = { ...head, type: 'event', event: { kind: 'boot' } };
const acknowledgement: Entry = {
  ...meter,
  seq: 7,
  type: 'acknowledgement',
  collectorKey: key(3),
  first: 5,
  acknowledged: 1,
  runningHash: hash(6),
  signature,
};
const connecting: Entry = {
  ...head,
  type: 'switch',
  from: 'isolated',
  to: 'connecting',
  driver: 'process',
  grade: 0,
  lease: new Uint8Array(16),
  who: key(3),
  counter: 4,
  purpose: 'comparison',
  fault: 'none',
  at: 1,
  max: 1,
  readBacks: [],
};
const isolated: Entry = { ...connecting, seq: 2, from: 'connecting', to: 'isolated', fault: 'crash' };
const close: Entry = {
  ...head,
  type: 'block-close',
  previousRoot: emptyRoot(engine),
  firstIndex: 0,
  count: 5,
  bootId: new Uint8Array(16),
  clock: 'synchronised',
  witnessed: false,
};

function after(entries: readonly Entry[]): LedgerState {
  const state = new LedgerState(emptyRoot(engine));
  for (const entry of entries) state.apply(entry, state.size);
  return state;
}

t.test('a whole story adds up', (t) => {
  const state = after([epoch, enrolment, accepted, session, reading, close]);
  state.endBlock(hash(8));
  t.match(state, { size: 6, height: 1, epoch: 1, lastSession: 1, open: 0 });
  t.match(state.subjects.get(1), { session: 1, last: { seq: 5, hash: hash(5), index: 4 }, revoked: false });
  t.equal(state.ownerOf(key(1)), 1);
  t.end();
});

t.test('an entry that breaks a rule is refused, and changes nothing', (t) => {
  const revocation: Entry = { ...head, subject: 1, type: 'event', event: { kind: 'revocation', subject: 1 } };
  const cases: [string, Entry[], Entry][] = [
    ['a chain without its epoch', [], event],
    ['a second epoch', [epoch], epoch],
    ['a meter without enrolment', [epoch], accepted],
    ['another commitment', [epoch, enrolment], { ...enrolment, meterCommitment: hash(7) }],
    ['a first number that is not due', [epoch, enrolment], { ...enrolment, firstSeq: 6 }],
    ['the identity key of another', [epoch, enrolment], { ...enrolment, subject: 2 }],
    ['a session of no authentication', [epoch, enrolment], session],
    ['a session of another authentication', [epoch, enrolment, accepted, accepted], session],
    ['a second session', [epoch, enrolment, accepted, session], { ...session, seq: 2 }],
    ['a session number that is left out', [epoch, enrolment, accepted], { ...session, seq: 2 }],
    ['a reading without a session', [epoch, enrolment], reading],
    ['a reading of another session', [epoch, enrolment, accepted, session], { ...reading, session: 2 }],
    ['a reading below the first number', [epoch, enrolment, accepted, session], { ...reading, seq: 4 }],
    ['a reading with a gap', [epoch, enrolment, accepted, session], { ...reading, seq: 6 }],
    ['a reading twice', [epoch, enrolment, accepted, session, reading], reading],
    ['a reading after the revocation', [epoch, enrolment, accepted, session, revocation], reading],
    ['an acceptance after the revocation', [epoch, enrolment, revocation], accepted],
    ['an event number that is left out', [epoch, event], { ...event, seq: 3 }],
    ['an event of a stranger', [epoch], { ...event, subject: 4 }],
    ['an acknowledgement of a stranger', [epoch], acknowledgement],
    ['a height that falls', [epoch, enrolment, acknowledgement], { ...acknowledgement, seq: 6 }],
    ['a transition that is left out', [epoch], { ...connecting, seq: 2 }],
    ['a transition from elsewhere', [epoch], { ...connecting, from: 'fault', to: 'isolating' }],
    ['a lease counter that does not rise', [epoch, connecting, isolated], { ...connecting, seq: 3 }],
    ['another height', [epoch, event], { ...close, seq: 2, count: 2 }],
    ['another extent', [epoch, event], { ...close, count: 3 }],
    ['another first index', [epoch, event], { ...close, count: 2, firstIndex: 1 }],
    ['another previous root', [epoch, event], { ...close, count: 2, previousRoot: hash(1) }],
  ];
  for (const [name, before, entry] of cases) {
    const state = after(before);
    const { size } = state;
    t.throws(() => state.apply(entry, size), { code: 'chain-damaged' }, name);
    t.equal(state.size, size);
    t.throws(() => state.apply(epoch, size + 1), { code: 'chain-damaged' }, 'an index is left out');
  }
  t.end();
});

t.test('an enrolment anew keeps commitment and numbers, and ends session and revocation', (t) => {
  const revocation: Entry = { ...head, subject: 1, type: 'event', event: { kind: 'revocation', subject: 1 } };
  const anew: Entry = { ...enrolment, identityKey: key(4), firstSeq: 6 };
  const state = after([epoch, enrolment, accepted, session, reading, revocation, anew]);
  t.match(state.subjects.get(1), {
    revoked: false,
    session: 0,
    firstSeq: 6,
    last: { seq: 5 },
    authentication: null,
  });
  t.throws(() => state.apply({ ...reading, seq: 6 }, 7), { code: 'chain-damaged' });
  t.end();
});
