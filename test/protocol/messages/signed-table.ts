import { type ByteReader, decodeSigned } from '@meterseal/protocol';
import type { Test } from 'tap';
import { forge, SMALL_ORDER_ENCODINGS, TORSION } from '../../native/forge.js';

const WITH_TORSION = forge(5n, 7n, new Uint8Array(0), { keyTorsion: TORSION[3]! }).publicKey;

/**
 * What every signed message must refuse, whatever it says: other preambles, broken `str`, cut and trailing bytes.
 *
 * @param wire message ‖ signature[64]
 * @param keyAt where its collector key stands
 */
export function refusesBrokenWire(
  t: Test,
  wire: Uint8Array,
  read: (from: ByteReader) => unknown,
  keyAt: number,
): void {
  const REFUSED = { code: 'bad-message' };
  const preamble = wire.indexOf(0x0a) + 1;
  for (let length = 0; length < wire.length; length++) {
    t.throws(() => decodeSigned(wire.subarray(0, length), read), REFUSED, `cut to ${length} bytes`);
  }
  t.throws(() => decodeSigned(Uint8Array.of(...wire, 0), read), REFUSED, 'a byte too many');
  for (let at = 0; at < preamble; at++) {
    t.throws(() => decodeSigned(changed(wire, at, wire[at]! ^ 0x20), read), REFUSED, `preamble at ${at}`);
  }
  t.throws(() => decodeSigned(changed(wire, preamble, 1), read), REFUSED, 'a str that is too long');
  t.throws(() => decodeSigned(changed(wire, preamble + 1, 0), read), REFUSED, 'an empty str');
  t.throws(() => decodeSigned(changed(wire, preamble + 2, 0xff), read), REFUSED, 'a str that is not UTF-8');
  for (const key of [...SMALL_ORDER_ENCODINGS, WITH_TORSION, new Uint8Array(32).fill(255)]) {
    t.throws(() => decodeSigned(changed(wire, keyAt, ...key), read), REFUSED, 'a key not of prime order');
  }
}

export function changed(bytes: Uint8Array, at: number, ...by: number[]): Uint8Array {
  const out = bytes.slice();
  out.set(by, at);
  return out;
}
