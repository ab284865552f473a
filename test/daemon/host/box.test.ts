import { readFileSync } from 'node:fs';
import { fromHex, openOffer, sealOffer } from '@meterseal/protocol';
import { createBox } from 'meterseal/internal/host/box';
import t from 'tap';

const vectors = JSON.parse(
  readFileSync(new URL('../../../vectors/messages-v0.json', import.meta.url), 'utf8'),
) as { offer: Record<string, string> };
const offer = (name: string) => fromHex(vectors.offer[name]!);

t.test('an offer has the bytes of the vector, and opens to the seed', async (t) => {
  const random = (length: number) => (length === 32 ? offer('ephemeralSecret') : offer('boxNonce'));
  const box = createBox(random);
  t.same(sealOffer(box, random, offer('seed'), offer('sealTo')), offer('offer'));
  t.same(new Uint8Array(openOffer(box, offer('offer'), offer('sealToSecret'))), offer('seed'));
  t.throws(() => openOffer(box, offer('offer'), offer('seed')), { code: 'bad-message' });
});
