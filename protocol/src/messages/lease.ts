import { ByteReader, ByteWriter } from '../bytes.js';
import { readKey } from '../key.js';
import { nameOf } from '../named-code.js';
import type { LeasePurpose } from '../switch-transition.js';
import { LEASE_PURPOSES } from '../switch-transition.js';
import { finishMessage, preamble, startMessage } from './preamble.js';

/*
 *   lease   PRE | str PID | collector key[32] | lease[16] | u64 counter | u8 action | u8 purpose | u32 max_ms   collector key
 *   answer  u8 result | lease[16] | u16 port | u32 granted_ms                                                   unsigned
 *
 * One request per connection; the port is where the comparison is served while connected.
 */

export const LEASE_ACTIONS = { connect: 1, release: 2 } as const;
export type LeaseAction = keyof typeof LEASE_ACTIONS;

export type LeaseRequest = {
  readonly platformId: string;
  readonly collectorKey: Uint8Array;
  readonly lease: Uint8Array;
  /** Rises with every request of this key: a recorded request cannot be replayed. */
  readonly counter: number;
  readonly action: LeaseAction;
  readonly purpose: LeasePurpose;
  readonly max: number;
};

export const LEASE_RESULTS = { connected: 0, refused: 1, busy: 2, fault: 3 } as const;
export type LeaseResult = keyof typeof LEASE_RESULTS;

export type LeaseAnswer = {
  readonly result: LeaseResult;
  readonly lease: Uint8Array;
  readonly port: number;
  readonly granted: number;
};

export const LEASE_ANSWER_BYTES = 23;

/**
 * How every request to one platform begins: a control port can refuse others at their first byte.
 *
 * @throws MetersealError `bad-argument`
 */
export function leaseRequestHead(platformId: string): Uint8Array {
  return startMessage('lease').str(platformId).done();
}

/** Bytes of a request behind its head, without the signature. */
export const LEASE_REQUEST_TAIL_BYTES = 32 + 16 + 8 + 1 + 1 + 4;

/** @throws MetersealError `bad-argument` */
export function encodeLeaseRequest(request: LeaseRequest): Uint8Array {
  const to = startMessage('lease').str(request.platformId).bytes(request.collectorKey, 32);
  to.bytes(request.lease, 16).u64(request.counter).u8(LEASE_ACTIONS[request.action]);
  return finishMessage(to.u8(LEASE_PURPOSES[request.purpose]).u32(request.max), readLeaseRequest);
}

/** Reads a lease request from where the reader stands; its signature follows. */
export function readLeaseRequest(from: ByteReader): LeaseRequest {
  from.expect(preamble('lease'), 'preamble');
  return {
    platformId: from.str(),
    collectorKey: readKey(from),
    lease: from.bytes(16),
    counter: from.u64(),
    action: nameOf(LEASE_ACTIONS, from.u8(), from),
    purpose: nameOf(LEASE_PURPOSES, from.u8(), from),
    max: from.u32(),
  };
}

export function encodeLeaseAnswer(answer: LeaseAnswer): Uint8Array {
  const to = new ByteWriter().u8(LEASE_RESULTS[answer.result]).bytes(answer.lease, 16);
  return to.u16(answer.port).u32(answer.granted).done();
}

/** @throws MetersealError `bad-message` */
export function decodeLeaseAnswer(bytes: Uint8Array): LeaseAnswer {
  const from = new ByteReader(bytes, 'bad-message');
  const answer = {
    result: nameOf(LEASE_RESULTS, from.u8(), from),
    lease: from.bytes(16),
    port: from.u16(),
    granted: from.u32(),
  };
  from.end();
  return answer;
}
