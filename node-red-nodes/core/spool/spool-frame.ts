import {
  ByteReader,
  ByteWriter,
  copyBytes,
  fromUtf8,
  isMeterId,
  MAX_RECORD_BYTES,
  MetersealError,
} from '@meterseal/protocol';
import type { FrameFormat } from '../storage/frame-scanner.js';
import { FRAME_HEADER_BYTES, FrameScanner, putFrame } from '../storage/frame-scanner.js';
import type { RecordName } from './spool-index.js';

/*
 * One record in the spool:
 *
 *   u32 length of the record | u32 crc32 (IEEE, over the rest) | u64 received_ms | record
 */

/** Bytes of `received_ms`. */
export const SPOOL_LEAD_BYTES = 8;
export const SPOOL_FORMAT: FrameFormat = { lead: SPOOL_LEAD_BYTES, most: MAX_RECORD_BYTES };

export type SpoolFrame = {
  /** The collector's clock, milliseconds since 1970. */
  readonly received: number;
  readonly record: Uint8Array;
};

export function encodeSpoolFrame(frame: SpoolFrame): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + SPOOL_LEAD_BYTES + frame.record.length);
  putFrame(bytes, 0, new ByteWriter().u64(frame.received).done(), frame.record);
  return bytes;
}

/**
 * All frames of one segment of the spool.
 *
 * @throws MetersealError `file-damaged` unless the segment is whole, from its first byte to its last
 */
export function readSpoolFrames(segment: Uint8Array): SpoolFrame[] {
  const frames: SpoolFrame[] = [];
  const scanner = new FrameScanner(SPOOL_FORMAT, (_at, body) => {
    const { received, record } = splitSpoolFrame(body);
    frames.push({ received, record: copyBytes(record) });
  });
  scanner.feed(segment);
  const { damage, torn } = scanner.end();
  if (damage.length > 0 || torn !== undefined) {
    throw new MetersealError(
      'file-damaged',
      `couldn't read spool segment: bad bytes at ${damage[0]?.from ?? torn}`,
    );
  }
  return frames;
}

/** The record is a view. @param body lead and content of a good frame */
export function splitSpoolFrame(body: Uint8Array): SpoolFrame {
  const received = new ByteReader(body.subarray(0, SPOOL_LEAD_BYTES), 'file-damaged').u64();
  return { received, record: body.subarray(SPOOL_LEAD_BYTES) };
}

/**
 * Meter, number and void mark of a record. Whether it is a record in every other respect shows its hash: the strict
 * decoder has seen it before it was stored, and would cost much more than it finds.
 *
 * @throws MetersealError `bad-record`
 */
export function nameOf(record: Uint8Array): RecordName {
  let parsed: { meter?: unknown; seq?: unknown; void?: { replaces?: unknown } | null } | null;
  try {
    parsed = JSON.parse(fromUtf8(record, 'bad-record'));
  } catch (cause) {
    throw new MetersealError('bad-record', "couldn't read record: not JSON", { cause });
  }
  const { meter, seq } = parsed ?? {};
  if (!isMeterId(meter) || typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 1) {
    throw new MetersealError('bad-record', "couldn't read record: it names no meter and number");
  }
  const replaces = parsed?.void?.replaces;
  return { meter, seq, replaces: typeof replaces === 'string' ? replaces : undefined };
}
