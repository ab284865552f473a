import { systemClock } from 'meterseal/internal/host/clock';
import t from 'tap';

t.test('a sleep ends after its time, or at once when it is called off', async (t) => {
  const started = systemClock.monotonic();
  await systemClock.sleep(5);
  t.ok(systemClock.monotonic() - started >= 4.5);
  const control = new AbortController();
  const sleep = systemClock.sleep(60_000, control.signal);
  control.abort();
  await sleep;
  await systemClock.sleep(60_000, control.signal);
  t.ok(systemClock.monotonic() - started < 5_000);
});

t.test('wall time is that of the system', async (t) => {
  t.ok(Math.abs(systemClock.now() - Date.now()) < 1_000);
});
