import { ByteReader, ByteWriter } from './bytes.js';
import type { EntryBody, EntryType } from './entry-body.js';
import { decodeBody, ENTRY_CODES, encodeBody } from './entry-body.js';
import type { ErrorCode } from './errors.js';
import { MAX_ENTRY_BYTES, MAX_INTEGER } from './limits.js';
import { isHeldRange } from './messages/delivery.js';
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

/**
 * The entry's bytes. What a chain has committed stays, so nothing is encoded that cannot be decoded.
 *
 * @throws MetersealError `bad-argument` when a field does not fit its place
 */
export function encodeEntry(entry: Entry): Uint8Array {
  if (entry.type === 'reading') {
    const bytes = encodeReading(entry);
    if (bytes !== undefined) return bytes;
  }
  const writer = new ByteWriter()
    .u8(0)
    .u8(ENTRY_CODES[entry.type])
    .u16(0)
    .u64(entry.time)
    .u32(entry.subject)
    .u64(entry.seq);
  encodeBody(writer, entry, entry.seq);
  const bytes = writer.done();
  decode(bytes, 'bad-argument');
  return bytes;
}

/** Bytes of an entry 04. */
const READING_BYTES = 128;

/**
 * The entry of which there are a hundred times as many as of all others, written straight to its places, because the general
 * way takes ten times as long.
 *
 * @returns undefined where something does not fit, for the general way to say what
 */
function encodeReading(entry: EntryOf<'reading'>): Uint8Array | undefined {
  const { time, subject, seq, session, hash, sealSignature } = entry;
  const isIn = (value: number, least: number, most: number): boolean =>
    Number.isInteger(value) && value >= least && value <= most;
  if (!isIn(time, 0, MAX_INTEGER) || !isIn(subject, 1, 0xffff_ffff)) return undefined;
  if (!isIn(seq, 1, MAX_INTEGER) || !isIn(session, 1, MAX_INTEGER)) return undefined;
  if (hash.length !== 32 || sealSignature.length !== 64) return undefined;
  const bytes = new Uint8Array(READING_BYTES);
  const view = new DataView(bytes.buffer);
  bytes[1] = ENTRY_CODES.reading;
  putU64(view, 4, time);
  view.setUint32(12, subject);
  putU64(view, 16, seq);
  putU64(view, 24, session);
  bytes.set(hash, 32);
  bytes.set(sealSignature, 64);
  return bytes;
}

function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value / 2 ** 32);
  view.setUint32(at + 4, value % 2 ** 32);
}

/** @throws MetersealError `bad-entry` */
export function decodeEntry(bytes: Uint8Array): Entry {
  return decode(bytes, 'bad-entry');
}

function decode(bytes: Uint8Array, code: ErrorCode): Entry {
  const reader = new ByteReader(bytes, code);
  if (bytes.length > MAX_ENTRY_BYTES) reader.refuse(`an entry of ${bytes.length} bytes`);
  if (reader.u8() !== 0) reader.refuse('an unknown version');
  const type = nameOf(ENTRY_CODES, reader.u8(), reader);
  if (reader.u16() !== 0) reader.refuse('unknown flags');
  const time = reader.u64();
  const subject = reader.u32();
  const seq = reader.u64();
  const entry: Entry = { time, subject, seq, ...decodeBody(type, reader, seq) };
  reader.end();
  checkPlace(entry, reader);
  return entry;
}

/** Which entries belong to the box and which to a meter, and where `seq` counts. */
function checkPlace(entry: Entry, reader: ByteReader): void {
  const { type, subject, seq } = entry;
  switch (entry.type) {
    case 'enrolment':
      if (subject === 0 || seq !== 0) reader.refuse('an enrolment without a subject or with a number');
      break;
    case 'authentication':
      if ((subject === 0) !== (entry.reason === 'unknown-meter') || seq !== 0) {
        reader.refuse('an authentication out of place');
      }
      break;
    case 'session':
    case 'reading':
    case 'acknowledgement':
      if (subject === 0 || seq === 0) reader.refuse(`a ${type} without a subject or a number`);
      if (entry.type === 'acknowledgement' && !isHeldRange(entry.first, seq, entry.runningHash)) {
        reader.refuse(`an acknowledgement of ${entry.first}…${seq}`);
      }
      break;
    case 'event':
      if (seq === 0) reader.refuse('an event without a number');
      break;
    default:
      if (subject !== 0 || seq === 0) reader.refuse(`a ${type} of a meter or without a number`);
  }
}
