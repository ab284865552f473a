import { MAX_DECIMAL_LENGTH } from '@meterseal/protocol';
import type { RegisterType, Scaler, WordOrder } from './register.js';

/** A finite number, exactly: `numerator` / `denominator`, the denominator positive. */
interface Rational {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/**
 * The decimal that register words stand for, exact up to `decimals` digits behind the point and from there
 * rounded half to even. No binary floating point is involved: a float32 is taken for the exact binary fraction
 * that it is (IEEE 754-2019, 3.4).
 *
 * @param words as read, in the order of their addresses
 * @returns the decimal as records hold it, zero without sign; undefined for NaN and the infinities
 */
export function decimalOf(
  words: Uint16Array,
  { type, wordOrder, scaler, decimals }: DecimalForm,
): string | undefined {
  const bits = bitsOf(words, wordOrder);
  const raw = type === 'float32' ? fromFloat32(Number(bits)) : fromInteger(bits, type, words.length);
  if (raw === undefined) return undefined;
  const numerator = raw.numerator * BigInt(scaler.mantissa);
  const shift = decimals + scaler.exponent;
  const scaled =
    shift >= 0
      ? { numerator: numerator * 10n ** BigInt(shift), denominator: raw.denominator }
      : { numerator, denominator: raw.denominator * 10n ** BigInt(-shift) };
  const text = format(roundHalfEven(scaled), decimals);
  return text.length > MAX_DECIMAL_LENGTH ? undefined : text;
}

export interface DecimalForm {
  readonly type: RegisterType;
  readonly wordOrder: WordOrder;
  readonly scaler: Scaler;
  readonly decimals: number;
}

function bitsOf(words: Uint16Array, order: WordOrder): bigint {
  const ordered = order === 'big' ? words : words.slice().reverse();
  return ordered.reduce((bits, word) => (bits << 16n) | BigInt(word), 0n);
}

function fromInteger(bits: bigint, type: RegisterType, words: number): Rational {
  const numerator = type.startsWith('u') ? bits : BigInt.asIntN(16 * words, bits);
  return { numerator, denominator: 1n };
}

/** 1 sign bit, 8 bits of exponent with a bias of 127, 23 bits of fraction; exponent 255: no finite number. */
function fromFloat32(bits: number): Rational | undefined {
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7f_ffff;
  if (exponent === 255) return undefined;
  // Subnormal numbers have the exponent of the smallest normal ones, and no leading 1.
  const magnitude = BigInt(exponent === 0 ? fraction : fraction | 0x80_0000);
  const power = Math.max(exponent, 1) - 127 - 23;
  const signed = bits >>> 31 === 1 ? -magnitude : magnitude;
  return power >= 0
    ? { numerator: signed << BigInt(power), denominator: 1n }
    : { numerator: signed, denominator: 1n << BigInt(-power) };
}

function roundHalfEven({ numerator, denominator }: Rational): bigint {
  const negative = numerator < 0n;
  const magnitude = negative ? -numerator : numerator;
  const quotient = magnitude / denominator;
  const twice = (magnitude % denominator) * 2n;
  const up = twice > denominator || (twice === denominator && quotient % 2n === 1n);
  const rounded = up ? quotient + 1n : quotient;
  return negative ? -rounded : rounded;
}

function format(mantissa: bigint, decimals: number): string {
  const sign = mantissa < 0n ? '-' : '';
  const digits = (mantissa < 0n ? -mantissa : mantissa).toString().padStart(decimals + 1, '0');
  if (decimals === 0) return sign + digits;
  return `${sign}${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}
