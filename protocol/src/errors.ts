/**
 * Every code that a meterseal error can carry. Codes are stable: programs and operators rely on them.
 *
 * The first group is for bytes that do not follow docs/formats.md; the second is what interface 1 answers;
 * the third is what interface 2 answers; the rest concerns configuration, state and devices.
 */
export type ErrorCode =
  // malformed bytes and messages
  | 'bad-encoding'
  | 'bad-record'
  | 'bad-entry'
  | 'bad-message'
  | 'bad-checkpoint'
  | 'bad-policy'
  | 'bad-proof'
  | 'bad-key'
  | 'bad-argument'
  | 'too-large'
  // verification
  | 'signature-invalid'
  | 'policy-refused'
  | 'inclusion-invalid'
  | 'consistency-invalid'
  | 'proof-invalid'
  // interface 1
  | 'unknown-meter'
  | 'wrong-holder'
  | 'wrong-code'
  | 'code-used'
  | 'already-enrolled'
  | 'no-offer'
  | 'challenge-unknown'
  | 'challenge-expired'
  | 'bad-signature'
  | 'revoked'
  | 'rate-limited'
  | 'authentication-unknown'
  | 'authentication-used'
  | 'sequence-gap'
  | 'conflict'
  | 'session-unknown'
  | 'session-expired'
  | 'seal-invalid'
  | 'record-invalid'
  | 'meter-mismatch'
  | 'acknowledgement-behind'
  | 'transition-refused'
  | 'lease-replayed'
  // interface 2
  | 'unauthorised'
  | 'opening-conflict'
  | 'statement-refused'
  | 'delivery-gap'
  // transport and devices
  | 'bad-request'
  | 'internal'
  | 'not-found'
  | 'unreachable'
  | 'timeout'
  | 'stopped'
  | 'link-denied'
  | 'link-fault'
  | 'busy'
  | 'port-failed'
  | 'frame-invalid'
  | 'meter-exception'
  | 'no-answer'
  // configuration and state
  | 'misuse'
  | 'bad-config'
  | 'bad-profile'
  | 'unknown-profile'
  | 'bad-roster'
  | 'file-missing'
  | 'file-unusable'
  | 'file-damaged'
  | 'state-in-use'
  | 'state-readonly'
  | 'socket-path-too-long'
  | 'address-in-use'
  | 'addon-missing'
  | 'addon-failed'
  // fatal
  | 'commit-failed'
  | 'chain-damaged'
  | 'behind-witness'
  | 'disk-full';

export interface ErrorDetails {
  /** What the operator can do about it, one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** The one error class of meterseal: a stable code, a message "couldn't <verb> <noun>: …", a hint. */
export class MetersealError extends Error {
  override readonly name = 'MetersealError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
  }
}

/** True for a MetersealError, with one of `codes` if any are given. */
export function isMetersealError(error: unknown, ...codes: ErrorCode[]): error is MetersealError {
  return error instanceof MetersealError && (codes.length === 0 || codes.includes(error.code));
}
