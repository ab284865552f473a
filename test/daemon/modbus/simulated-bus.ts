import type { ErrorCode } from '@meterseal/protocol';
import { isMetersealError } from '@meterseal/protocol';
import { systemClock } from 'meterseal/internal/host/clock';
import { parseAddress } from 'meterseal/internal/modbus/address';
import { Bus } from 'meterseal/internal/modbus/bus';
import type { RegisterRead } from 'meterseal/internal/modbus/register-read';
import type { Simulator } from '../../simulator/start.js';

/** Reads of an SDM630: lengths that differ, and one length twice in a row. */
export const READS: readonly Omit<RegisterRead, 'unit'>[] = [
  { fc: 4, at: 0, count: 36 },
  { fc: 4, at: 52, count: 2 },
  { fc: 4, at: 52, count: 28 },
  { fc: 4, at: 342, count: 4 },
  { fc: 4, at: 358, count: 4 },
  { fc: 3, at: 0xfc00, count: 2 },
];

export interface Tally {
  readonly right: number;
  readonly wrong: number;
  readonly failed: Readonly<Partial<Record<ErrorCode, number>>>;
}

export function busTo(simulator: Simulator, kind: 'rtu' | 'tcp', responseMs: number): Bus {
  const address =
    kind === 'rtu' ? `rtu://${simulator.serialPath}?baud=115200` : `tcp://127.0.0.1:${simulator.tcpPort}`;
  return new Bus({ address: parseAddress(address), clock: systemClock, responseMs });
}

/**
 * Reads `transactions` times, and holds each answer against the simulator's log: right is only what the meter had in
 * its registers for this very request.
 */
export async function readManyTimes(
  bus: Bus,
  simulator: Simulator,
  transactions: number,
  units: readonly number[] = [1],
): Promise<Tally> {
  const tally = { right: 0, wrong: 0, failed: {} as Partial<Record<ErrorCode, number>> };
  for (let i = 0; i < transactions; i++) {
    const read: RegisterRead = { unit: units[i % units.length]!, ...READS[i % READS.length]! };
    const asked = performance.timeOrigin + performance.now();
    try {
      const words = await readOnceOpen(bus, read);
      const request = simulator.requests().findLast(({ unit }) => unit === read.unit);
      const hex = Array.from(words, (word) => word.toString(16).padStart(4, '0')).join('');
      const isThisOne = request?.fc === read.fc && request.at === read.at && request.count === read.count;
      // Both clocks are this machine's; a millisecond for their grain.
      if (isThisOne && request.words === hex && request.time > asked - 1) tally.right += 1;
      else tally.wrong += 1;
    } catch (error) {
      if (!isMetersealError(error)) throw error;
      tally.failed[error.code] = (tally.failed[error.code] ?? 0) + 1;
    }
  }
  return tally;
}

/** A failed connection is not opened again at once: until it is, the bus says so without asking the meter. */
async function readOnceOpen(bus: Bus, read: RegisterRead): Promise<Uint16Array> {
  const sent = bus.counters.sent;
  const giveUpAt = systemClock.monotonic() + 5_000;
  for (;;) {
    try {
      return await bus.readRegisters({ ...read, deadlineMs: systemClock.monotonic() + 2_000 });
    } catch (error) {
      const wasAsked = bus.counters.sent > sent;
      if (wasAsked || !isMetersealError(error, 'port-failed') || systemClock.monotonic() > giveUpAt)
        throw error;
      await systemClock.sleep(20);
    }
  }
}
