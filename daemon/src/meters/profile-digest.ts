import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { IdentityRegister, ProfileRegister, RegisterPlace } from './register.js';

/**
 * First 16 hex digits of SHA-256 over the JCS form of what the words of a reading mean, and nothing else of the
 * profile: docs/formats.md.
 *
 * @param registers in the order of their OBIS codes
 */
export function profileDigest(
  registers: readonly ProfileRegister[],
  serial: IdentityRegister | undefined,
): string {
  const meaning = {
    registers: registers.map((register) => ({
      ...placeOf(register),
      obis: register.obis,
      unit: register.unit,
      decimals: register.decimals,
      scaler: register.scaler,
      // Only where they are said: the digests of profiles without them stay what they were.
      ...(register.scaleAt === undefined ? {} : { scaleAt: register.scaleAt }),
      ...(register.missing === undefined ? {} : { missing: register.missing }),
    })),
    serial: serial === undefined ? null : serialPlaceOf(serial),
  };
  return createHash('sha256').update(canonicalize(meaning)!).digest('hex').slice(0, 16);
}

function placeOf({ fc, at, type, wordOrder, data }: RegisterPlace): object {
  return { fc, at, type, wordOrder, ...(data === undefined ? {} : { data: data.identifier }) };
}

function serialPlaceOf(serial: IdentityRegister): object {
  if (serial.type !== 'text') return placeOf(serial);
  const { fc, at, type, words } = serial;
  return { fc, at, type, words };
}
