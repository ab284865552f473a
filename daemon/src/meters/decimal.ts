import { MAX_DECIMAL_LENGTH } from '@meterseal/protocol';
import type { RegisterType, Scaler, WordOrder } from './register.js';

/** A finite number, exactly: `numerator` / `denominator`, the denominator positive. */
interface Rational {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/**
 * The decimal that register words stand for, exact up to `decimals` digits behind the point and from there
 * rounded half to even. No binary floating point is involved: a float is taken for the exact binary fraction that it
 * is (IEEE 754-2019, 3.4).
 *
 * @param words as read, in the order of their addresses
 * @returns the decimal as records hold it, zero without sign; undefined for NaN, the infinities, and what is longer
 *   than a record takes
 */
export function decimalOf(
  words: Uint16Array,
  { type, wordOrder, scaler, decimals }: DecimalForm,
): string | undefined {
  const bits = bitsOf(words, wordOrder);
  const form = FLOATS[type];
  const raw = form === undefined ? fromInteger(bits, type, words.length) : fromFloat(bits, form);
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

/** SunSpec, information model specification: a scale factor is a power of ten from −10 to 10, or not implemented. */
const MAX_SCALE_FACTOR = 10;

/**
 * The decimal of an integer register whose power of ten the meter itself gives. It has as many digits behind the point
 * as that takes: none of the register's is lost.
 *
 * @param factor the factor's word, an int16
 * @returns undefined also where the meter has no such factor
 */
export function scaledDecimalOf(words: Uint16Array, form: DecimalForm, factor: number): string | undefined {
  const power = (factor << 16) >> 16;
  if (Math.abs(power) > MAX_SCALE_FACTOR) return undefined;
  const exponent = form.scaler.exponent + power;
  const decimals = Math.max(form.decimals, -exponent);
  return decimalOf(words, { ...form, decimals, scaler: { mantissa: form.scaler.mantissa, exponent } });
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

interface FloatForm {
  readonly exponentBits: number;
  readonly fractionBits: number;
}

const FLOATS: Partial<Record<RegisterType, FloatForm>> = {
  float32: { exponentBits: 8, fractionBits: 23 },
  float64: { exponentBits: 11, fractionBits: 52 },
};

/** 1 sign bit, the exponent with half its range as bias, the fraction; the largest exponent: no finite number. */
function fromFloat(bits: bigint, { exponentBits, fractionBits }: FloatForm): Rational | undefined {
  const largest = 2 ** exponentBits - 1;
  const exponent = Number(BigInt.asUintN(exponentBits, bits >> BigInt(fractionBits)));
  const fraction = BigInt.asUintN(fractionBits, bits);
  if (exponent === largest) return undefined;
  // Subnormal numbers have the exponent of the smallest normal ones, and no leading 1.
  const magnitude = exponent === 0 ? fraction : fraction | (1n << BigInt(fractionBits));
  const power = Math.max(exponent, 1) - (largest >> 1) - fractionBits;
  const signed = bits >> BigInt(exponentBits + fractionBits) === 1n ? -magnitude : magnitude;
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
