import { ByteReader, ByteWriter, copyBytes, MAX_RECORD_BYTES, MetersealError } from '@meterseal/protocol';
import type { FrameFormat } from './frame-scanner.js';
import { FRAME_HEADER_BYTES, FrameScanner, putFrame } from './frame-scanner.js';

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
