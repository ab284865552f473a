import type { ReadingRecord } from '@meterseal/protocol';
import { decodeRecord, toHex } from '@meterseal/protocol';

/** A reading as it travels through a flow. */
export type ReadingMessage = {
  /** The meter's ID. */
  topic: string;
  /** Its values as numbers, for charts: see `payloadOf`. */
  payload: Record<string, number>;
  /** The record, untouched: what is sealed and verified. */
  reading: ReadingRecord;
  collector: {
    /** When it was stored, `YYYY-MM-DDThh:mm:ss.sssZ`. */
    receivedAt: string;
    /** True if other bytes were held under its number already. */
    conflict: boolean;
    /** SHA-256 of the record, in hex. */
    hash: string;
  };
};

/** What a stored record becomes. @param hash of the record */
export function readingMessage(
  record: ReadingRecord,
  received: number,
  conflict: boolean,
  hash: Uint8Array,
): ReadingMessage {
  return {
    topic: record.meter,
    payload: payloadOf(record),
    reading: record,
    collector: { receivedAt: new Date(received).toISOString(), conflict, hash: toHex(hash) },
  };
}

/**
 * Values as numbers by OBIS code. What a meter measures for itself (`1-0:`) goes by the rest of its code: `1.8.0`. A value
 * that is missing has no key. Numbers are for charts and limits; the exact decimals are in the record.
 */
export function payloadOf(record: ReadingRecord): Record<string, number> {
  const payload: Record<string, number> = {};
  for (const { obis, value } of record.values) {
    if (value !== undefined) payload[obis.startsWith('1-0:') ? obis.slice(4) : obis] = Number(value);
  }
  return payload;
}

/** A record from its bytes, or undefined where they are none any more. */
export function recordOf(bytes: Uint8Array): ReadingRecord | undefined {
  try {
    return decodeRecord(bytes);
  } catch {
    // Whoever changed the stored bytes may have made them anything.
    return undefined;
  }
}
