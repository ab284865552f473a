import type { Holder } from '../commitment.js';
import type { AuthenticationReason, AuthenticationResult } from '../entry-body.js';

/*
 * The JSON bodies of interface 1 (field → chain). Keys, hashes and signatures are padded standard base64.
 */

export type EnrolmentRequest = {
  readonly meter: string;
  readonly holder: Holder;
  readonly code: string;
} & (
  | {
      /** One-time X25519 key: the platform issues the identity key and seals it to this. */ readonly sealTo: string;
    }
  | { /** The meter's own identity key. */ readonly publicKey: string }
);
export type EnrolmentAnswer = {
  readonly publicKey: string;
  readonly subject: number;
  readonly salt: string;
  readonly nonce: string;
  readonly offer?: string;
};

export type ConfirmRequest = {
  readonly meter: string;
  readonly publicKey: string;
  readonly signature: string;
};
export type ConfirmAnswer = { readonly index: number; readonly firstSeq: number };

export type ChallengeRequest = { readonly meter: string };
export type ChallengeAnswer = { readonly challenge: string; readonly origin: string };

export type AuthenticationRequest = {
  readonly meter: string;
  readonly challenge: string;
  readonly signature: string;
};
export type AuthenticationAnswer = {
  readonly result: AuthenticationResult;
  readonly reason: AuthenticationReason;
  /** Of its entry 02; absent where a rejection was only counted. */
  readonly index?: number;
};

export type SessionRequest = {
  readonly meter: string;
  /** Index of the accepted authentication's entry. */
  readonly authentication: number;
  readonly publicKey: string;
  readonly signature: string;
};
export type SessionAnswer = {
  readonly session: number;
  readonly expiresMs: number;
  /** The last reading that the chain holds of this meter: what reconciliation starts from. */
  readonly last: { readonly seq: number; readonly hash: string } | null;
  readonly index: number;
};

export const READING_RESULTS = [
  'accepted',
  'duplicate',
  'sequence-gap',
  'conflict',
  'session-unknown',
  'session-expired',
  'seal-invalid',
  'record-invalid',
  'meter-mismatch',
] as const;
export type ReadingResultCode = (typeof READING_RESULTS)[number];
export type ReadingResult = { readonly code: ReadingResultCode; readonly index?: number };
export type ReadingsAnswer = { readonly checkpoint: string; readonly results: readonly ReadingResult[] };

export type IndexAnswer = { readonly index: number };

export type ChainStatus = {
  readonly origin: string;
  readonly size: number;
  readonly height: number;
  readonly checkpoint: string;
  readonly meters: number;
  readonly sessions: number;
  readonly engine: string;
};

/** What every interface answers with a 4xx or 5xx. */
export type ErrorBody = { readonly code: string; readonly message: string; readonly hint: string };
