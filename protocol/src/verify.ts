import { equalBytes } from './bytes.js';
import { meterCommitment } from './commitment.js';
import type { Crypto } from './crypto.js';
import type { EntryOf } from './entry.js';
import { decodeEntry } from './entry.js';
import type { EntryType, KeyOrigin } from './entry-body.js';
import { MetersealError } from './errors.js';
import { leafHash } from './merkle/hash.js';
import { verifyInclusion } from './merkle/verify-proof.js';
import { sessionMessage } from './messages/identity.js';
import type { Policy } from './policy.js';
import { openCheckpoint } from './policy.js';
import type { Proof } from './proof.js';
import { decodeProof } from './proof.js';
import type { ReadingRecord } from './record.js';
import { decodeRecord, parseTime, readingHash } from './record.js';

/** What a proof that holds says. */
export type VerifiedReading = {
  readonly record: ReadingRecord;
  readonly recordBytes: Uint8Array;
  readonly subject: number;
  /** Of the reading's entry. */
  readonly index: number;
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly identityKey: Uint8Array;
  /** `issued`: the platform once knew the identity's secret. */
  readonly keyOrigin: KeyOrigin;
  /** When the platform committed the reading, milliseconds since 1970. */
  readonly anchoredAt: number;
  /** When the meter was read, milliseconds since 1970. */
  readonly readAt: number;
  /** Names of the witnesses whose cosignature holds, and whether the policy asks for any. */
  readonly witnesses: readonly string[];
  readonly quorum: 'none' | 'reached';
  /** True if the identity key is the one that the caller named: else the meter's identity is the platform's word. */
  readonly identityPinned: boolean;
  readonly warnings: readonly VerificationWarning[];
};

export type VerificationWarning = 'committed-after-session-expiry' | 'void-record';

/**
 * Verifies a proof file from record to checkpoint, as docs/verify.md describes it: policy → inclusions → one subject →
 * opening → accepted authentication → session → seal → hash, meter and number. It does not examine revocation.
 *
 * @param bytes the proof file; from anybody
 * @param policy whose word counts
 * @param identity an identity key to insist on
 * @throws MetersealError `bad-proof`, `bad-record`, `bad-entry`, `bad-checkpoint`, `policy-refused`,
 *   `inclusion-invalid`, `proof-invalid`
 */
export function verifyProof(
  crypto: Crypto,
  policy: Policy,
  bytes: Uint8Array,
  identity?: Uint8Array,
): VerifiedReading {
  const proof = decodeProof(bytes);
  const { checkpoint, witnesses, quorum } = openCheckpoint(crypto, policy, proof.note);
  for (const { index, entry, inclusion } of proof.entries) {
    const leaf = leafHash(crypto, entry);
    const { size, root } = checkpoint;
    verifyInclusion(crypto, { index, size, leafHash: leaf, proof: inclusion, root });
  }
  const chain = chainOf(proof);
  checkOpening(crypto, proof, chain.enrolment);
  if (identity !== undefined && !equalBytes(identity, chain.enrolment.identityKey)) {
    refuse('the enrolled identity key is not the one that was named');
  }
  checkSession(crypto, proof, checkpoint.origin, chain);
  const record = checkReading(crypto, proof, chain);

  const warnings: VerificationWarning[] = [];
  if (chain.reading.time > chain.session.expires) warnings.push('committed-after-session-expiry');
  if (record.void !== undefined) warnings.push('void-record');
  return {
    record,
    recordBytes: proof.record,
    subject: proof.subject,
    index: proof.entries[3].index,
    origin: checkpoint.origin,
    size: checkpoint.size,
    root: checkpoint.root,
    identityKey: chain.enrolment.identityKey,
    keyOrigin: chain.enrolment.keyOrigin,
    anchoredAt: chain.reading.time,
    readAt: parseTime(record.time),
    witnesses,
    quorum,
    identityPinned: identity !== undefined,
    warnings,
  };
}

type ProofChain = {
  readonly enrolment: EntryOf<'enrolment'>;
  readonly authentication: EntryOf<'authentication'>;
  readonly session: EntryOf<'session'>;
  readonly reading: EntryOf<'reading'>;
};

function chainOf(proof: Proof): ProofChain {
  const at = <T extends EntryType>(position: 0 | 1 | 2 | 3, type: T): EntryOf<T> => {
    const entry = decodeEntry(proof.entries[position].entry);
    if (entry.type !== type) refuse(`entry ${position + 1} is a ${entry.type}, not a ${type}`);
    if (entry.subject !== proof.subject) refuse(`entry ${position + 1} belongs to another subject`);
    return entry as EntryOf<T>;
  };
  return {
    enrolment: at(0, 'enrolment'),
    authentication: at(1, 'authentication'),
    session: at(2, 'session'),
    reading: at(3, 'reading'),
  };
}

function checkOpening(crypto: Crypto, proof: Proof, enrolment: EntryOf<'enrolment'>): void {
  const commitment = meterCommitment(crypto, proof.salt, proof.meter);
  if (!equalBytes(commitment, enrolment.meterCommitment)) refuse('the opening does not open the enrolment');
}

function checkSession(crypto: Crypto, proof: Proof, origin: string, chain: ProofChain): void {
  const { enrolment, authentication, session } = chain;
  if (authentication.result !== 'accepted') refuse('the authentication was rejected');
  if (session.authentication !== proof.entries[1].index) refuse('the session names another authentication');
  const message = sessionMessage({
    origin,
    meter: { subject: proof.subject, commitment: enrolment.meterCommitment },
    authenticationHash: authentication.messageHash,
    sessionKey: session.sessionKey,
  });
  if (!crypto.verify(enrolment.identityKey, message, session.signature)) {
    refuse("the identity key did not sign the session's key");
  }
}

function checkReading(crypto: Crypto, proof: Proof, chain: ProofChain): ReadingRecord {
  const { enrolment, session, reading } = chain;
  if (reading.session !== session.seq) refuse('the reading names another session');
  if (!crypto.verify(session.sessionKey, proof.record, reading.sealSignature)) {
    refuse('the session key did not seal the record');
  }
  if (!equalBytes(readingHash(crypto, proof.record), reading.hash))
    refuse('the record does not hash to the entry');
  const record = decodeRecord(proof.record);
  if (record.meter !== proof.meter) refuse('the record is of another meter');
  if (record.seq !== reading.seq) refuse('the record has another number than the entry');
  if (reading.seq < enrolment.firstSeq) refuse("the reading's number is below the enrolment's first");
  return record;
}

function refuse(why: string): never {
  throw new MetersealError('proof-invalid', `couldn't verify proof: ${why}`);
}
