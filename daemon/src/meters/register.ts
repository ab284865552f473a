/** How a value lies in registers; the words of each are in wordsOfType. */
export const REGISTER_TYPES = ['int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'float32'] as const;
export type RegisterType = (typeof REGISTER_TYPES)[number];

/** `big`: the register with the most significant word comes first. Bytes in a register are always big-endian. */
export const WORD_ORDERS = ['big', 'little'] as const;
export type WordOrder = (typeof WORD_ORDERS)[number];

/** `unproven`: sources disagree, or there is none; such a register is read only when the operator accepts it. */
export const CONFIDENCES = ['proven', 'single-source', 'unproven'] as const;
export type Confidence = (typeof CONFIDENCES)[number];

/** Where a number stands in a meter, and how. */
export interface RegisterPlace {
  readonly fc: 3 | 4;
  readonly at: number;
  readonly type: RegisterType;
  readonly wordOrder: WordOrder;
}

/** A register times `mantissa` · 10^`exponent` is the value in the profile's unit. */
export interface Scaler {
  readonly mantissa: number;
  readonly exponent: number;
}

export interface ProfileRegister extends RegisterPlace {
  readonly obis: string;
  readonly unit: string;
  readonly scaler: Scaler;
  /** Digits behind the point of the value. */
  readonly decimals: number;
  readonly source: string;
  readonly confidence: Confidence;
}

const WORDS: Record<RegisterType, number> = {
  int16: 1,
  uint16: 1,
  int32: 2,
  uint32: 2,
  int64: 4,
  uint64: 4,
  float32: 2,
};

/** Registers that a value of `type` takes. */
export function wordsOfType(type: RegisterType): number {
  return WORDS[type];
}
