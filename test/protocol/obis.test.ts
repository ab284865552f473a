import { compareObis, parseObis } from '@meterseal/protocol';
import t from 'tap';

t.test('an OBIS code is its five numbers', async (t) => {
  t.strictSame(parseObis('1-0:1.8.0'), [1, 0, 1, 8, 0]);
  t.strictSame(parseObis('0-0:0.0.0'), [0, 0, 0, 0, 0]);
  t.strictSame(parseObis('255-255:255.255.255'), [255, 255, 255, 255, 255]);
  t.strictSame(parseObis('1-0:32.7.124'), [1, 0, 32, 7, 124]);
});

t.test('a code has one spelling, and nothing else is one', async (t) => {
  for (const text of [
    '',
    '1-0:1.8',
    '1-0:1.8.',
    '1-0:1.8.0.',
    '1-0:1.8.0*255',
    '1-0:1.8.0.0',
    '1.0:1.8.0',
    '1-0.1.8.0',
    '1-0:1-8.0',
    '-0:1.8.0',
    '1-:1.8.0',
    '01-0:1.8.0',
    '1-00:1.8.0',
    '1-0:1.08.0',
    '256-0:1.8.0',
    '1-0:1.8.256',
    '1-0:1.8.1000',
    `1-0:1.8.${'9'.repeat(400)}`,
    '1-0:1.8.-0',
    '1-0:1.8.+0',
    '1-0:1.8.1e1',
    '1-0:1.7.F',
    ' 1-0:1.8.0',
    '1-0:1.8.0 ',
    '1-0:1.8.0\n',
    '１-0:1.8.0',
    '1-0:1.8.0\u0000',
    null,
    undefined,
    180,
    ['1-0:1.8.0'],
  ]) {
    t.equal(parseObis(text), undefined, JSON.stringify(text)?.slice(0, 40) ?? 'undefined');
  }
});

t.test('codes are ordered by their numbers, not by their text', async (t) => {
  const sorted = [
    '0-0:96.1.0',
    '1-0:1.8.0',
    '1-0:2.8.0',
    '1-0:13.7.0',
    '1-0:13.7.1',
    '1-1:1.8.0',
    '2-0:1.8.0',
  ];
  const codes = sorted.map((text) => parseObis(text)!);
  for (const [i, a] of codes.entries()) {
    for (const [j, b] of codes.entries()) t.equal(Math.sign(compareObis(a, b)), Math.sign(i - j));
  }
});
