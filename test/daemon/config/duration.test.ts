import { parseDuration } from 'meterseal/internal/config/duration';
import t from 'tap';

t.test('a duration is a whole number and its unit', (t) => {
  const good: [string, number][] = [
    ['1ms', 1],
    ['250ms', 250],
    ['15s', 15_000],
    ['5m', 300_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['999999999d', 999_999_999 * 86_400_000],
  ];
  for (const [text, ms] of good) t.equal(parseDuration(text), ms, text);
  t.end();
});

t.test('anything else is refused with an example', (t) => {
  for (const text of [
    '',
    '15',
    's',
    '0s',
    '05s',
    '1.5s',
    '-1s',
    '+1s',
    '15 s',
    '15S',
    '1e3s',
    '15s ',
    '1h30m',
    '9999999999s',
  ]) {
    t.throws(() => parseDuration(text), { code: 'bad-config', hint: /15s/ }, JSON.stringify(text));
  }
  t.end();
});
