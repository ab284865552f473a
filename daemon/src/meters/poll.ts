import type { MetersealError, RawBlock, RecordValue } from '@meterseal/protocol';
import { fromHex, isMetersealError } from '@meterseal/protocol';
import { bcdDecimal } from '../dlt645/bcd.js';
import type { Clock } from '../host/clock.js';
import type { BusRead, RegisterReader } from '../modbus/bus.js';
import type { DataItem } from '../modbus/register-read.js';
import { decimalOf, scaledDecimalOf } from './decimal.js';
import type { PlannedRead } from './plan.js';
import type { Profile } from './profile.js';
import { readingRegisters } from './profile.js';
import type { ProfileRegister } from './register.js';
import { spanOf, wordsOfType } from './register.js';

/** What one reading of one meter gave. */
export interface Sample {
  /** Wall time, ms: before the first register was asked for. */
  readonly startedAt: number;
  /** Wall time, ms: after the last one was read. */
  readonly endedAt: number;
  /** In the order of the OBIS codes; `missing` where the meter did not answer, or has no number. */
  readonly values: readonly RecordValue[];
  /** As read, in the order of the plan. */
  readonly raw: readonly RawBlock[];
  /** False if no register could be read at all. */
  readonly answered: boolean;
  /** The meter's serial number, in samples in which it was read. */
  readonly serial?: string;
  /** The first failure, if registers are missing for one. */
  readonly failure?: MetersealError;
}

export interface PollOptions {
  /** Values of registers on which sources disagree are wanted too; the plan has to have them. */
  readonly acceptUnproven?: boolean;
  /** How often a read is tried again whose answer was lost or damaged. */
  readonly retries?: number;
}

/**
 * Reads one meter once, by its plan. Failures make values `missing`; a meter that says nothing to the first read,
 * or later to two in a row, is not asked for the others.
 *
 * @param deadline monotonic milliseconds by which the sample is there, whatever the meter does
 * @throws nothing that a line or a meter can cause, except `stopped` when the bus is closed
 */
export async function pollMeter(
  bus: RegisterReader,
  unit: number,
  profile: Profile,
  plan: readonly PlannedRead[],
  clock: Clock,
  deadline: number,
  { acceptUnproven = false, retries = 1 }: PollOptions = {},
): Promise<Sample> {
  const started = clock.monotonic();
  const { pauseMs } = profile.limits;
  const raw: RawBlock[] = [];
  let failure: MetersealError | undefined;
  let silent = 0;
  for (const read of plan) {
    const request = { ...read, unit, deadlineMs: deadline, pauseMs, others: plan };
    const result = await readBlock(bus, request, silent === 0 ? retries : 0);
    if ('words' in result) {
      raw.push(result);
      silent = 0;
      continue;
    }
    failure ??= result.failure;
    silent = saysThatMeterIsAway(result.failure) ? silent + 1 : 0;
    // One read after others may be one that the meter passes over in silence; two tell that it is away.
    if (silent >= (raw.length === 0 ? 1 : 2)) break;
  }
  const endedAt = clock.now();
  return {
    // Back from the end: the wall clock may have stepped meanwhile, and the span must not.
    startedAt: endedAt - Math.round(clock.monotonic() - started),
    endedAt,
    values: rederive(profile, raw, acceptUnproven),
    raw,
    answered: raw.length > 0,
    ...(failure === undefined ? {} : { failure }),
  };
}

/**
 * The values that raw words stand for: the same that the record has, without the meter.
 *
 * @param raw blocks of words as a record has them
 */
export function rederive(
  profile: Profile,
  raw: readonly RawBlock[],
  acceptUnproven = false,
): readonly RecordValue[] {
  return readingRegisters(profile, acceptUnproven).map((register) => {
    const { obis, unit } = register;
    const value = valueIn(raw, register);
    return value === undefined ? { obis, unit, quality: 'missing' } : { obis, unit, value };
  });
}

async function readBlock(
  bus: RegisterReader,
  read: BusRead,
  retries: number,
): Promise<RawBlock | { readonly failure: MetersealError }> {
  for (let attempt = 0; ; attempt++) {
    try {
      const words = await bus.readRegisters(read);
      return { fc: read.fc, at: read.at, words: toHexWords(words) };
    } catch (error) {
      if (!isMetersealError(error) || error.code === 'stopped') throw error;
      if (attempt >= retries || error.code === 'meter-exception') return { failure: error };
    }
  }
}

/** With these a further read would only cost the other meters on the line their time. */
function saysThatMeterIsAway(error: MetersealError): boolean {
  return error.code === 'no-answer' || error.code === 'port-failed' || error.code === 'timeout';
}

/** Undefined where a register has not been read, or the meter says that it has no number. */
function valueIn(raw: readonly RawBlock[], register: ProfileRegister): string | undefined {
  const { fc, at, type, scaleAt, missing, data } = register;
  const { from, end } = spanOf(register);
  // A scale factor of another answer may be that of another moment.
  const block = raw.find(
    (read) =>
      (data === undefined || read.words.startsWith(data.identifier)) &&
      read.fc === fc &&
      read.at <= from &&
      4 * (end - read.at) <= read.words.length,
  );
  if (block === undefined) return undefined;
  const wordsAt = (first: number, count: number): string =>
    block.words.slice(4 * (first - block.at), 4 * (first + count - block.at));
  const words = wordsAt(at, wordsOfType(type));
  if (words === missing) return undefined;
  if (data !== undefined) return digitsIn(block.words, data, register);
  if (scaleAt === undefined) return decimalOf(fromHexWords(words), register);
  return scaledDecimalOf(fromHexWords(words), register, fromHexWords(wordsAt(scaleAt, 1))[0]!);
}

/** @param hex words of one value of a DL/T 645 meter: its identifier, 00 where that makes whole words, its digits */
function digitsIn(
  hex: string,
  { identifier, bytes }: DataItem,
  register: ProfileRegister,
): string | undefined {
  const behind = hex.slice(identifier.length);
  const digits = behind.slice(-2 * bytes);
  if (behind !== digits.padStart(4 * wordsOfType(register.type), '0')) return undefined;
  const signed = register.type.startsWith('s');
  return bcdDecimal(fromHex(digits), { decimals: register.decimals, signed });
}

function fromHexWords(hex: string): Uint16Array {
  const bytes = fromHex(hex);
  return Uint16Array.from({ length: bytes.length / 2 }, (_, i) => bytes[2 * i]! * 256 + bytes[2 * i + 1]!);
}

function toHexWords(words: Uint16Array): string {
  return Array.from(words, (word) => word.toString(16).padStart(4, '0')).join('');
}
