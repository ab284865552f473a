import type { RegisterReader } from '../modbus/bus.js';
import { decimalOf } from './decimal.js';
import type { PlannedRead } from './plan.js';
import type { Profile } from './profile.js';
import { wordsOfType } from './register.js';

/**
 * The serial number that a meter has in its registers.
 *
 * @param plan reads of the profile, to clear the line with: few meters have registers beside the serial number
 * @param deadline monotonic milliseconds
 * @returns undefined where the profile knows no such registers
 * @throws MetersealError as `readRegisters` does
 */
export async function readSerial(
  bus: RegisterReader,
  unit: number,
  profile: Profile,
  plan: readonly PlannedRead[],
  deadline: number,
): Promise<string | undefined> {
  if (profile.serial === undefined) return undefined;
  const { fc, at, type, wordOrder } = profile.serial;
  const { pauseMs } = profile.limits;
  const words = await bus.readRegisters({
    unit,
    fc,
    at,
    count: wordsOfType(type),
    deadlineMs: deadline,
    pauseMs,
    others: plan,
  });
  return decimalOf(words, { type, wordOrder, scaler: { mantissa: 1, exponent: 0 }, decimals: 0 });
}
