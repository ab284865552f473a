import { ENTRY_HEADER_BYTES, MAX_EVENT_BYTES, MetersealError } from '@meterseal/protocol';

/**
 * Entries one behind the other, without an object for each: entry i is `packed[offsets[i], offsets[i + 1])`. It is what
 * the bulk hash takes, and what the mirror keeps.
 */
export type PackedEntries = { readonly packed: Uint8Array; readonly offsets: Uint32Array };

/** Bytes of the longest entry there is, an event; with its length as it comes over the wire. */
const MAX_WIRE_ENTRY_BYTES = 2 + ENTRY_HEADER_BYTES + MAX_EVENT_BYTES;

/** Bytes of the longest answer with so many entries. */
export function entryListLimit(count: number): number {
  return count * MAX_WIRE_ENTRY_BYTES;
}

/**
 * An answer of GET /entries, (u16 length ‖ entry)*. The lengths are taken out in place, so `body` is used up.
 *
 * @throws MetersealError `bad-message` unless there are exactly `count` entries
 */
export function unpackEntryList(body: Uint8Array, count: number): PackedEntries {
  const offsets = new Uint32Array(count + 1);
  let from = 0;
  let to = 0;
  for (let i = 0; i < count; i++) {
    const start = from + 2;
    const length = start > body.length ? 0 : body[from]! * 256 + body[from + 1]!;
    if (length === 0 || start + length > body.length) refuse(`entry ${i} of ${count} is empty or ends early`);
    body.copyWithin(to, start, start + length);
    from = start + length;
    to += length;
    offsets[i + 1] = to;
  }
  if (from !== body.length) refuse(`more than ${count} entries`);
  return { packed: body.subarray(0, to), offsets };
}

function refuse(why: string): never {
  throw new MetersealError('bad-message', `couldn't read entries: ${why}`);
}
