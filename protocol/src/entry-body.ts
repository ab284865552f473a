import type { ByteReader, ByteWriter } from './bytes.js';
import { fromUtf8 } from './bytes.js';
import type { EventBody } from './event.js';
import { decodeEvent, encodeEvent } from './event.js';
import { readKey } from './key.js';
import { MAX_STR_BYTES } from './limits.js';
import { nameOf } from './named-code.js';
import type { SwitchTransition } from './switch-transition.js';
import { decodeTransition, encodeTransition } from './switch-transition.js';

/*
 * The body of each entry type. key = raw Ed25519[32], sig[64], hash[32]; integers big-endian.
 *
 *   01 enrolment        meter commitment[32] | identity key[32] | holder commitment[32] | u8 origin | u64 first seq
 *   02 authentication   u8 result | u16 reason | SHA-256(authentication message)[32]
 *   03 session          u64 index of its 02 | session key[32] | u64 expires_ms | identity sig over the session message[64]
 *   04 reading          u64 session | reading hash[32] | signature of the seal[64]
 *   05 switch           switch-transition.ts
 *   06 verdict          collector key[32] | lease[16] | u64 size | u32 verified | u32 tampered | u32 unverifiable
 *                       | SHA-256(statement)[32] | sig over the statement[64]
 *   07 block-close      u64 height | previous root[32] | u64 first index | u32 count | boot id[16] | u8 clock | u8 witnessed
 *   08 anchor           u8 kind | u64 size | root[32] | receipt hash[32]
 *   09 epoch            u16 length ‖ previous origin (may be empty) | previous checkpoint hash[32]
 *                       | highest checkpoint hash known to any witness[32] | u8 reason | log key[32]
 *   0a event            JCS JSON (event.ts)
 *   0b acknowledgement  collector key[32] | u64 first | u64 time_ms | running hash[32] | collector sig[64]
 */

export const ENTRY_CODES = {
  enrolment: 1,
  authentication: 2,
  session: 3,
  reading: 4,
  switch: 5,
  verdict: 6,
  'block-close': 7,
  anchor: 8,
  epoch: 9,
  event: 10,
  acknowledgement: 11,
} as const;
export type EntryType = keyof typeof ENTRY_CODES;

/** Who made the identity key: the platform (`issued`, it once knew the secret) or the meter (`own`). */
export const KEY_ORIGINS = { issued: 1, own: 2 } as const;
export type KeyOrigin = keyof typeof KEY_ORIGINS;

export const AUTHENTICATION_RESULTS = { accepted: 1, rejected: 2 } as const;
export type AuthenticationResult = keyof typeof AUTHENTICATION_RESULTS;

export const AUTHENTICATION_REASONS = {
  none: 0,
  'unknown-meter': 1,
  'challenge-unknown': 2,
  'challenge-expired': 3,
  'bad-signature': 4,
  revoked: 5,
  'rate-limited': 6,
} as const;
export type AuthenticationReason = keyof typeof AUTHENTICATION_REASONS;

export const CLOCK_CODES = { synchronised: 0, holdover: 1, unsynchronised: 2, stepped: 3 } as const;

export const ANCHOR_KINDS = { cometbft: 1, fabric: 2, evm: 3, rfc3161: 4 } as const;
export const EPOCH_REASONS = { first: 0, rotation: 1, rollback: 2, clone: 3, lost: 4 } as const;

export type EntryBody =
  | {
      readonly type: 'enrolment';
      readonly meterCommitment: Uint8Array;
      readonly identityKey: Uint8Array;
      readonly holderCommitment: Uint8Array;
      readonly keyOrigin: KeyOrigin;
      readonly firstSeq: number;
    }
  | {
      readonly type: 'authentication';
      readonly result: AuthenticationResult;
      readonly reason: AuthenticationReason;
      readonly messageHash: Uint8Array;
    }
  | {
      readonly type: 'session';
      /** Index of the accepted authentication's entry. */
      readonly authentication: number;
      readonly sessionKey: Uint8Array;
      readonly expires: number;
      /** By the identity key, over the session message. */
      readonly signature: Uint8Array;
    }
  | {
      readonly type: 'reading';
      /** The session's number: the seq of its entry 03. */
      readonly session: number;
      readonly hash: Uint8Array;
      /** The first 64 bytes of the sealed reading. */
      readonly sealSignature: Uint8Array;
    }
  | ({ readonly type: 'switch' } & SwitchTransition)
  | {
      readonly type: 'verdict';
      readonly collectorKey: Uint8Array;
      readonly lease: Uint8Array;
      readonly size: number;
      readonly verified: number;
      readonly tampered: number;
      readonly unverifiable: number;
      readonly statementHash: Uint8Array;
      readonly signature: Uint8Array;
    }
  | {
      readonly type: 'block-close';
      readonly previousRoot: Uint8Array;
      readonly firstIndex: number;
      /** Entries of the block without this one. */
      readonly count: number;
      readonly bootId: Uint8Array;
      readonly clock: keyof typeof CLOCK_CODES;
      readonly witnessed: boolean;
    }
  | {
      readonly type: 'anchor';
      readonly kind: keyof typeof ANCHOR_KINDS;
      readonly size: number;
      readonly root: Uint8Array;
      readonly receiptHash: Uint8Array;
    }
  | {
      readonly type: 'epoch';
      /** Empty in the first epoch. */
      readonly previousOrigin: string;
      readonly previousCheckpoint: Uint8Array;
      readonly highestKnown: Uint8Array;
      readonly reason: keyof typeof EPOCH_REASONS;
      readonly logKey: Uint8Array;
    }
  | { readonly type: 'event'; readonly event: EventBody }
  | {
      readonly type: 'acknowledgement';
      readonly collectorKey: Uint8Array;
      readonly first: number;
      /** The collector's time of the acknowledgement. */
      readonly acknowledged: number;
      readonly runningHash: Uint8Array;
      readonly signature: Uint8Array;
    };

/** `seq` is the entry's: a block-close writes its height, which is the same number, into the body too. */
export function encodeBody(to: ByteWriter, body: EntryBody, seq: number): void {
  switch (body.type) {
    case 'enrolment':
      to.bytes(body.meterCommitment, 32).bytes(body.identityKey, 32).bytes(body.holderCommitment, 32);
      to.u8(KEY_ORIGINS[body.keyOrigin]).u64(body.firstSeq);
      break;
    case 'authentication':
      to.u8(AUTHENTICATION_RESULTS[body.result]).u16(AUTHENTICATION_REASONS[body.reason]);
      to.bytes(body.messageHash, 32);
      break;
    case 'session':
      to.u64(body.authentication).bytes(body.sessionKey, 32).u64(body.expires).bytes(body.signature, 64);
      break;
    case 'reading':
      to.u64(body.session).bytes(body.hash, 32).bytes(body.sealSignature, 64);
      break;
    case 'switch':
      encodeTransition(to, body);
      break;
    case 'verdict':
      to.bytes(body.collectorKey, 32).bytes(body.lease, 16).u64(body.size);
      to.u32(body.verified).u32(body.tampered).u32(body.unverifiable);
      to.bytes(body.statementHash, 32).bytes(body.signature, 64);
      break;
    case 'block-close':
      to.u64(seq).bytes(body.previousRoot, 32).u64(body.firstIndex).u32(body.count).bytes(body.bootId, 16);
      to.u8(CLOCK_CODES[body.clock]).u8(body.witnessed ? 1 : 0);
      break;
    case 'anchor':
      to.u8(ANCHOR_KINDS[body.kind]).u64(body.size).bytes(body.root, 32).bytes(body.receiptHash, 32);
      break;
    case 'epoch':
      if (body.previousOrigin === '') to.u16(0);
      else to.str(body.previousOrigin);
      to.bytes(body.previousCheckpoint, 32).bytes(body.highestKnown, 32);
      to.u8(EPOCH_REASONS[body.reason]).bytes(body.logKey, 32);
      break;
    case 'event':
      to.bytes(encodeEvent(body.event));
      break;
    case 'acknowledgement':
      to.bytes(body.collectorKey, 32).u64(body.first).u64(body.acknowledged);
      to.bytes(body.runningHash, 32).bytes(body.signature, 64);
  }
}

export function decodeBody(type: EntryType, from: ByteReader, seq: number): EntryBody {
  switch (type) {
    case 'enrolment':
      return {
        type,
        meterCommitment: from.bytes(32),
        identityKey: readKey(from),
        holderCommitment: from.bytes(32),
        keyOrigin: nameOf(KEY_ORIGINS, from.u8(), from),
        firstSeq: positive(from.u64(), from),
      };
    case 'authentication': {
      const result = nameOf(AUTHENTICATION_RESULTS, from.u8(), from);
      const reason = nameOf(AUTHENTICATION_REASONS, from.u16(), from);
      if ((result === 'accepted') !== (reason === 'none')) from.refuse(`${result} with reason ${reason}`);
      return { type, result, reason, messageHash: from.bytes(32) };
    }
    case 'session':
      return {
        type,
        authentication: from.u64(),
        sessionKey: readKey(from),
        expires: from.u64(),
        signature: from.bytes(64),
      };
    case 'reading':
      return {
        type,
        session: positive(from.u64(), from),
        hash: from.bytes(32),
        sealSignature: from.bytes(64),
      };
    case 'switch':
      return { type, ...decodeTransition(from) };
    case 'verdict':
      return {
        type,
        collectorKey: readKey(from),
        lease: from.bytes(16),
        size: from.u64(),
        verified: from.u32(),
        tampered: from.u32(),
        unverifiable: from.u32(),
        statementHash: from.bytes(32),
        signature: from.bytes(64),
      };
    case 'block-close': {
      if (from.u64() !== seq) from.refuse('a height that is not the number of its entry');
      const previousRoot = from.bytes(32);
      const firstIndex = from.u64();
      const count = positive(from.u32(), from);
      const bootId = from.bytes(16);
      const clock = nameOf(CLOCK_CODES, from.u8(), from);
      return {
        type,
        previousRoot,
        firstIndex,
        count,
        bootId,
        clock,
        witnessed: from.oneOf([0, 1], 'witnessed') === 1,
      };
    }
    case 'anchor':
      return {
        type,
        kind: nameOf(ANCHOR_KINDS, from.u8(), from),
        size: from.u64(),
        root: from.bytes(32),
        receiptHash: from.bytes(32),
      };
    case 'epoch': {
      const length = from.u16();
      if (length > MAX_STR_BYTES) from.refuse(`an origin of ${length} bytes`);
      const previousOrigin = fromUtf8(from.bytes(length), 'bad-entry');
      return {
        type,
        previousOrigin,
        previousCheckpoint: from.bytes(32),
        highestKnown: from.bytes(32),
        reason: nameOf(EPOCH_REASONS, from.u8(), from),
        logKey: readKey(from),
      };
    }
    case 'event':
      return { type, event: decodeEvent(from.bytes(from.left)) };
    case 'acknowledgement':
      return {
        type,
        collectorKey: readKey(from),
        first: positive(from.u64(), from),
        acknowledged: from.u64(),
        runningHash: from.bytes(32),
        signature: from.bytes(64),
      };
  }
}

function positive(value: number, from: ByteReader): number {
  if (value === 0) from.refuse('a zero where numbers start at 1');
  return value;
}
