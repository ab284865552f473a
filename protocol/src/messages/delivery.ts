import type { ByteReader } from '../bytes.js';
import { equalBytes } from '../bytes.js';
import { RUNNING_HASH_START } from '../commitment.js';
import { readKey } from '../key.js';
import { nameOf } from '../named-code.js';
import type { MeterRef } from './preamble.js';
import { finishMessage, preamble, readMeter, startMessage, writeMeter } from './preamble.js';

/*
 *   delivery         PRE | str PID | S | collector key[32] | u64 first | u64 to | running hash(to)[32]     identity key
 *   gap              PRE | str PID | S | collector key[32] | u64 from | u64 to | u8 reason                 identity key
 *   acknowledgement  PRE | str PID | S | collector key[32] | u64 first | u64 seq | running hash(seq)[32]
 *                    | u64 time_ms                                                                         collector key
 */

/** "Everything from `first` to `to` hashes to this": what the meter's identity key says of each delivery. */
export type Delivery = {
  readonly platformId: string;
  readonly meter: MeterRef;
  readonly collectorKey: Uint8Array;
  readonly first: number;
  readonly to: number;
  readonly runningHash: Uint8Array;
};

export const GAP_REASONS = { 'dropped-by-policy': 1, 'lost-by-field': 2 } as const;
export type GapReason = keyof typeof GAP_REASONS;

/** Numbers that will never be delivered. The running hash starts anew behind them. */
export type Gap = {
  readonly platformId: string;
  readonly meter: MeterRef;
  readonly collectorKey: Uint8Array;
  readonly from: number;
  readonly to: number;
  readonly reason: GapReason;
};

/** "I hold everything from `first` to `seq`, on disk": what the collector's key says. */
export type Acknowledgement = {
  readonly platformId: string;
  readonly meter: MeterRef;
  readonly collectorKey: Uint8Array;
  readonly first: number;
  readonly seq: number;
  readonly runningHash: Uint8Array;
  /** The collector's clock, milliseconds since 1970. */
  readonly time: number;
};

/** @throws MetersealError `bad-argument` */
export function encodeDelivery(delivery: Delivery): Uint8Array {
  const to = writeMeter(startMessage('delivery').str(delivery.platformId), delivery.meter);
  to.bytes(delivery.collectorKey, 32).u64(delivery.first).u64(delivery.to);
  return finishMessage(to.bytes(delivery.runningHash, 32), readDelivery);
}

/** Reads a delivery from where the reader stands; its signature and records follow. */
export function readDelivery(from: ByteReader): Delivery {
  from.expect(preamble('delivery'), 'preamble');
  const delivery = {
    platformId: from.str(),
    meter: readMeter(from),
    collectorKey: readKey(from),
    first: from.u64(),
    to: from.u64(),
    runningHash: from.bytes(32),
  };
  checkRange(delivery.first, delivery.to, from);
  return delivery;
}

/** @throws MetersealError `bad-argument` */
export function encodeGap(gap: Gap): Uint8Array {
  const to = writeMeter(startMessage('gap').str(gap.platformId), gap.meter);
  to.bytes(gap.collectorKey, 32).u64(gap.from).u64(gap.to).u8(GAP_REASONS[gap.reason]);
  return finishMessage(to, readGap);
}

/** Reads a gap statement from where the reader stands; its signature follows. */
export function readGap(from: ByteReader): Gap {
  from.expect(preamble('gap'), 'preamble');
  const gap = {
    platformId: from.str(),
    meter: readMeter(from),
    collectorKey: readKey(from),
    from: from.u64(),
    to: from.u64(),
    reason: nameOf(GAP_REASONS, from.u8(), from),
  };
  checkRange(gap.from, gap.to, from);
  return gap;
}

/** @throws MetersealError `bad-argument` */
export function encodeAcknowledgement(acknowledgement: Acknowledgement): Uint8Array {
  const to = writeMeter(
    startMessage('acknowledgement').str(acknowledgement.platformId),
    acknowledgement.meter,
  );
  to.bytes(acknowledgement.collectorKey, 32).u64(acknowledgement.first).u64(acknowledgement.seq);
  to.bytes(acknowledgement.runningHash, 32).u64(acknowledgement.time);
  return finishMessage(to, readAcknowledgement);
}

/** Reads an acknowledgement from where the reader stands; its signature follows. */
export function readAcknowledgement(from: ByteReader): Acknowledgement {
  from.expect(preamble('acknowledgement'), 'preamble');
  const acknowledgement = {
    platformId: from.str(),
    meter: readMeter(from),
    collectorKey: readKey(from),
    first: from.u64(),
    seq: from.u64(),
    runningHash: from.bytes(32),
    time: from.u64(),
  };
  const { first, seq, runningHash } = acknowledgement;
  if (!isHeldRange(first, seq, runningHash)) from.refuse(`the range ${first}…${seq}`);
  return acknowledgement;
}

/**
 * Whether a collector can hold `first`…`seq` under this running hash. Behind a gap nothing may be held yet: then `seq`
 * is the gap's last number, one below `first`, and the hash is at its start.
 */
export function isHeldRange(first: number, seq: number, runningHash: Uint8Array): boolean {
  if (first < 1 || seq < 1) return false;
  return seq >= first || (seq + 1 === first && equalBytes(runningHash, RUNNING_HASH_START));
}

function checkRange(first: number, last: number, from: ByteReader): void {
  if (first === 0 || last < first) from.refuse(`the range ${first}…${last}`);
}
