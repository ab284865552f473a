import type { LineInput, LineTiming } from 'meterseal/internal/modbus/framing';
import { Framing } from 'meterseal/internal/modbus/framing';
import { LateReplies } from 'meterseal/internal/modbus/late-replies';
import type { RegisterRead } from 'meterseal/internal/modbus/register-read';
import { RtuWire } from 'meterseal/internal/modbus/rtu-wire';
import t from 'tap';
import { SeededRandom } from '../../protocol/seeded-random.js';
import { FaultyLine } from './faulty-line.js';

const TIMING: LineTiming = { responseMs: 120, byteMs: 1, gapMs: 4, silenceMs: 50, drainMs: 50 };
const TRANSACTIONS = 4_000;

interface Outcome {
  accepted: number;
  acceptedAfterFaults: number;
  wrong: number;
  /** Reads that were settled late, twice, or never. */
  unsettled: number;
  longest: number;
}

/** Reads of three units: one with lengths that differ, one with a single read, one with two of one length. */
const PLANS: readonly (readonly Omit<RegisterRead, 'unit'>[])[] = [
  [
    { fc: 4, at: 0, count: 18 },
    { fc: 4, at: 52, count: 2 },
    { fc: 4, at: 70, count: 4 },
  ],
  [{ fc: 3, at: 10, count: 6 }],
  [
    { fc: 4, at: 0, count: 10 },
    { fc: 4, at: 30, count: 10 },
  ],
];

/** Runs transactions in virtual time on a line that goes wrong. */
function run(seed: number, faultShare: number, late: LateReplies, faultsUntil = TRANSACTIONS): Outcome {
  const random = new SeededRandom(seed);
  const line = new FaultyLine(random, faultShare);
  const framing = new Framing(new RtuWire(), TIMING, late);
  const outcome: Outcome = { accepted: 0, acceptedAfterFaults: 0, wrong: 0, unsettled: 0, longest: 0 };
  let now = 0;
  let settled = 0;

  const step = (input: LineInput): void => {
    for (const action of framing.step(input, now)) {
      if (action.kind === 'send') line.request(action.bytes, now);
      if (action.kind === 'accept') {
        outcome.accepted += 1;
        if (line.faultShare === 0) outcome.acceptedAfterFaults += 1;
        const due = FaultyLine.words(action.read, line.requests);
        if (due.some((word, i) => word !== action.words[i])) outcome.wrong += 1;
      }
      if (action.kind === 'accept' || action.kind === 'reject') settled += 1;
    }
  };
  /** Lets time pass up to `until`, or until the read is settled. */
  const pass = (until: number, wanted: number): void => {
    while (settled < wanted) {
      const next = Math.min(line.nextAt ?? until, framing.wakeAt ?? until, until);
      now = Math.max(now, next);
      for (const bytes of line.take(now)) step({ kind: 'bytes', bytes });
      if (framing.wakeAt !== undefined && framing.wakeAt <= now) step({ kind: 'clock' });
      if (now >= until) return;
    }
  };

  step({ kind: 'opened' });
  for (let n = 1; n <= TRANSACTIONS; n++) {
    if (n === faultsUntil) line.faultShare = 0;
    const unit = 1 + random.below(3);
    const plan = PLANS[unit - 1]!;
    const started = now;
    const deadline = now + 200 + random.below(1_500);
    step({ kind: 'read', read: { unit, ...plan[random.below(plan.length)]! }, deadline });
    pass(deadline + 1, n);
    if (settled !== n) outcome.unsettled += 1;
    settled = n;
    outcome.longest = Math.max(outcome.longest, now - started);
    // Now and then the line is idle, for long or for a moment.
    if (random.below(4) === 0) pass(now + random.below(random.below(10) === 0 ? 5_000 : 60), n + 1);
  }
  return outcome;
}

t.test('whatever meters do, as long as they answer in order, no wrong value comes out', async (t) => {
  for (const seed of [1, 2, 3, 4, 5]) {
    for (const [share, least] of [
      [3, 3_200],
      [20, 2_000],
      [60, 400],
    ] as const) {
      const { accepted, wrong, unsettled } = run(seed, share, new LateReplies());
      t.equal(wrong, 0, `seed ${seed}, ${share} % faults: no wrong value`);
      t.equal(unsettled, 0, `seed ${seed}, ${share} % faults: each read settled once, by its deadline`);
      // Not so strict that nothing gets through.
      t.ok(accepted >= least, `seed ${seed}, ${share} % faults: ${accepted} of ${TRANSACTIONS} read`);
    }
  }
});

t.test('once the faults are over, every meter is read again', async (t) => {
  for (const seed of [1, 2, 3]) {
    const { acceptedAfterFaults, wrong } = run(seed, 60, new LateReplies(), TRANSACTIONS - 1_000);
    t.equal(wrong, 0);
    t.ok(acceptedAfterFaults > 950, `seed ${seed}: ${acceptedAfterFaults} of 1000 read`);
  }
});

t.test('on a line without faults every read succeeds', async (t) => {
  t.match(run(6, 0, new LateReplies()), { accepted: TRANSACTIONS, wrong: 0, unsettled: 0 });
});

t.test('without the care for late replies wrong values do come out', async (t) => {
  /** Sends every read at once, as if answers could be told apart. */
  class Careless extends LateReplies {
    override before(): 'nothing' {
      return 'nothing';
    }
  }
  const { wrong } = run(1, 30, new Careless());
  t.ok(wrong > 20, `${wrong} wrong values`);
});
