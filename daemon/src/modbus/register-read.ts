import { MAX_RAW_WORDS, MetersealError } from '@meterseal/protocol';

/** What is asked of a meter: `count` registers from address `at`; `fc` 3 holding, 4 input registers. */
export interface RegisterRead {
  readonly unit: number;
  readonly fc: 3 | 4;
  readonly at: number;
  readonly count: number;
}

/**
 * What an answer on a serial line tells of its request, beside the unit: function code and byte count. Two
 * reads of one shape have answers that nothing but the order can tell apart.
 */
export type Shape = number;

export function shapeOf(read: RegisterRead): Shape {
  return read.fc * 1_000 + 2 * read.count;
}

/** @throws MetersealError `bad-argument` for a read that no Modbus request can ask for */
export function checkRead(read: RegisterRead): void {
  const refuse = (what: string): never => {
    throw new MetersealError('bad-argument', `couldn't read registers: ${what}`);
  };
  if (!Number.isInteger(read.unit) || read.unit < 0 || read.unit > 255) refuse(`unit ${read.unit}`);
  if (read.fc !== 3 && read.fc !== 4) refuse(`function code ${String(read.fc)}`);
  if (!Number.isInteger(read.count) || read.count < 1 || read.count > MAX_RAW_WORDS) {
    refuse(`${read.count} registers, 1 to ${MAX_RAW_WORDS} allowed`);
  }
  if (!Number.isInteger(read.at) || read.at < 0 || read.at + read.count > 65_536) {
    refuse(`registers ${read.at} to ${read.at + read.count - 1}`);
  }
}

/** For messages: `registers 0…35 (input) of unit 1`. */
export function describeRead(read: RegisterRead): string {
  const kind = read.fc === 3 ? 'holding' : 'input';
  return `registers ${read.at}…${read.at + read.count - 1} (${kind}) of unit ${read.unit}`;
}
