import { MAX_RAW_WORDS, MetersealError } from '@meterseal/protocol';

/**
 * What is asked of a meter: `count` registers from address `at`; `fc` 3 holding, 4 input registers. Of a DL/T 645 meter
 * the address of 12 digits is `unit`, and `data` says what is read; its answer comes as words like any other.
 */
export interface RegisterRead {
  readonly unit: number;
  readonly fc: 3 | 4;
  readonly at: number;
  readonly count: number;
  readonly data?: DataItem;
}

/** One value of a DL/T 645 meter: its identifier, 8 hex digits in lower case, and how many bytes it has. */
export interface DataItem {
  readonly identifier: string;
  readonly bytes: number;
}

/**
 * A value of a DL/T 645 meter as a read, and so in records: `fc` is 3, `at` the upper half of the identifier, and the
 * words are the whole identifier, then the value, both most significant first, the value with a byte 00 before it where
 * it has an odd number of them.
 */
export function dataRead(data: DataItem): Omit<RegisterRead, 'unit'> & { readonly data: DataItem } {
  const at = Number.parseInt(data.identifier.slice(0, 4), 16);
  return { fc: 3, at, count: IDENTIFIER_WORDS + Math.ceil(data.bytes / 2), data };
}

/** The words of an answer that say what it is. */
export const IDENTIFIER_WORDS = 2;
/** 12 digits, but for the address of everybody. */
const MAX_DLT_ADDRESS = 999_999_999_998;
/** More than any value of one identifier has. */
const MAX_DATA_BYTES = 8;

/**
 * What an answer on a serial line tells of its request, beside the unit: function code and byte count. Two
 * reads of one shape have answers that nothing but the order can tell apart.
 */
export type Shape = number;

/** From here on shapes are identifiers: answers of a DL/T 645 meter say of what they are. */
const DATA_SHAPES = 1_000_000;

export function shapeOf(read: RegisterRead): Shape {
  if (read.data !== undefined) return DATA_SHAPES + Number.parseInt(read.data.identifier, 16);
  return read.fc * 1_000 + 2 * read.count;
}

/** @throws MetersealError `bad-argument` for a read that no Modbus request can ask for */
export function checkRead(read: RegisterRead): void {
  const refuse = (what: string): never => {
    throw new MetersealError('bad-argument', `couldn't read registers: ${what}`);
  };
  if (read.data !== undefined) {
    checkDataRead(read, read.data, refuse);
    return;
  }
  if (!Number.isInteger(read.unit) || read.unit < 0 || read.unit > 255) refuse(`unit ${read.unit}`);
  if (read.fc !== 3 && read.fc !== 4) refuse(`function code ${String(read.fc)}`);
  if (!Number.isInteger(read.count) || read.count < 1 || read.count > MAX_RAW_WORDS) {
    refuse(`${read.count} registers, 1 to ${MAX_RAW_WORDS} allowed`);
  }
  if (!Number.isInteger(read.at) || read.at < 0 || read.at + read.count > 65_536) {
    refuse(`registers ${read.at} to ${read.at + read.count - 1}`);
  }
}

function checkDataRead(read: RegisterRead, data: DataItem, refuse: (what: string) => never): void {
  if (!Number.isInteger(read.unit) || read.unit < 0 || read.unit > MAX_DLT_ADDRESS)
    refuse(`meter ${read.unit}`);
  if (!/^[0-9a-f]{8}$/.test(data.identifier)) refuse(`data ${data.identifier}`);
  if (!Number.isInteger(data.bytes) || data.bytes < 1 || data.bytes > MAX_DATA_BYTES)
    refuse(`${data.bytes} bytes`);
  const { fc, at, count } = dataRead(data);
  if (read.fc !== fc || read.at !== at || read.count !== count) refuse('words that its data do not have');
}

/** Bytes of the answer, for the time that it takes. */
export function answerLength({ count, data }: RegisterRead): number {
  // DL/T 645: four bytes of preamble, twelve around the data, four of identifier.
  return data === undefined ? 5 + 2 * count : 20 + data.bytes;
}

/** The address of a DL/T 645 meter as it stands on the meter. */
export function dltAddressOf(unit: number): string {
  return String(unit).padStart(12, '0');
}

/** For messages: `registers 0…35 (input) of unit 1`. */
export function describeRead(read: RegisterRead): string {
  if (read.data !== undefined) return `data ${read.data.identifier} of meter ${dltAddressOf(read.unit)}`;
  const kind = read.fc === 3 ? 'holding' : 'input';
  return `registers ${read.at}…${read.at + read.count - 1} (${kind}) of unit ${read.unit}`;
}
