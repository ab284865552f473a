import { ENTRY_HEADER_BYTES, MAX_EVENT_BYTES, MetersealError } from '@meterseal/protocol';

/**
 * Entries as they come over the wire and lie in the mirror, (u16 length ‖ entry)*, without an object for each: entry i is
 * `bytes[bounds[2i], bounds[2i + 1])`. It is what the bulk hash takes.
 */
export type EntryList = { readonly bytes: Uint8Array; readonly bounds: Uint32Array };

/** Bytes of the longest entry there is, an event; with its length before it. */
export const MAX_LISTED_ENTRY_BYTES = 2 + ENTRY_HEADER_BYTES + MAX_EVENT_BYTES;

/** Bytes of the longest list of so many entries. */
export function entryListLimit(count: number): number {
  return count * MAX_LISTED_ENTRY_BYTES;
}

export function countOf({ bounds }: EntryList): number {
  return bounds.length / 2;
}

/**
 * An answer of GET /entries.
 *
 * @throws MetersealError `bad-message` unless there are exactly `count` entries
 */
export function readEntryList(bytes: Uint8Array, count: number): EntryList {
  const list = cutEntryList(bytes, count);
  if (countOf(list) < count) refuse(`entry ${countOf(list)} of ${count} is empty or ends early`);
  if (list.bytes.length < bytes.length) refuse(`more than ${count} entries`);
  return list;
}

/** The first `most` entries of `bytes`, or as many as stand there whole. */
export function cutEntryList(bytes: Uint8Array, most: number): EntryList {
  const bounds = new Uint32Array(2 * Math.min(most, Math.ceil(bytes.length / 2)));
  let at = 0;
  let i = 0;
  for (; i < bounds.length && at + 2 < bytes.length; i += 2) {
    const end = at + 2 + bytes[at]! * 256 + bytes[at + 1]!;
    if (end === at + 2 || end > bytes.length) break;
    bounds[i] = at + 2;
    bounds[i + 1] = end;
    at = end;
  }
  return { bytes: bytes.subarray(0, at), bounds: bounds.subarray(0, i) };
}

function refuse(why: string): never {
  throw new MetersealError('bad-message', `couldn't read entries: ${why}`);
}
