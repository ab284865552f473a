/** How a number lies in the data of an answer. */
export interface BcdForm {
  /** Digits behind the point. */
  readonly decimals: number;
  /** The top bit of the most significant byte is a sign, and no part of its digit. */
  readonly signed: boolean;
}

/**
 * The decimal that BCD digits stand for, exactly.
 *
 * @param bytes two digits in each, the most significant first
 * @returns as records hold it, zero without sign; undefined where a digit is none: a meter's way to say that it has
 *   no number
 */
export function bcdDecimal(bytes: Uint8Array, { decimals, signed }: BcdForm): string | undefined {
  const magnitude = Uint8Array.from(bytes);
  const negative = signed && magnitude.length > 0 && (magnitude[0]! & 0x80) !== 0;
  if (negative) magnitude[0]! &= 0x7f;
  const digits = Array.from(magnitude, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (!/^[0-9]+$/.test(digits)) return undefined;
  const whole = digits.slice(0, Math.max(0, digits.length - decimals)).replace(/^0+(?=.)/, '') || '0';
  const fraction = decimals === 0 ? '' : `.${digits.slice(-decimals).padStart(decimals, '0')}`;
  const sign = negative && /[1-9]/.test(digits) ? '-' : '';
  return `${sign}${whole}${fraction}`;
}
