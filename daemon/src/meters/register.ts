import type { DataItem } from '../modbus/register-read.js';
import { dataRead } from '../modbus/register-read.js';

/** How a number lies in registers; the words of each are in wordsOfType. */
export const REGISTER_TYPES = [
  ...(['int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64'] as const),
  ...(['float32', 'float64'] as const),
];
/** Decimal digits of a DL/T 645 meter, two in each byte; with `s` the top bit is a sign. */
export const BCD_TYPES = ['bcd16', 'bcd24', 'bcd32', 'sbcd16', 'sbcd24', 'sbcd32'] as const;
export type BcdType = (typeof BCD_TYPES)[number];
export type RegisterType = (typeof REGISTER_TYPES)[number] | BcdType;

/** `big`: the register with the most significant word comes first. Bytes in a register are always big-endian. */
export const WORD_ORDERS = ['big', 'little'] as const;
export type WordOrder = (typeof WORD_ORDERS)[number];

/** `unproven`: sources disagree, or doubt themselves; such a register is read only when the operator accepts it. */
export const CONFIDENCES = ['proven', 'single-source', 'unproven'] as const;
export type Confidence = (typeof CONFIDENCES)[number];

/** Where a number stands in a meter, and how. */
export interface RegisterPlace {
  readonly fc: 3 | 4;
  readonly at: number;
  readonly type: RegisterType;
  /** `big` where there is but one word. */
  readonly wordOrder: WordOrder;
  /** Of a DL/T 645 meter: what is read, instead of registers. `fc` and `at` are where its words stand in a record. */
  readonly data?: DataItem;
}

/** A register times `mantissa` · 10^`exponent` is the value in the profile's unit. */
export interface Scaler {
  /** Negative where the meter counts the other direction as positive. */
  readonly mantissa: number;
  readonly exponent: number;
}

export interface ProfileRegister extends RegisterPlace {
  readonly obis: string;
  readonly unit: string;
  readonly scaler: Scaler;
  /** Where an int16 stands that is added to the scaler's exponent (SunSpec: scale factor); read in the same request. */
  readonly scaleAt: number | undefined;
  /** Digits behind the point of the value; more where such a factor makes more. */
  readonly decimals: number;
  /** Words in hex, in the order of their addresses, by which the meter says that it has no number. */
  readonly missing: string | undefined;
  readonly source: string;
  readonly confidence: Confidence;
}

/** Characters in registers, two in each, the first in the high byte. */
export interface TextPlace {
  readonly fc: 3 | 4;
  readonly at: number;
  readonly type: 'text';
  readonly words: number;
}

/** Where the meter keeps its serial number. */
export type IdentityRegister = (RegisterPlace | TextPlace) & {
  readonly source: string;
  readonly confidence: Confidence;
};

/** The registers that have to come in one answer for one value: from `from`, up to and without `end`. */
export function spanOf({ at, type, scaleAt = at, data }: Spread): {
  readonly from: number;
  readonly end: number;
} {
  if (data !== undefined) return { from: at, end: at + dataRead(data).count };
  return { from: Math.min(at, scaleAt), end: Math.max(at + wordsOfType(type), scaleAt + 1) };
}

type Spread = Pick<ProfileRegister, 'at' | 'type' | 'data'> & { readonly scaleAt?: number | undefined };

const WORDS: Record<RegisterType, number> = {
  int16: 1,
  uint16: 1,
  int32: 2,
  uint32: 2,
  int64: 4,
  uint64: 4,
  float32: 2,
  float64: 4,
  bcd16: 1,
  bcd24: 2,
  bcd32: 2,
  sbcd16: 1,
  sbcd24: 2,
  sbcd32: 2,
};

/** Registers that a value of `type` takes. */
export function wordsOfType(type: RegisterType): number {
  return WORDS[type];
}

/** Bytes of the digits, as they come from the meter. */
export function bytesOfBcd(type: BcdType): number {
  return Number(type.slice(-2)) / 8;
}
