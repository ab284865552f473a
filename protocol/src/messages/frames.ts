import { ByteReader, ByteWriter } from '../bytes.js';
import { MAX_BATCH, MAX_RECORD_BYTES } from '../limits.js';
import type { Delivery } from './delivery.js';
import { readDelivery } from './delivery.js';
import type { Signed } from './signed.js';
import { readSigned } from './signed.js';

/*
 *   submission  1…1,000 × (u32 length of the rest | u64 session | sealed reading)              interface 1
 *   delivery    per meter: signed delivery | 1…1,000 × (u32 length | record)                   interface 2
 *               A record's length starts with a zero byte, a delivery's preamble does not: that tells them apart.
 */

/** One sealed reading on its way to the platform. `sealed` = signature[64] ‖ record. */
export type ReadingFrame = { readonly session: number; readonly sealed: Uint8Array };

export const SEAL_SIGNATURE_BYTES = 64;

export function encodeSubmission(frames: readonly ReadingFrame[]): Uint8Array {
  const to = new ByteWriter();
  for (const { session, sealed } of frames)
    to.u32(8 + sealed.length)
      .u64(session)
      .bytes(sealed);
  return to.done();
}

/** @throws MetersealError `bad-message`: nothing of a submission with bad framing is accepted */
export function decodeSubmission(body: Uint8Array): ReadingFrame[] {
  const from = new ByteReader(body, 'bad-message');
  const frames: ReadingFrame[] = [];
  while (from.left > 0) {
    if (frames.length === MAX_BATCH) from.refuse(`more than ${MAX_BATCH} frames`);
    const length = from.u32();
    if (length < 8 + SEAL_SIGNATURE_BYTES + 1 || length > 8 + SEAL_SIGNATURE_BYTES + MAX_RECORD_BYTES) {
      from.refuse(`a frame of ${length} bytes`);
    }
    frames.push({ session: from.u64(), sealed: from.bytes(length - 8) });
  }
  if (frames.length === 0) from.refuse('no frame');
  return frames;
}

/** What one meter delivers at once: its statement and the records that the collector may lack. */
export type DeliveryGroup = { readonly statement: Signed<Delivery>; readonly records: readonly Uint8Array[] };

/** @param signed the signed delivery as it goes over the wire */
export function encodeDeliveryGroup(signed: Uint8Array, records: readonly Uint8Array[]): Uint8Array {
  const to = new ByteWriter().bytes(signed);
  for (const record of records) to.u32(record.length).bytes(record);
  return to.done();
}

/** @throws MetersealError `bad-message` */
export function decodeDeliveryGroups(body: Uint8Array): DeliveryGroup[] {
  const from = new ByteReader(body, 'bad-message');
  const groups: DeliveryGroup[] = [];
  while (from.left > 0) {
    if (groups.length === MAX_BATCH) from.refuse(`more than ${MAX_BATCH} meters`);
    const statement = readSigned(body, from, readDelivery);
    const records: Uint8Array[] = [];
    while (from.left > 0 && body[from.at] === 0) {
      if (records.length === MAX_BATCH) from.refuse(`more than ${MAX_BATCH} records`);
      const length = from.u32();
      if (length < 1 || length > MAX_RECORD_BYTES) from.refuse(`a record of ${length} bytes`);
      records.push(from.bytes(length));
    }
    if (records.length === 0) from.refuse('a delivery without a record');
    groups.push({ statement, records });
  }
  if (groups.length === 0) from.refuse('no delivery');
  return groups;
}
