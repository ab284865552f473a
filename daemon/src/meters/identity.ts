import type { RegisterReader } from '../modbus/bus.js';
import { decimalOf } from './decimal.js';
import type { PlannedRead } from './plan.js';
import type { Profile } from './profile.js';
import type { IdentityRegister } from './register.js';
import { wordsOfType } from './register.js';

/**
 * Where a profile has the serial number, if it is to be read: `unproven` only where the operator has accepted that.
 */
export function serialRegister(profile: Profile, acceptUnproven = false): IdentityRegister | undefined {
  const { serial } = profile;
  return serial?.confidence === 'unproven' && !acceptUnproven ? undefined : serial;
}

/**
 * The serial number that a meter has in its registers.
 *
 * @param plan reads of the profile, to clear the line with: few meters have registers beside the serial number
 * @param deadline monotonic milliseconds
 * @returns undefined where the profile knows no such registers, or only unproven ones that are not accepted
 * @throws MetersealError as `readRegisters` does
 */
export async function readSerial(
  bus: RegisterReader,
  unit: number,
  profile: Profile,
  plan: readonly PlannedRead[],
  deadline: number,
  acceptUnproven = false,
): Promise<string | undefined> {
  const register = serialRegister(profile, acceptUnproven);
  if (register === undefined) return undefined;
  const words = await bus.readRegisters({
    unit,
    fc: register.fc,
    at: register.at,
    count: register.type === 'text' ? register.words : wordsOfType(register.type),
    deadlineMs: deadline,
    pauseMs: profile.limits.pauseMs,
    others: plan,
  });
  return serialOf(words, register);
}

/** @returns undefined where the meter has been given no number: an empty text */
export function serialOf(words: Uint16Array, register: IdentityRegister): string | undefined {
  if (register.type === 'text') return textOf(words) || undefined;
  const { type, wordOrder } = register;
  return decimalOf(words, { type, wordOrder, scaler: { mantissa: 1, exponent: 0 }, decimals: 0 });
}

/**
 * Characters without the padding behind them. What is not printable ASCII throughout is told in hex: it identifies
 * the meter as well, and does no harm in a log.
 */
function textOf(words: Uint16Array): string {
  const codes = Array.from(words).flatMap((word) => [word >>> 8, word & 0xff]);
  const text = String.fromCharCode(...codes).replace(/[\0 \xff]+$/, '');
  if (/^[ -~]*$/.test(text)) return text;
  return `0x${codes.map((code) => code.toString(16).padStart(2, '0')).join('')}`;
}
