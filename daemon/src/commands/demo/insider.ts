import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SpoolFrame } from '@meterseal/node-red-meterseal/core';
import { encodeSpoolFrame, readSpoolFrames } from '@meterseal/node-red-meterseal/core';
import type { ReadingRecord } from '@meterseal/protocol';
import {
  decodeRecord,
  encodeRecord,
  isMetersealError,
  MetersealError,
  toBase64Url,
} from '@meterseal/protocol';

/*
 * What somebody with access to the collector's disk could do: edit its spool while it is stopped, with checksums made
 * right. Nothing here knows a key.
 */

export type Touched = { readonly meter: string; readonly seq: number };

/** Changes the first value of one stored reading in the middle of a meter's readings. */
export function changeOneValue(collectorFolder: string, meter: string): Touched {
  const target = middleOf(collectorFolder, meter);
  rewrite(collectorFolder, (frame, record) => {
    if (!isAt(record, target)) return [frame];
    const first = record.values.find(({ value }) => value !== undefined);
    const values = record.values.map((value) =>
      value === first ? { ...value, value: raised(value.value!) } : value,
    );
    return [{ ...frame, record: encodeRecord({ ...record, values }) }];
  });
  return target;
}

/** Deletes one stored reading in the middle of a meter's readings. */
export function deleteOneRecord(collectorFolder: string, meter: string): Touched {
  const target = middleOf(collectorFolder, meter);
  rewrite(collectorFolder, (frame, record) => (isAt(record, target) ? [] : [frame]));
  return target;
}

/** Adds a well-formed reading that no meter gave, under a number that none has used. */
export function inventOneRecord(collectorFolder: string, meter: string, salt: Uint8Array): Touched {
  const stored = recordsOf(collectorFolder, meter);
  const like = stored.at(-1)!;
  const invented = { ...like, seq: like.seq + 1_000_000, salt: toBase64Url(salt) };
  const segments = segmentsOf(collectorFolder);
  const last = segments.at(-1)!;
  const frames = readSpoolFrames(readFileSync(last));
  const received = frames.at(-1)!.received;
  writeFrames(last, [...frames, { received, record: encodeRecord(invented) }]);
  return { meter, seq: invented.seq };
}

function middleOf(collectorFolder: string, meter: string): Touched {
  const stored = recordsOf(collectorFolder, meter).filter(({ values }) =>
    values.some(({ value }) => value !== undefined),
  );
  const record = stored[Math.floor(stored.length / 2)];
  if (record === undefined) {
    throw new MetersealError(
      'not-found',
      `couldn't tamper with the collector: it holds no reading of ${meter}`,
    );
  }
  return { meter, seq: record.seq };
}

function recordsOf(collectorFolder: string, meter: string): ReadingRecord[] {
  return segmentsOf(collectorFolder)
    .flatMap((path) => readSpoolFrames(readFileSync(path)))
    .map(({ record }) => decodeRecord(record))
    .filter((record) => record.meter === meter)
    .sort((a, b) => a.seq - b.seq);
}

function rewrite(
  collectorFolder: string,
  change: (frame: SpoolFrame, record: ReadingRecord) => readonly SpoolFrame[],
): void {
  for (const path of segmentsOf(collectorFolder)) {
    const frames = readSpoolFrames(readFileSync(path));
    writeFrames(
      path,
      frames.flatMap((frame) => change(frame, decodeRecord(frame.record))),
    );
  }
}

function writeFrames(path: string, frames: readonly SpoolFrame[]): void {
  writeFileSync(path, Buffer.concat(frames.map(encodeSpoolFrame)), { mode: 0o600 });
}

/** Frames of a segment that a running collector may be appending to: an unfinished last one is finished in a moment. */
export function framesOf(segment: string, attempts = 20): SpoolFrame[] {
  try {
    return readSpoolFrames(readFileSync(segment));
  } catch (error) {
    if (attempts === 1 || !isMetersealError(error, 'file-damaged')) throw error;
    return framesOf(segment, attempts - 1);
  }
}

export function segmentsOf(collectorFolder: string): string[] {
  const folder = join(collectorFolder, 'spool');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.spool'))
    .sort()
    .map((name) => join(folder, name));
}

function isAt(record: ReadingRecord, { meter, seq }: Touched): boolean {
  return record.meter === meter && record.seq === seq;
}

/** The same number with its last digit raised by one, or lowered from 9 to 8. */
function raised(value: string): string {
  const last = Number(value.at(-1));
  return value.slice(0, -1) + String(last === 9 ? 8 : last + 1);
}
