import { BackOff } from 'meterseal/internal/host/back-off';
import t from 'tap';
import { ManualClock } from '../gate/manual-clock.js';

t.test('pauses double up to the longest, and a success ends them', async (t) => {
  const clock = new ManualClock();
  const backOff = new BackOff(clock, { first: 100, most: 300 });
  t.notOk(backOff.isWaiting);
  t.same(
    Array.from({ length: 4 }, () => backOff.failed()),
    [100, 200, 300, 300],
  );
  t.equal(backOff.failures, 4);
  t.ok(backOff.isWaiting);
  await clock.advance(299);
  t.ok(backOff.isWaiting);
  await clock.advance(1);
  t.notOk(backOff.isWaiting);
  backOff.failed();
  backOff.succeeded();
  t.notOk(backOff.isWaiting);
  t.equal(backOff.failures, 0);
  t.equal(backOff.failed(), 100);
});

t.test('however many failures there are, a pause stays a number', async (t) => {
  const backOff = new BackOff(new ManualClock(), { first: 100, most: 300 });
  for (let i = 0; i < 5_000; i++) backOff.failed();
  t.equal(backOff.failed(), 300);
});
