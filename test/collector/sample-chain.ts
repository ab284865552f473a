import type { SigningKey } from '@meterseal/native/javascript';
import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import type { Entry, Policy } from '@meterseal/protocol';
import {
  ALG_ED25519,
  authenticationMessage,
  buildProof,
  consistencyNodes,
  encodeEntry,
  formatCheckpoint,
  leafHashes,
  originOf,
  readingHash,
  sessionMessage,
  signNote,
  utf8,
  verifierKeyOf,
} from '@meterseal/protocol';
import type { SampleMeter } from './sample-meter.js';
import { keyOf, PLATFORM_ID } from './sample-meter.js';

export type SampleSession = {
  readonly number: number;
  readonly key: SigningKey;
  readonly meter: SampleMeter;
};

/** The platform's part, made of protocol functions only. It does what it is told, also what no platform should do. */
export class SampleChain {
  readonly origin: string;
  readonly logKey: SigningKey;
  readonly entries: Uint8Array[] = [];
  /** As last signed. */
  note = '';
  size = 0;
  time = Date.UTC(2026, 0, 2);
  #height = 0;
  #closedAt = 0;
  #sessions = 0;
  #transitions = 0;

  constructor(epoch = 1, previousOrigin = '') {
    this.origin = originOf(PLATFORM_ID, epoch);
    this.logKey = keyOf(`log ${epoch}`);
    const zeros = new Uint8Array(32);
    const heads = { previousCheckpoint: zeros, highestKnown: zeros };
    const reason = previousOrigin === '' ? 'first' : 'rotation';
    const logKey = this.logKey.publicKey;
    this.add({
      type: 'epoch',
      subject: 0,
      seq: epoch,
      time: this.time,
      previousOrigin,
      ...heads,
      reason,
      logKey,
    });
    this.close();
  }

  static policyOf(...chains: readonly SampleChain[]): Policy {
    const logs = chains.map(({ origin, logKey }) => {
      return { key: verifierKeyOf(crypto, origin, ALG_ED25519, logKey.publicKey), url: undefined };
    });
    return { logs, witnesses: [], groups: [], quorum: undefined };
  }

  /** @returns the entry's index */
  add(entry: Entry): number {
    return this.addBytes(encodeEntry(entry));
  }

  addBytes(entry: Uint8Array): number {
    return this.entries.push(entry) - 1;
  }

  /** Closes the block and signs the checkpoint. */
  close(): void {
    const firstIndex = this.#closedAt;
    const count = this.entries.length - firstIndex;
    if (count === 0) return;
    const previousRoot = this.root(firstIndex);
    const place = { subject: 0, seq: ++this.#height, time: this.time };
    const state = { bootId: new Uint8Array(16), clock: 'synchronised', witnessed: false } as const;
    this.add({ type: 'block-close', ...place, previousRoot, firstIndex, count, ...state });
    this.#closedAt = this.entries.length;
    this.sign();
  }

  sign(): void {
    this.size = this.entries.length;
    const checkpoint = { origin: this.origin, size: this.size, root: this.root(this.size), extensions: [] };
    this.note = signNote(crypto, this.logKey, this.origin, formatCheckpoint(checkpoint));
  }

  root(size: number): Uint8Array {
    return crypto.merkleRoot(this.#leaves(0, size));
  }

  consistency(from: number, to: number): Uint8Array[] {
    const plan = consistencyNodes(from, to);
    const nodes = plan.flat().map(({ level, index }) => {
      const width = 2 ** level;
      return crypto.merkleRoot(this.#leaves(index * width, (index + 1) * width));
    });
    return buildProof(crypto, plan, nodes);
  }

  enrol(meter: SampleMeter, firstSeq = 1): number {
    return this.add({
      type: 'enrolment',
      subject: meter.subject,
      seq: 0,
      time: this.time,
      meterCommitment: meter.commitment,
      identityKey: meter.identity.publicKey,
      holderCommitment: crypto.sha256(utf8('holder')),
      keyOrigin: 'own',
      firstSeq,
    });
  }

  /** @returns index of an authentication, and what it says was signed */
  authenticate(
    meter: SampleMeter,
    result: 'accepted' | 'rejected' = 'accepted',
  ): { index: number; hash: Uint8Array } {
    const { origin, time } = this;
    const challenge = crypto.sha256(utf8(`challenge ${this.entries.length}`));
    const messageHash = crypto.sha256(authenticationMessage({ origin, meter: meter.ref, challenge }));
    const { subject } = meter;
    const reason = result === 'accepted' ? 'none' : 'revoked';
    const index = this.add({ type: 'authentication', subject, seq: 0, time, result, reason, messageHash });
    return { index, hash: messageHash };
  }

  /**
   * @param signer of the session message, the meter's identity key if not given
   * @param accepted the authentication that it names, a fresh one if not given
   * @param number the next one if not given
   */
  openSession(
    meter: SampleMeter,
    signer: SigningKey = meter.identity,
    accepted = this.authenticate(meter),
    number = this.#sessions + 1,
  ): SampleSession {
    const { origin, time } = this;
    this.#sessions = Math.max(this.#sessions, number);
    const key = keyOf(`session ${origin} ${this.entries.length}`);
    const sessionKey = key.publicKey;
    const names = { meter: meter.ref, authenticationHash: accepted.hash, sessionKey };
    const signature = signer.sign(sessionMessage({ origin, ...names }));
    const place = { subject: meter.subject, seq: number, time };
    const expires = time + 86_400_000;
    this.add({ type: 'session', ...place, authentication: accepted.index, sessionKey, expires, signature });
    return { number, key, meter };
  }

  anchor(
    session: SampleSession,
    seq: number,
    record: Uint8Array,
    changed: Partial<{ hash: Uint8Array; sealSignature: Uint8Array; session: number }> = {},
  ): number {
    const { time } = this;
    const { subject } = session.meter;
    const hash = readingHash(crypto, record);
    const sealSignature = session.key.sign(record);
    return this.add({
      type: 'reading',
      subject,
      seq,
      time,
      session: session.number,
      hash,
      sealSignature,
      ...changed,
    });
  }

  /** Anchors the meter's own records `from`…`to`. */
  anchorAll(session: SampleSession, from: number, to: number): void {
    for (let seq = from; seq <= to; seq++) this.anchor(session, seq, session.meter.record(seq));
  }

  /** Entry 05, isolated → connecting, for a lease. */
  connecting(lease: Uint8Array, who: Uint8Array, counter: number): number {
    const seq = ++this.#transitions;
    const edge = { from: 'isolated', to: 'connecting', driver: 'process', grade: 0, fault: 'none' } as const;
    const request = { lease, who, counter, purpose: 'comparison', at: this.time, max: 10_000 } as const;
    return this.add({ type: 'switch', subject: 0, seq, time: this.time, ...edge, ...request, readBacks: [] });
  }

  /** Entry 0b from a signed acknowledgement's parts. */
  acknowledge(
    meter: SampleMeter,
    ack: { collectorKey: Uint8Array; first: number; seq: number; runningHash: Uint8Array; time: number },
    signature: Uint8Array,
  ): number {
    const { collectorKey, first, seq, runningHash } = ack;
    const body = { collectorKey, first, acknowledged: ack.time, runningHash, signature };
    return this.add({ type: 'acknowledgement', subject: meter.subject, seq, time: this.time, ...body });
  }

  #leaves(from: number, to: number): Uint8Array {
    return leafHashes(crypto, this.entries.slice(from, to));
  }
}
