import type { EntryOf } from '@meterseal/protocol';
import {
  decodeEntry,
  ENTRY_CODES,
  encodeAcknowledgement,
  equalBytes,
  isMetersealError,
  isPossibleSignature,
  sessionMessage,
  toHex,
} from '@meterseal/protocol';
import type { Addressee } from '../ledgers/statement-trust.js';
import { BytesColumn, NumberColumn } from '../storage/columns.js';
import { SeqRows } from '../storage/seq-rows.js';
import type { ChainFlaw, Enrolment } from './chain-view.js';
import { ChainView, SESSION_BAD, SESSION_GOOD, SESSION_UNCHECKED } from './chain-view.js';
import type { EntryList } from './entry-list.js';
import { countOf } from './entry-list.js';
import { SEAL_GOOD, SEAL_MALFORMED, SEAL_UNCHECKED } from './seal-states.js';

export const READING_BYTES = 128;
const SESSION_BYTES = 136;
const MAX_HIGH_WORD = 2 ** 21;

/** Entries that say nothing about readings, sessions or meters: the root covers them, and nothing else is asked. */
const PASSED_OVER: readonly number[] = [
  ENTRY_CODES.verdict,
  ENTRY_CODES['block-close'],
  ENTRY_CODES.anchor,
  ENTRY_CODES.event,
];

/** An epoch's mirror: its origin, and which of its signatures were found good before. */
export type EpochSource = {
  readonly epoch: number;
  readonly origin: string;
  readonly isGood: (index: number) => boolean;
};

/** What is held, as far as the readings of the chain are compared with it while they are read. */
export type HeldHashes = {
  readonly hashes: BytesColumn;
  readonly rowsOf: (subject: number) => SeqRows | undefined;
};

/** What is kept at hand of one meter while its readings are read. */
type Lane = {
  /** Its readings on the chain, and those that are held. */
  readonly theirs: SeqRows;
  ours: SeqRows | undefined;
  /** Its enrolment in the epoch, and the number that is due. */
  enrolment: number | undefined;
  due: number;
  /** The session that its last reading named, and that session's row. */
  session: number;
  sessionRow: number;
};

const NOTHING_HELD: HeldHashes = { hashes: new BytesColumn(32), rowsOf: () => undefined };

/**
 * Reads mirrored entries, epoch by epoch and in order, and checks what they say of one another: that numbers are gap-free
 * from each enrolment's first, that a subject is one meter, that a session names an accepted authentication of its meter.
 * Signatures it only collects.
 */
export class ChainReader {
  readonly view = new ChainView();
  readonly #addressee: Addressee;
  /** Whose `connecting` entry is looked for. */
  #lease: Uint8Array | undefined;
  #held = NOTHING_HELD;
  readonly #lanes = new Map<number, Lane>();
  readonly #commitments = new Map<string, number>();
  readonly #subjects = new Map<number, Uint8Array>();
  #source: EpochSource | undefined;
  #previousOrigin = '';

  // Of the epoch that is being read.
  #authentications = new SeqRows();
  #authenticationSubjects = new NumberColumn();
  #authenticationHashes = new BytesColumn(32);
  #usedAuthentications = new Set<number>();
  #sessions = new SeqRows();
  #lastSession = 0;

  constructor(addressee: Addressee) {
    this.#addressee = addressee;
  }

  /**
   * What is read from now on was fetched under this lease, and is compared with what is held now.
   *
   * @param lease whose `connecting` entry is looked for
   */
  begin(lease: Uint8Array, held: HeldHashes): void {
    this.#lease = lease;
    this.view.leaseAt = undefined;
    this.#held = held;
    for (const [subject, lane] of this.#lanes) lane.ours = held.rowsOf(subject);
  }

  startEpoch(source: EpochSource): void {
    this.#previousOrigin = this.#source?.origin ?? '';
    this.#source = source;
    this.view.startEpoch(source.epoch);
    for (const lane of this.#lanes.values()) {
      lane.enrolment = undefined;
      lane.session = 0;
    }
    this.#authentications = new SeqRows();
    this.#authenticationSubjects = new NumberColumn();
    this.#authenticationHashes = new BytesColumn(32);
    this.#usedAuthentications = new Set();
    this.#sessions = new SeqRows();
    this.#lastSession = 0;
  }

  /** @param first index of the first entry */
  read(list: EntryList, first: number): void {
    const { bytes, bounds } = list;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let i = 0; i < countOf(list); i++) {
      const at = bounds[2 * i]!;
      this.#entry(bytes, view, at, bounds[2 * i + 1]! - at, first + i);
    }
  }

  #entry(packed: Uint8Array, view: DataView, at: number, length: number, index: number): void {
    const type = packed[at + 1]!;
    if (type === ENTRY_CODES.reading && length === READING_BYTES && this.#reading(packed, view, at, index))
      return;
    if (PASSED_OVER.includes(type)) return;
    if (type === ENTRY_CODES.session && length === SESSION_BYTES && this.#source!.isGood(index)) {
      this.#knownSession(packed, view, at);
      return;
    }
    try {
      this.#decoded(packed.subarray(at, at + length), index);
    } catch (error) {
      if (!isMetersealError(error)) throw error;
      this.#break(0, 0, 'entry-malformed');
    }
  }

  /** The one layout that there are millions of: u64 session at 24, hash at 32, signature of the seal at 64. */
  #reading(packed: Uint8Array, bytes: DataView, at: number, index: number): boolean {
    const subject = bytes.getUint32(at + 12);
    const seq = u64(bytes, at + 16);
    const session = u64(bytes, at + 24);
    if (bytes.getUint32(at) !== ENTRY_CODES.reading * 65_536 || u64(bytes, at + 4) < 0) return false;
    if (subject === 0 || seq < 1 || session < 1) return false;

    const { view } = this;
    const lane = this.#laneOf(subject);
    if (lane.session !== session || lane.sessionRow < 0) {
      lane.session = session;
      lane.sessionRow = this.#sessions.firstRow(session);
    }
    const row = view.readings;
    view.hashes.pushFrom(bytes, at + 32);
    view.indexes.push(index);
    view.readingSessions.push(lane.sessionRow);
    const our = lane.ours?.regularRow(seq) ?? -1;
    const isSame = our >= 0 && this.#held.hashes.same(our, view.hashes, row);
    if (this.#source!.isGood(index)) view.seals.push(SEAL_GOOD, isSame);
    else view.seals.push(isPossibleSignature(packed, at + 64) ? SEAL_UNCHECKED : SEAL_MALFORMED, isSame);
    this.#count(lane, subject, seq, row);
    lane.theirs.add(seq, row);
    return true;
  }

  #laneOf(subject: number): Lane {
    const known = this.#lanes.get(subject);
    if (known !== undefined) return known;
    const theirs = new SeqRows();
    this.view.subjects.set(subject, theirs);
    const ours = this.#held.rowsOf(subject);
    const lane = { theirs, ours, enrolment: undefined, due: 0, session: 0, sessionRow: -1 };
    this.#lanes.set(subject, lane);
    return lane;
  }

  #count(lane: Lane, subject: number, seq: number, row: number): void {
    if (lane.enrolment === undefined) {
      this.#break(subject, seq, 'not-enrolled');
    } else if (seq >= lane.due) {
      if (seq > lane.due) this.#break(subject, lane.due, 'number-missing');
      lane.due = seq + 1;
    } else {
      const { hashes } = this.view;
      const others = lane.theirs.rowsOf(seq);
      // The same number with another hash is told of the box where readings are judged.
      if (others.every((other) => hashes.same(other, hashes, row)))
        this.#break(subject, seq, 'number-repeated');
    }
  }

  #decoded(bytes: Uint8Array, index: number): void {
    const entry = decodeEntry(bytes);
    switch (entry.type) {
      case 'enrolment':
        this.#enrolment(entry);
        break;
      case 'authentication':
        if (entry.result !== 'accepted') break;
        this.#authentications.add(index, this.#authenticationSubjects.length);
        this.#authenticationSubjects.push(entry.subject);
        this.#authenticationHashes.push(entry.messageHash);
        break;
      case 'session':
        this.#session(entry, index);
        break;
      case 'acknowledgement':
        this.#acknowledgement(entry, index);
        break;
      case 'switch':
        if (entry.to === 'connecting' && this.#lease !== undefined && equalBytes(entry.lease, this.#lease)) {
          const own = equalBytes(entry.who, this.#addressee.collectorKey);
          const { driver, grade } = entry;
          if (own) this.view.leaseAt = { epoch: this.#source!.epoch, index, driver, grade };
        }
        break;
      case 'epoch':
        if (entry.previousOrigin !== this.#previousOrigin) this.view.hasUnmirroredEpoch = true;
        break;
    }
  }

  #enrolment(entry: EntryOf<'enrolment'>): void {
    const { subject, meterCommitment: commitment, identityKey, firstSeq } = entry;
    const name = toHex(commitment);
    const known = this.#subjects.get(subject);
    // A subject is one meter and a meter is one subject, over all epochs.
    if (
      (known !== undefined && !equalBytes(known, commitment)) ||
      (this.#commitments.get(name) ?? subject) !== subject
    ) {
      this.#break(subject, 0, 'subject-reused');
      return;
    }
    this.#subjects.set(subject, commitment);
    this.#commitments.set(name, subject);
    const row = this.view.enrol({ epoch: this.#source!.epoch, subject, commitment, identityKey, firstSeq });
    const lane = this.#laneOf(subject);
    if (lane.enrolment !== undefined && lane.due !== firstSeq) {
      this.#break(
        subject,
        Math.min(lane.due, firstSeq),
        firstSeq > lane.due ? 'number-missing' : 'number-repeated',
      );
    }
    lane.enrolment = row;
    lane.due = firstSeq;
  }

  #session(entry: EntryOf<'session'>, index: number): void {
    const { subject, seq: number, authentication, sessionKey, signature } = entry;
    const enrolment = this.#lanes.get(subject)?.enrolment;
    const row = this.#authentications.firstRow(authentication);
    const fits =
      enrolment !== undefined &&
      number > this.#lastSession &&
      row >= 0 &&
      this.#authenticationSubjects.at(row) === subject &&
      !this.#usedAuthentications.has(authentication);
    const session = this.#addSession(
      number,
      subject,
      enrolment ?? 0,
      sessionKey,
      fits ? SESSION_UNCHECKED : SESSION_BAD,
    );
    if (!fits) {
      this.#break(subject, 0, 'session-invalid');
      return;
    }
    this.#usedAuthentications.add(authentication);
    const { identityKey, commitment } = this.view.enrolments[enrolment] as Enrolment;
    const message = sessionMessage({
      origin: this.#source!.origin,
      meter: { subject, commitment },
      authenticationHash: this.#authenticationHashes.at(row),
      sessionKey,
    });
    const { epoch } = this.#source!;
    const unchecked = { epoch, index, key: identityKey, message, signature };
    this.view.unchecked.push({ ...unchecked, session, acknowledged: undefined });
  }

  /** A session that was found good before: u64 authentication at 24, key at 32. */
  #knownSession(packed: Uint8Array, bytes: DataView, at: number): void {
    const subject = bytes.getUint32(at + 12);
    const key = packed.subarray(at + 32, at + 64);
    this.#usedAuthentications.add(u64(bytes, at + 24));
    this.#addSession(
      u64(bytes, at + 16),
      subject,
      this.#lanes.get(subject)?.enrolment ?? 0,
      key,
      SESSION_GOOD,
    );
  }

  #addSession(number: number, subject: number, enrolment: number, key: Uint8Array, state: number): number {
    const { view } = this;
    const row = view.sessionStates.length;
    view.sessionSubjects.push(subject);
    view.sessionEnrolments.push(enrolment);
    view.sessionKeys.push(key);
    view.sessionStates.push(state);
    this.#sessions.add(number, row);
    this.#lastSession = Math.max(this.#lastSession, number);
    return row;
  }

  #acknowledgement(entry: EntryOf<'acknowledgement'>, index: number): void {
    const { subject, seq, collectorKey, first, runningHash, acknowledged: time, signature } = entry;
    const commitment = this.#subjects.get(subject);
    if (commitment === undefined || !equalBytes(collectorKey, this.#addressee.collectorKey)) return;
    const run = { first, seq };
    if (this.#source!.isGood(index)) {
      this.view.noteAcknowledged(subject, run);
      return;
    }
    const meter = { subject, commitment };
    const message = encodeAcknowledgement({ ...this.#addressee, meter, first, seq, runningHash, time });
    const { epoch } = this.#source!;
    const acknowledged = { subject, run };
    this.view.unchecked.push({
      epoch,
      index,
      key: collectorKey,
      message,
      signature,
      session: undefined,
      acknowledged,
    });
  }

  #break(subject: number, seq: number, flaw: ChainFlaw): void {
    this.view.breaks.push({ subject, seq, flaw });
  }
}

/** −1 for what is no integer of our formats. */
function u64(bytes: DataView, at: number): number {
  const high = bytes.getUint32(at);
  return high < MAX_HIGH_WORD ? high * 2 ** 32 + bytes.getUint32(at + 4) : -1;
}
