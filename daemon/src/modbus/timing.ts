import type { BusAddress } from './address.js';
import type { LineTiming } from './framing.js';

/** Above 19,200 baud the gap between frames is fixed (Modbus over Serial Line 1.02, 2.5.1.1). */
const MIN_GAP_MS = 1.75;
/** Longer than any pause that a USB adapter or a busy kernel puts into the middle of a frame. */
const MIN_SILENCE_MS = 50;

/** Milliseconds that one byte takes on the line; a start bit and the stop and parity bits go with it. */
function byteMs({ baud, data, parity, stop }: Extract<BusAddress, { kind: 'rtu' }>): number {
  return (1_000 * (1 + data + (parity === 'none' ? 0 : 1) + stop)) / baud;
}

/**
 * The times of a line.
 *
 * @param responseMs how long a meter may take to begin its answer
 */
export function lineTiming(address: BusAddress, responseMs: number): LineTiming {
  if (address.kind === 'tcp') return { responseMs, byteMs: 0, gapMs: 0, silenceMs: 0, drainMs: 0 };
  const byte = byteMs(address);
  const silenceMs = Math.max(MIN_SILENCE_MS, 20 * byte);
  return { responseMs, byteMs: byte, gapMs: Math.max(MIN_GAP_MS, 3.5 * byte), silenceMs, drainMs: silenceMs };
}
