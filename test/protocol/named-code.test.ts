import { ByteReader } from '@meterseal/protocol';
import { nameOf } from '@meterseal/protocol/internal/named-code';
import t from 'tap';

const NAMES = { off: 0, on: 1, broken: 7 } as const;
const reader = () => new ByteReader(new Uint8Array(0), 'bad-message');

t.test('a listed number gets its name', async (t) => {
  t.equal(nameOf(NAMES, 0, reader()), 'off');
  t.equal(nameOf(NAMES, 7, reader()), 'broken');
});

t.test('a number that is not listed is refused with the reader’s code', async (t) => {
  for (const code of [2, 6, 8, 255, -1, 0.5, Number.NaN]) {
    t.throws(() => nameOf(NAMES, code, reader()), { code: 'bad-message' }, String(code));
  }
});
