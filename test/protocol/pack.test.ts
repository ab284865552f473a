import { pack, unpack, utf8 } from '@meterseal/protocol';
import t from 'tap';

t.test('what is packed comes out again, empty slices too', async (t) => {
  for (const texts of [[], [''], ['a'], ['', 'meter', '', 'seal', '']]) {
    const slices = texts.map(utf8);
    const { packed, bounds } = pack(slices);
    t.equal(packed.length, texts.join('').length);
    t.strictSame(unpack({ packed, bounds }), slices);
  }
});

t.test('packed slices are copies', async (t) => {
  const slice = utf8('meter');
  const { packed } = pack([slice]);
  slice.fill(0);
  t.strictSame(packed, utf8('meter'));
});
