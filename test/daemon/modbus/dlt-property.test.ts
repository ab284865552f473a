import type { LineInput, LineTiming } from 'meterseal/internal/modbus/framing';
import { Framing } from 'meterseal/internal/modbus/framing';
import { LateReplies } from 'meterseal/internal/modbus/late-replies';
import { dataRead, dltAddressOf } from 'meterseal/internal/modbus/register-read';
import { SerialWire } from 'meterseal/internal/modbus/serial-wire';
import t from 'tap';
import { SeededRandom } from '../../protocol/seeded-random.js';
import { FaultyDltLine } from './faulty-dlt-line.js';

const TIMING: LineTiming = { responseMs: 120, byteMs: 1, gapMs: 4, silenceMs: 50, drainMs: 50 };
const TRANSACTIONS = 2_000;
const ITEMS = ['00010000', '00020000', '05060101', '05060201'].map((identifier) => ({
  identifier,
  bytes: 4,
}));

/** Reads of two meters, one with four values and one with a single one, in virtual time. */
function run(
  seed: number,
  faultShare: number,
  late: LateReplies,
): { accepted: number; wrong: number; unsettled: number } {
  const random = new SeededRandom(seed);
  const line = new FaultyDltLine(random, faultShare);
  const framing = new Framing(new SerialWire(), TIMING, late);
  const outcome = { accepted: 0, wrong: 0, unsettled: 0 };
  let now = 0;
  let settled = 0;
  const step = (input: LineInput): void => {
    for (const action of framing.step(input, now)) {
      if (action.kind === 'send') line.request(action.bytes, now);
      if (action.kind === 'accept') {
        outcome.accepted += 1;
        const words = Array.from(action.words, (word) => word.toString(16).padStart(4, '0')).join('');
        const { unit, data } = action.read;
        const due = data!.identifier + FaultyDltLine.value(dltAddressOf(unit), line.requests);
        if (words !== due) outcome.wrong += 1;
      }
      if (action.kind === 'accept' || action.kind === 'reject') settled += 1;
    }
  };
  const pass = (until: number, wanted: number): void => {
    while (settled < wanted) {
      now = Math.max(now, Math.min(line.nextAt ?? until, framing.wakeAt ?? until, until));
      for (const bytes of line.take(now)) step({ kind: 'bytes', bytes });
      if (framing.wakeAt !== undefined && framing.wakeAt <= now) step({ kind: 'clock' });
      if (now >= until) return;
    }
  };
  step({ kind: 'opened' });
  for (let n = 1; n <= TRANSACTIONS; n++) {
    const unit = 1 + random.below(2);
    const data = ITEMS[unit === 1 ? random.below(4) : 0]!;
    const deadline = now + 200 + random.below(1_500);
    step({ kind: 'read', read: { unit, ...dataRead(data) }, deadline });
    pass(deadline + 1, n);
    if (settled !== n) outcome.unsettled += 1;
    settled = n;
    if (random.below(4) === 0) pass(now + random.below(random.below(10) === 0 ? 5_000 : 60), n + 1);
  }
  return outcome;
}

t.test(
  'whatever DL/T 645 meters do, as long as they answer in order, no wrong value comes out',
  async (t) => {
    for (const seed of [1, 2, 3]) {
      for (const [share, least] of [
        [3, 1_500],
        [20, 450],
        [60, 50],
      ] as const) {
        const { accepted, wrong, unsettled } = run(seed, share, new LateReplies());
        t.equal(wrong, 0, `seed ${seed}, ${share} % faults: no wrong value`);
        t.equal(unsettled, 0, `seed ${seed}, ${share} % faults: each read settled once, by its deadline`);
        t.ok(accepted >= least, `seed ${seed}, ${share} % faults: ${accepted} of ${TRANSACTIONS} read`);
      }
    }
  },
);

t.test('on a line without faults every value is read', async (t) => {
  t.match(run(6, 0, new LateReplies()), { accepted: TRANSACTIONS, wrong: 0, unsettled: 0 });
});

t.test('without the care for late replies old values do come out', async (t) => {
  class Careless extends LateReplies {
    override before(): 'nothing' {
      return 'nothing';
    }
  }
  const { wrong } = run(1, 30, new Careless());
  t.ok(wrong > 5, `${wrong} old values`);
});
