import { RateLimit } from 'meterseal/internal/gate/rate-limit';
import t from 'tap';
import { ManualClock } from './manual-clock.js';

t.test('bursts up to the size pass, then the steady rate', async (t) => {
  const clock = new ManualClock();
  const limit = new RateLimit(3, 2, clock);
  const taken = () => {
    let count = 0;
    while (limit.take()) count++;
    return count;
  };
  t.equal(taken(), 3);
  await clock.advance(499);
  t.equal(taken(), 0);
  await clock.advance(1);
  t.equal(taken(), 1, 'half a second is one of two');
  await clock.advance(60_000);
  t.equal(taken(), 3, 'never more than the size');
});
