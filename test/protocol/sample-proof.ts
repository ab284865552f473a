import type { SigningKey } from '@meterseal/native';
import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import {
  ALG_COSIGNATURE,
  ALG_ED25519,
  authenticationMessage,
  cosign,
  decodeEntry,
  type Entry,
  type EntryOf,
  encodeEntry,
  encodeProof,
  encodeRecord,
  formatCheckpoint,
  formatNote,
  formatTime,
  formatVerifierKey,
  type MeterRef,
  meterCommitment,
  type NoteSignature,
  type Policy,
  type Proof,
  type ProvenEntry,
  parseNote,
  parsePolicy,
  type ReadingRecord,
  readingHash,
  sessionMessage,
  signNote,
  toBase64Url,
  verifierKeyOf,
} from '@meterseal/protocol';
import { NaiveTree } from './merkle/naive-tree.js';

/** Keys of the play, by the number that their seed is filled with. */
export const key = (n: number): SigningKey => crypto.keyFromSeed(new Uint8Array(32).fill(n));
export const LOG_KEY = key(1);
export const WITNESS_KEY = key(2);
export const IDENTITY_KEY = key(3);
export const SESSION_KEY = key(4);

export const ORIGIN = 'operator.example/meterseal/box/2';
export const METER = 'EM:0007.B';
export const SALT = new Uint8Array(16).fill(7);
export const START = Date.UTC(2026, 0, 2);
const WITNESS = 'witness.example/w1';

/** What a liar changes. Everything that follows from it is made to fit, so that one lie stands alone. */
export interface Lies {
  readonly record?: Partial<ReadingRecord>;
  readonly enrolment?: Partial<EntryOf<'enrolment'>>;
  readonly authentication?: Partial<EntryOf<'authentication'>>;
  readonly session?: Partial<EntryOf<'session'>>;
  readonly reading?: Partial<EntryOf<'reading'>>;
  readonly opening?: Partial<Pick<Proof, 'meter' | 'salt' | 'subject'>>;
  /** Origin that the identity key signs into the session. */
  readonly signedOrigin?: string;
  /** How the session message names its meter. */
  readonly signedMeter?: Partial<MeterRef>;
  readonly signedSessionKey?: Uint8Array;
  readonly identitySigner?: SigningKey;
  readonly sealer?: SigningKey;
  /** The record in the file, where it is not the one that was sealed. */
  readonly shownRecord?: Uint8Array;
  readonly checkpointOrigin?: string;
  readonly extensions?: readonly string[];
  readonly logSigner?: SigningKey;
  readonly cosigner?: SigningKey | null;
  /** The session stands before the authentication that it names. */
  readonly sessionFirst?: true;
}

export interface SampleProof {
  readonly file: Uint8Array;
  readonly proof: Proof;
  readonly record: ReadingRecord;
  readonly recordBytes: Uint8Array;
  readonly root: Uint8Array;
  readonly size: number;
}

export const policyText = (quorum: 'none' | 'w') => {
  const log = formatVerifierKey(verifierKeyOf(crypto, ORIGIN, ALG_ED25519, LOG_KEY.publicKey));
  const witness = formatVerifierKey(verifierKeyOf(crypto, WITNESS, ALG_COSIGNATURE, WITNESS_KEY.publicKey));
  return `log ${log}\nwitness w ${witness}\nquorum ${quorum}\n`;
};
export const samplePolicy = (quorum: 'none' | 'w' = 'w'): Policy => parsePolicy(crypto, policyText(quorum));

/**
 * One meter's way through a small log — enrolment, authentication, session, five readings, each block closed — and the
 * proof of its fifth reading.
 */
export function sampleProof(lies: Lies = {}): SampleProof {
  const meter = { subject: 3, commitment: meterCommitment(crypto, SALT, METER) };
  const log = new SampleLog();
  log.append({ type: 'epoch', subject: 0, seq: 2, ...EPOCH });
  log.close();

  const enrolment = log.append({
    type: 'enrolment',
    subject: meter.subject,
    seq: 0,
    meterCommitment: meter.commitment,
    identityKey: IDENTITY_KEY.publicKey,
    holderCommitment: new Uint8Array(32).fill(9),
    keyOrigin: 'own',
    firstSeq: 41,
    ...lies.enrolment,
  });
  log.close();

  const challenge = new Uint8Array(32).fill(5);
  const messageHash = crypto.sha256(authenticationMessage({ origin: ORIGIN, meter, challenge }));
  const expires = START + 60_000;
  const appendSession = (authenticationIndex: number): number => {
    const message = sessionMessage({
      origin: lies.signedOrigin ?? ORIGIN,
      meter: { ...meter, ...lies.signedMeter },
      authenticationHash: lies.authentication?.messageHash ?? messageHash,
      sessionKey: lies.signedSessionKey ?? lies.session?.sessionKey ?? SESSION_KEY.publicKey,
    });
    return log.append({
      type: 'session',
      subject: meter.subject,
      seq: 12,
      authentication: authenticationIndex,
      sessionKey: SESSION_KEY.publicKey,
      expires,
      signature: (lies.identitySigner ?? IDENTITY_KEY).sign(message),
      ...lies.session,
    });
  };
  const early = lies.sessionFirst ? appendSession(log.entries.length + 1) : undefined;
  const authentication = log.append({
    type: 'authentication',
    subject: meter.subject,
    seq: 0,
    result: 'accepted',
    reason: 'none',
    messageHash,
    ...lies.authentication,
  });
  const session = early ?? appendSession(authentication);
  log.close();

  let record = sampleRecord(41);
  let recordBytes = encodeRecord(record);
  let reading = 0;
  for (let seq = 41; seq <= 45; seq++) {
    const last = seq === 45;
    record = { ...sampleRecord(seq), ...(last ? lies.record : {}) };
    recordBytes = encodeRecord(record);
    reading = log.append({
      type: 'reading',
      subject: meter.subject,
      seq,
      session: 12,
      hash: readingHash(crypto, recordBytes),
      sealSignature: (lies.sealer ?? SESSION_KEY).sign(recordBytes),
      ...(last ? lies.reading : {}),
    });
  }
  log.close();

  const size = log.entries.length;
  const tree = new NaiveTree(log.entries);
  const proven = (index: number): ProvenEntry => ({
    index,
    entry: log.entries[index]!,
    inclusion: tree.inclusion(index, size),
  });
  const order = lies.sessionFirst
    ? [enrolment, session, authentication, reading]
    : [enrolment, authentication, session, reading];
  const root = tree.root(size);
  const proof: Proof = {
    record: lies.shownRecord ?? recordBytes,
    meter: METER,
    salt: SALT,
    subject: meter.subject,
    entries: order.map(proven) as unknown as Proof['entries'],
    note: sampleNote(lies, size, root),
    ...lies.opening,
  };
  return { file: encodeProof(proof), proof, record, recordBytes, root, size };
}

export function sampleRecord(seq: number): ReadingRecord {
  return {
    v: 0,
    meter: METER,
    seq,
    time: formatTime(START + seq * 1_000),
    span: 12,
    clock: 'synchronised',
    identity: 'confirmed',
    profile: 'example/meter@0123456789abcdef',
    sw: 'meterseal 0.1.0',
    values: [{ obis: '1-0:1.8.0', unit: 'kWh', value: `${seq}.500` }],
    raw: [{ fc: 4, at: 72, words: '4220000000000000' }],
    salt: toBase64Url(new Uint8Array(16).fill(seq)),
  };
}

const EPOCH = {
  previousOrigin: 'operator.example/meterseal/box/1',
  previousCheckpoint: new Uint8Array(32).fill(1),
  highestKnown: new Uint8Array(32).fill(1),
  reason: 'rotation',
  logKey: LOG_KEY.publicKey,
} as const;

class SampleLog {
  readonly entries: Uint8Array[] = [];
  #closed = 0;
  #height = 0;

  append(entry: Omit<Entry, 'time'> & { readonly time?: number }): number {
    const whole = { time: START + this.entries.length, ...entry } as Entry;
    return this.entries.push(encodeEntry(whole)) - 1;
  }

  close(): void {
    this.#height += 1;
    const firstIndex = this.#closed;
    this.append({
      type: 'block-close',
      subject: 0,
      seq: this.#height,
      previousRoot: new NaiveTree(this.entries).root(firstIndex),
      firstIndex,
      count: this.entries.length - firstIndex,
      bootId: new Uint8Array(16).fill(6),
      clock: 'synchronised',
      witnessed: true,
    } as Omit<EntryOf<'block-close'>, 'time'>);
    this.#closed = this.entries.length;
  }
}

function sampleNote(lies: Lies, size: number, root: Uint8Array): string {
  const origin = lies.checkpointOrigin ?? ORIGIN;
  const text = formatCheckpoint({ origin, size, root, extensions: lies.extensions ?? [] });
  const signatures: NoteSignature[] = [
    ...parseNote(signNote(crypto, lies.logSigner ?? LOG_KEY, origin, text)).signatures,
  ];
  const cosigner = lies.cosigner === undefined ? WITNESS_KEY : lies.cosigner;
  if (cosigner !== null) signatures.push(cosign(crypto, cosigner, WITNESS, text, START / 1_000));
  return formatNote({ text, signatures });
}

/** The decoded entries of a proof, to look into. */
export const entriesOf = (proof: Proof): Entry[] => proof.entries.map(({ entry }) => decodeEntry(entry));
