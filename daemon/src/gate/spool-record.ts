import { createHash } from 'node:crypto';
import type { SwitchState, SwitchTransition } from '@meterseal/protocol';
import {
  ByteReader,
  ByteWriter,
  concat,
  isMetersealError,
  SWITCH_STATES,
  transitionBytes,
  transitionFromBytes,
} from '@meterseal/protocol';

/*
 * The spool of transitions is a row of records:
 *
 *   u16 length of the body | check[8] | body                       check = the first bytes of SHA-256(body)
 *
 *   body  u8 1 | u64 seq | transition     body of entry 05         spooled, numbered seq
 *         u8 2 | u64 seq                                           the chain has everything up to seq
 *         u8 3 | u64 seq | u8 state                                numbering goes on after seq, where the chain is in
 *                                                                  `state`; what was spooled above it is void
 */

export type SpoolRecord =
  | { readonly kind: 'transition'; readonly seq: number; readonly transition: SwitchTransition }
  | { readonly kind: 'committed'; readonly seq: number }
  | { readonly kind: 'base'; readonly seq: number; readonly state: SwitchState };

const KINDS = { transition: 1, committed: 2, base: 3 } as const;
const HEAD_BYTES = 10;
const CHECK_BYTES = 8;
/** Bytes of one record's body: a transition with eight witnesses needs 98. */
const MAX_BODY_BYTES = 128;
/** What a power cut can leave behind is the last record, and marks before it that were not yet on the disk. */
const MAX_TORN_BYTES = 1_024;

export function encodeSpoolRecord(record: SpoolRecord): Uint8Array {
  const to = new ByteWriter().u8(KINDS[record.kind]).u64(record.seq);
  if (record.kind === 'transition') to.bytes(transitionBytes(record.transition));
  if (record.kind === 'base') to.u8(SWITCH_STATES[record.state]);
  const body = to.done();
  return concat(new ByteWriter().u16(body.length).bytes(checkOf(body)).done(), body);
}

export type SpoolContent = {
  readonly records: readonly SpoolRecord[];
  /** Bytes of the whole records, from the start of the file. */
  readonly length: number;
  /** `torn`: the last write was cut off. `damaged`: more than that is wrong. */
  readonly tail: 'clean' | 'torn' | 'damaged';
};

/** Reads records up to the first one that is not whole. Never throws. */
export function readSpool(bytes: Uint8Array): SpoolContent {
  const records: SpoolRecord[] = [];
  let at = 0;
  for (;;) {
    const left = bytes.length - at;
    if (left === 0) return { records, length: at, tail: 'clean' };
    const read = readRecord(bytes.subarray(at));
    if (read === null) return { records, length: at, tail: left <= MAX_TORN_BYTES ? 'torn' : 'damaged' };
    records.push(read.record);
    at += read.length;
  }
}

function readRecord(bytes: Uint8Array): { record: SpoolRecord; length: number } | null {
  if (bytes.length < HEAD_BYTES) return null;
  const length = bytes[0]! * 256 + bytes[1]!;
  if (length > MAX_BODY_BYTES || bytes.length < HEAD_BYTES + length) return null;
  const body = bytes.slice(HEAD_BYTES, HEAD_BYTES + length);
  if (!checkOf(body).every((byte, i) => byte === bytes[2 + i])) return null;
  try {
    return { record: decodeBody(body), length: HEAD_BYTES + length };
  } catch (error) {
    if (isMetersealError(error)) return null;
    throw error;
  }
}

function decodeBody(body: Uint8Array): SpoolRecord {
  const from = new ByteReader(body, 'bad-encoding');
  const kind = from.oneOf([KINDS.transition, KINDS.committed, KINDS.base], 'kind');
  const seq = from.u64();
  if (kind === KINDS.transition)
    return { kind: 'transition', seq, transition: transitionFromBytes(body.slice(from.at)) };
  if (kind === KINDS.committed) {
    from.end();
    return { kind: 'committed', seq };
  }
  const code = from.u8();
  from.end();
  const state = (Object.keys(SWITCH_STATES) as SwitchState[]).find((name) => SWITCH_STATES[name] === code);
  return { kind: 'base', seq, state: state ?? from.refuse('an unlisted state') };
}

function checkOf(body: Uint8Array): Uint8Array {
  return createHash('sha256').update(body).digest().subarray(0, CHECK_BYTES);
}
