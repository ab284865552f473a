import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import {
  decodeSigned,
  decodeSignedList,
  fromHex,
  isSignedBy,
  readAcknowledgement,
  readGap,
} from '@meterseal/protocol';
import t from 'tap';
import { vectors } from '../message-vectors.js';

const REFUSED = { code: 'bad-message' };
const gap = fromHex(vectors.messages.gap.message + vectors.messages.gap.signature);
const acknowledgement = fromHex(
  vectors.messages.acknowledgement.message + vectors.messages.acknowledgement.signature,
);
const join = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));

t.test('a list of signed messages comes back message by message', async (t) => {
  const list = decodeSignedList(join(gap, gap, gap), readGap, 3);
  t.equal(list.length, 3);
  for (const signed of list) {
    t.strictSame(join(signed.message, signed.signature), gap);
    t.ok(isSignedBy(crypto, fromHex(vectors.messages.gap.signerKey), signed));
  }
  t.strictSame(decodeSignedList(new Uint8Array(0), readGap, 3), []);
});

t.test('a list that is too long, cut or mixed is refused', async (t) => {
  t.throws(() => decodeSignedList(join(gap, gap), readGap, 1), REFUSED);
  t.throws(() => decodeSignedList(join(gap, gap.subarray(0, -1)), readGap, 3), REFUSED);
  t.throws(() => decodeSignedList(join(gap, Uint8Array.of(0)), readGap, 3), REFUSED);
  t.throws(() => decodeSignedList(join(gap, acknowledgement), readGap, 3), REFUSED);
});

t.test('a changed bit of message or signature ends the signature', async (t) => {
  const key = fromHex(vectors.messages.acknowledgement.signerKey);
  const { value, message, signature } = decodeSigned(acknowledgement, readAcknowledgement);
  t.ok(isSignedBy(crypto, key, { value, message, signature }));
  for (const at of [0, message.length - 1]) {
    const changed = message.slice();
    changed[at]! ^= 1;
    t.notOk(isSignedBy(crypto, key, { value, message: changed, signature }));
  }
  for (const at of [0, 31, 32, 63]) {
    const changed = signature.slice();
    changed[at]! ^= 1;
    t.notOk(isSignedBy(crypto, key, { value, message, signature: changed }));
  }
});

t.test('what was signed does not change with the buffer that it came in', async (t) => {
  const buffer = Buffer.from(acknowledgement);
  const signed = decodeSigned(buffer, readAcknowledgement);
  buffer.fill(0);
  t.ok(isSignedBy(crypto, fromHex(vectors.messages.acknowledgement.signerKey), signed));
});
