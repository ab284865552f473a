import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import {
  authenticationMessage,
  enrolmentMessage,
  fromHex,
  sessionMessage,
  signMessage,
  toHex,
} from '@meterseal/protocol';
import t from 'tap';
import { firstMeter, namedEntry, vectorSigner, vectors } from '../message-vectors.js';

const { enrolment, authentication, session } = vectors.messages;
const tail = (hex: string, bytes: number) => fromHex(hex.slice(-2 * bytes));

t.test(
  'what the identity key signs to confirm, to authenticate and for a session is as in the vectors',
  async (t) => {
    const meter = firstMeter;
    const identityKey = fromHex(vectors.meters[0]!.identityKey);
    const nonce = tail(enrolment.message, 64).subarray(0, 32);
    const authenticationBytes = authenticationMessage({
      origin: vectors.origin,
      meter,
      challenge: tail(authentication.message, 32),
    });
    for (const [vector, message] of [
      [enrolment, enrolmentMessage({ platformId: vectors.platformId, meter, nonce, identityKey })],
      [authentication, authenticationBytes],
      [
        session,
        sessionMessage({
          origin: vectors.origin,
          meter,
          authenticationHash: crypto.sha256(authenticationBytes),
          sessionKey: fromHex(vectors.reading.sessionKey),
        }),
      ],
    ] as const) {
      t.equal(toHex(message), vector.message);
      const signer = vectorSigner(vector.signerSeed);
      t.equal(toHex(signer.publicKey), vector.signerKey);
      t.equal(toHex(signMessage(signer, message)), vector.message + vector.signature);
      t.ok(crypto.verify(fromHex(vector.signerKey), message, fromHex(vector.signature)));
    }
  },
);

t.test('the entry of an authentication holds the hash of its message without the signature', async (t) => {
  const hash = crypto.sha256(fromHex(authentication.message));
  t.strictSame(namedEntry('authentication 1').slice(-32), hash);
  t.strictSame(fromHex(session.message).slice(-64, -32), hash);
});

t.test('a message that names no meter, or has a field of another length, is not made', async (t) => {
  const bytes = (length: number) => new Uint8Array(length);
  const origin = vectors.origin;
  for (const make of [
    () => authenticationMessage({ origin: '', meter: firstMeter, challenge: bytes(32) }),
    () => authenticationMessage({ origin: 'x'.repeat(256), meter: firstMeter, challenge: bytes(32) }),
    () => authenticationMessage({ origin, meter: firstMeter, challenge: bytes(31) }),
    () => authenticationMessage({ origin, meter: { ...firstMeter, subject: 0 }, challenge: bytes(32) }),
    () => authenticationMessage({ origin, meter: { ...firstMeter, subject: 2 ** 32 }, challenge: bytes(32) }),
    () =>
      authenticationMessage({
        origin,
        meter: { ...firstMeter, commitment: bytes(33) },
        challenge: bytes(32),
      }),
    () =>
      enrolmentMessage({ platformId: origin, meter: firstMeter, nonce: bytes(16), identityKey: bytes(32) }),
    () =>
      enrolmentMessage({ platformId: origin, meter: firstMeter, nonce: bytes(32), identityKey: bytes(64) }),
    () => sessionMessage({ origin, meter: firstMeter, authenticationHash: bytes(0), sessionKey: bytes(32) }),
    () => sessionMessage({ origin, meter: firstMeter, authenticationHash: bytes(32), sessionKey: bytes(33) }),
  ]) {
    t.throws(make, { code: 'bad-argument' });
  }
});
