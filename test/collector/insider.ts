import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SpoolFrame } from '@meterseal/node-red-meterseal/core';
import { encodeSpoolFrame, isSpoolSegment, readSpoolFrames } from '@meterseal/node-red-meterseal/core';
import type { ReadingRecord } from '@meterseal/protocol';
import { decodeRecord, encodeRecord } from '@meterseal/protocol';

/** Edits the spool as somebody with access to the disk could: frame by frame, with checksums made right. */
export function editSpool(
  dir: string,
  edit: (record: ReadingRecord, frame: SpoolFrame) => SpoolFrame[],
): void {
  const folder = join(dir, 'spool');
  for (const name of readdirSync(folder).filter(isSpoolSegment)) {
    const path = join(folder, name);
    const frames = readSpoolFrames(readFileSync(path)).flatMap((frame) =>
      edit(decodeRecord(frame.record), frame),
    );
    writeFileSync(path, Buffer.concat(frames.map(encodeSpoolFrame)));
  }
}

/** The same frame with another first value. */
export function revalued(record: ReadingRecord, frame: SpoolFrame, value: string): SpoolFrame {
  const values = [{ ...record.values[0]!, value }, ...record.values.slice(1)];
  return { ...frame, record: encodeRecord({ ...record, values }) };
}

export function isAt(record: ReadingRecord, meter: string, seq: number): boolean {
  return record.meter === meter && record.seq === seq;
}
