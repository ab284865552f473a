import { ByteReader, ByteWriter } from './bytes.js';
import type { EntryBody, EntryType } from './entry-body.js';
import { decodeBody, ENTRY_CODES, encodeBody } from './entry-body.js';
import { MAX_ENTRY_BYTES } from './limits.js';
import { nameOf } from './named-code.js';

/*
 * An entry is one leaf of the chain:
 *
 *   u8 version = 0 | u8 type | u16 flags = 0 | u64 time_ms | u32 subject | u64 seq | body (entry-body.ts)
 */

/** Bytes before the body. */
export const ENTRY_HEADER_BYTES = 24;

export type Entry = {
  /** The platform's commit time, milliseconds since 1970. */
  readonly time: number;
  /** The meter's number; 0 is the box. */
  readonly subject: number;
  /** What it counts depends on the type: docs/formats.md lists it. */
  readonly seq: number;
} & EntryBody;

export type EntryOf<T extends EntryType> = Extract<Entry, { type: T }>;

/** @throws MetersealError `bad-argument` when a field does not fit its place */
export function encodeEntry(entry: Entry): Uint8Array {
  const writer = new ByteWriter()
    .u8(0)
    .u8(ENTRY_CODES[entry.type])
    .u16(0)
    .u64(entry.time)
    .u32(entry.subject)
    .u64(entry.seq);
  encodeBody(writer, entry, entry.seq);
  return writer.done();
}

/** @throws MetersealError `bad-entry` */
export function decodeEntry(bytes: Uint8Array): Entry {
  const reader = new ByteReader(bytes, 'bad-entry');
  if (bytes.length > MAX_ENTRY_BYTES) reader.refuse(`an entry of ${bytes.length} bytes`);
  if (reader.u8() !== 0) reader.refuse('an unknown version');
  const type = nameOf(ENTRY_CODES, reader.u8(), reader);
  if (reader.u16() !== 0) reader.refuse('unknown flags');
  const time = reader.u64();
  const subject = reader.u32();
  const seq = reader.u64();
  const body = decodeBody(type, reader, seq);
  reader.end();
  checkPlace(type, subject, seq, body, reader);
  return { time, subject, seq, ...body };
}

/** Which entries belong to the box and which to a meter, and where `seq` counts. */
function checkPlace(
  type: EntryType,
  subject: number,
  seq: number,
  body: EntryBody,
  reader: ByteReader,
): void {
  switch (type) {
    case 'enrolment':
      if (subject === 0 || seq !== 0) reader.refuse('an enrolment without a subject or with a number');
      break;
    case 'authentication': {
      const unknownMeter = body.type === 'authentication' && body.reason === 'unknown-meter';
      if ((subject === 0) !== unknownMeter || seq !== 0) reader.refuse('an authentication out of place');
      break;
    }
    case 'session':
    case 'reading':
    case 'acknowledgement':
      if (subject === 0 || seq === 0) reader.refuse(`a ${type} without a subject or a number`);
      break;
    case 'event':
      if (seq === 0) reader.refuse('an event without a number');
      break;
    default:
      if (subject !== 0 || seq === 0) reader.refuse(`a ${type} of a meter or without a number`);
  }
}
