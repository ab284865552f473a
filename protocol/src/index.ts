export * from './bytes.js';
export * from './checkpoint.js';
export * from './commitment.js';
export * from './crypto.js';
export * from './entry.js';
export * from './entry-body.js';
export * from './errors.js';
export * from './event.js';
export * from './key.js';
export * from './limits.js';
export * from './merkle/compact-range.js';
export * from './merkle/hash.js';
export * from './merkle/proof-plan.js';
export * from './merkle/verify-proof.js';
export * from './messages/answer-head.js';
export * from './messages/delivery.js';
export * from './messages/frames.js';
export * from './messages/identity.js';
export * from './messages/interface-1.js';
export * from './messages/interface-2.js';
export * from './messages/lease.js';
export * from './messages/offer.js';
export * from './messages/preamble.js';
export * from './messages/signed.js';
export * from './messages/verdict.js';
export * from './note.js';
export * from './obis.js';
export * from './pack.js';
export {
  isCanonicalScalar,
  isPossibleSignature,
  isPrimeOrderPoint,
  isSmallOrderEncoding,
} from './point.js';
export * from './policy.js';
export * from './policy-file.js';
export * from './proof.js';
export * from './record.js';
export * from './switch-transition.js';
export * from './tiles.js';
export * from './verdict.js';
export * from './verifier-key.js';
export * from './verify.js';
