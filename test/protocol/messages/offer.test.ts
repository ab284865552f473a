import { type Box, fromHex, OFFER_BYTES, openOffer, sealOffer, toHex } from '@meterseal/protocol';
import t from 'tap';
import nacl from 'tweetnacl';
import { vectors } from '../message-vectors.js';

const offer = (name: keyof typeof vectors.offer) => fromHex(vectors.offer[name]);
const box = (secret: Uint8Array): Box => ({
  keyPair: () => nacl.box.keyPair.fromSecretKey(secret),
  seal: nacl.box,
  open: nacl.box.open,
});

t.test('an offer has the bytes of the vectors and opens to the seed', async (t) => {
  const bytes = sealOffer(
    box(offer('ephemeralSecret')),
    () => offer('boxNonce'),
    offer('seed'),
    offer('sealTo'),
  );
  t.equal(toHex(bytes), vectors.offer.offer);
  t.equal(bytes.length, OFFER_BYTES);
  t.equal(toHex(openOffer(box(offer('seed')), bytes, offer('sealToSecret'))), vectors.offer.seed);
  t.equal(vectors.offer.seed, vectors.meters[0]!.identitySeed);
});

t.test('the ephemeral secret is overwritten after its one use', async (t) => {
  const pair = nacl.box.keyPair.fromSecretKey(offer('ephemeralSecret'));
  const watched: Box = { ...box(offer('seed')), keyPair: () => pair };
  sealOffer(watched, () => offer('boxNonce'), offer('seed'), offer('sealTo'));
  t.strictSame(pair.secretKey, new Uint8Array(32));
});

t.test('an offer that is changed, cut, longer or for another key does not open', async (t) => {
  const opener = box(offer('seed'));
  const secret = offer('sealToSecret');
  for (let at = 0; at < OFFER_BYTES; at++) {
    const changed = offer('offer');
    // The highest bit of an X25519 key is ignored by definition (RFC 7748, section 5).
    changed[at]! ^= at === 31 ? 0x01 : 0x80;
    t.throws(() => openOffer(opener, changed, secret), { code: 'bad-message' }, `byte ${at}`);
  }
  for (let length = 0; length < OFFER_BYTES; length++) {
    t.throws(() => openOffer(opener, offer('offer').subarray(0, length), secret), { code: 'bad-message' });
  }
  t.throws(() => openOffer(opener, Uint8Array.of(...offer('offer'), 0), secret), { code: 'bad-message' });
  t.throws(() => openOffer(opener, offer('offer'), offer('seed')), { code: 'bad-message' });
});
