import { types } from 'node:util';
import type { SealBatch } from '@meterseal/protocol';
import { MetersealError } from '@meterseal/protocol';

/**
 * Whether `value` is bytes that nobody else can change or take away during a call: a Uint8Array (or Buffer)
 * whose memory is neither shared with another thread nor detached. A detached one would pass for empty bytes.
 */
export function isStableBytes(value: unknown): value is Uint8Array {
  return types.isUint8Array(value) && isStable(value);
}

/** @throws MetersealError `bad-argument`, `too-large` */
export function requireBytes(
  value: unknown,
  verb: string,
  noun: string,
  most = Number.POSITIVE_INFINITY,
): Uint8Array {
  if (!isStableBytes(value)) throw notBytes(verb, noun, 'Uint8Array');
  if (value.length > most) {
    throw new MetersealError(
      'too-large',
      `couldn't ${verb} ${noun}: ${value.length} bytes, at most ${most} allowed`,
    );
  }
  return value;
}

/** @throws MetersealError `bad-argument` */
export function requireOffsets(value: unknown, noun: string): Uint32Array {
  if (!types.isUint32Array(value) || !isStable(value)) throw notBytes('hash', noun, 'Uint32Array');
  return value;
}

/** @throws MetersealError `bad-argument` unless it is a byte or nothing */
export function requirePrefix(value: unknown): void {
  if (value === undefined) return;
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 255) return;
  throw new MetersealError('bad-argument', "couldn't hash slices: a prefix that is not a byte");
}

/**
 * What is wrong with a batch besides what its keys and seals say.
 *
 * @throws MetersealError `bad-argument`
 */
export function requireSealBatch(seals: SealBatch): void {
  if (typeof seals !== 'object' || seals === null) {
    throw new MetersealError('bad-argument', "couldn't open seals: no batch of them");
  }
  const { keys, keyOf, packed, bounds } = seals;
  requireBytes(keys, 'open', 'seals');
  requireOffsets(keyOf, 'seals');
  requireBytes(packed, 'open', 'seals');
  requireOffsets(bounds, 'seals');
}

function isStable(view: Uint8Array | Uint32Array): boolean {
  if (types.isSharedArrayBuffer(view.buffer)) return false;
  if (view.length > 0) return true;
  try {
    new Uint8Array(view.buffer, 0, 0);
    return true;
  } catch {
    return false;
  }
}

function notBytes(verb: string, noun: string, type: string): MetersealError {
  return new MetersealError(
    'bad-argument',
    `couldn't ${verb} ${noun}: not a ${type} with memory of its own (detached, shared, or another type)`,
  );
}
