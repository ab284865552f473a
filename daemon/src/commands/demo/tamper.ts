import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import type { SpoolFrame } from '@meterseal/node-red-meterseal/core';
import { encodeSpoolFrame } from '@meterseal/node-red-meterseal/core';
import type { ReadingRecord } from '@meterseal/protocol';
import { decodeRecord, encodeRecord, fromBase64, MetersealError, toBase64 } from '@meterseal/protocol';
import { writeFileAtomically } from '../../host/private-file.js';
import { framesOf, segmentsOf } from './insider.js';

/*
 * What somebody with access to a running collector's disk could do: write over one stored reading, its checksum made right.
 * Nothing here knows a key. The insider keeps a note of what he has done, outside the collector's folder, and can undo it.
 */

/** One stored reading that was changed, as people are told. */
export type Tampering = {
  readonly meter: string;
  readonly seq: number;
  /** When the meter gave it: the record's `time`. */
  readonly time: string;
  readonly unit: string;
  readonly was: string;
  readonly is: string;
};

type Note = Tampering & {
  readonly segment: string;
  readonly at: number;
  readonly before: string;
  readonly after: string;
};

/** The meter's counter of energy. */
const OBIS = '1-0:1.8.0';
/** Old enough to be on the chain, young enough to be seen in a curve of the last minutes. */
const READINGS_BACK = 20;

/**
 * Lowers the counter in one recent reading of a meter, in place.
 *
 * @param noteFile where the insider keeps his note
 * @throws MetersealError `conflict` if a reading is changed already, `not-found` where too few are stored
 */
export function tamperWithOneReading(collectorFolder: string, meter: string, noteFile: string): Tampering {
  if (existsSync(noteFile)) {
    throw new MetersealError('conflict', "couldn't tamper: a reading is changed already", {
      hint: 'Restore it first.',
    });
  }
  const { segment, at, frame, record, energy } = targetOf(collectorFolder, meter);
  const is = lowered(energy.value);
  const values = record.values.map((value) => (value.obis === OBIS ? { ...value, value: is } : value));
  const changed = { ...frame, record: encodeRecord({ ...record, values }) };
  const tampering = { meter, seq: record.seq, time: record.time, unit: energy.unit, was: energy.value, is };
  const [before, after] = [encodeSpoolFrame(frame), encodeSpoolFrame(changed)];
  const note: Note = { ...tampering, segment, at, before: toBase64(before), after: toBase64(after) };
  writeFileAtomically(noteFile, `${JSON.stringify(note)}\n`, 0o600);
  overwrite(segment, at, before, after);
  return tampering;
}

/**
 * Puts the changed reading back as it was.
 *
 * @throws MetersealError `not-found` if none is changed
 */
export function restoreReading(noteFile: string): Tampering {
  const note = noteOf(noteFile);
  if (note === undefined) throw new MetersealError('not-found', "couldn't restore: no reading is changed");
  overwrite(note.segment, note.at, fromBase64(note.after), fromBase64(note.before));
  rmSync(noteFile);
  return told(note);
}

/** What is changed now, or undefined. */
export function tamperingOf(noteFile: string): Tampering | undefined {
  const note = noteOf(noteFile);
  return note === undefined ? undefined : told(note);
}

function noteOf(noteFile: string): Note | undefined {
  return existsSync(noteFile) ? (JSON.parse(readFileSync(noteFile, 'utf8')) as Note) : undefined;
}

function told({ meter, seq, time, unit, was, is }: Note): Tampering {
  return { meter, seq, time, unit, was, is };
}

type Target = {
  readonly segment: string;
  readonly at: number;
  readonly frame: SpoolFrame;
  readonly record: ReadingRecord;
  readonly energy: { readonly unit: string; readonly value: string };
};

function targetOf(collectorFolder: string, meter: string): Target {
  const stored = segmentsOf(collectorFolder)
    .flatMap((segment) => placed(segment))
    .flatMap((place) => {
      const record = decodeRecord(place.frame.record);
      const energy = record.values.find(({ obis }) => obis === OBIS);
      if (record.meter !== meter || energy?.value === undefined) return [];
      return [{ ...place, record, energy: { unit: energy.unit, value: energy.value } }];
    })
    .sort((a, b) => a.record.seq - b.record.seq);
  const target = stored[Math.max(Math.floor(stored.length / 2), stored.length - 1 - READINGS_BACK)];
  if (target !== undefined) return target;
  throw new MetersealError('not-found', `couldn't tamper: no reading of ${meter} is stored yet`, {
    hint: 'Wait for the first readings.',
  });
}

/** Frames of a segment, and where each begins. */
function placed(segment: string): { segment: string; at: number; frame: SpoolFrame }[] {
  let at = 0;
  return framesOf(segment).map((frame) => {
    const place = { segment, at, frame };
    at += encodeSpoolFrame(frame).length;
    return place;
  });
}

/** Byte for byte, so that the collector, which goes on appending, sees nothing of it. */
function overwrite(segment: string, at: number, before: Uint8Array, after: Uint8Array): void {
  const file = openSync(segment, 'r+');
  try {
    const there = new Uint8Array(before.length);
    readSync(file, there, 0, there.length, at);
    if (Buffer.compare(there, after) === 0) return;
    if (Buffer.compare(there, before) !== 0) {
      throw new MetersealError('conflict', `couldn't write to ${segment}: somebody else has written there`);
    }
    writeSync(file, after, 0, after.length, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** A number with as many digits, and less: 12345.678 becomes 11345.678. Where no digit can be lowered, the last is raised. */
function lowered(value: string): string {
  const digits = [...value];
  const at = digits.findIndex((digit, i) => i > 0 && digit > '0' && digit <= '9');
  if (at < 0) return value.replace(/\d$/, (last) => String((Number(last) + 1) % 10));
  digits[at] = String(Number(digits[at]) - 1);
  return digits.join('');
}
