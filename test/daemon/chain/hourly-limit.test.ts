import { HourlyLimit } from 'meterseal/internal/chain/hourly-limit';
import t from 'tap';

const HOUR = 3_600_000;

t.test('so many an hour for each name, the rest is counted', (t) => {
  const limit = new HourlyLimit(2);
  t.same([limit.take(1, 0), limit.take(1, 1), limit.take(1, 2), limit.take(2, 3)], [true, true, false, true]);
  t.same(limit.drain(HOUR - 1), [], 'an hour that goes on is not told');
  t.equal(limit.take(1, HOUR + 1), false, 'nor is its count lost when it has ended');
  t.same(limit.drain(HOUR + 2), [{ name: 1, count: 2 }]);
  t.equal(limit.take(1, HOUR + 3), true);
  t.end();
});

t.test('an hour without a count begins anew by itself', (t) => {
  const limit = new HourlyLimit(1);
  t.equal(limit.take('a', 0), true);
  t.equal(limit.take('a', HOUR), true);
  t.same(limit.drain(HOUR, true), []);
  t.end();
});
