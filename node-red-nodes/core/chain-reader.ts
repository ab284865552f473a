import type { EntryOf } from '@meterseal/protocol';
import {
  decodeEntry,
  ENTRY_CODES,
  encodeAcknowledgement,
  equalBytes,
  isCanonicalScalar,
  isMetersealError,
  isSmallOrderEncoding,
  sessionMessage,
  toHex,
} from '@meterseal/protocol';
import type { ChainFlaw, Enrolment } from './chain-view.js';
import { ChainView, SESSION_BAD, SESSION_GOOD, SESSION_UNCHECKED } from './chain-view.js';
import { BytesColumn, NumberColumn } from './columns.js';
import type { PackedEntries } from './packed-entries.js';
import { SeqRows } from './seq-rows.js';
import type { Addressee } from './statement-trust.js';

const READING_BYTES = 128;
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
  readonly isChecked: (index: number) => boolean;
};

/**
 * Reads mirrored entries, epoch by epoch and in order, and checks what they say of one another: that numbers are gap-free
 * from each enrolment's first, that a subject is one meter, that a session names an accepted authentication of its meter.
 * Signatures it only collects.
 */
export class ChainReader {
  readonly view = new ChainView();
  readonly #addressee: Addressee;
  readonly #lease: Uint8Array;
  readonly #commitments = new Map<string, number>();
  readonly #subjects = new Map<number, Uint8Array>();
  #source: EpochSource | undefined;
  #previousOrigin = '';

  // Of the epoch that is being read.
  #enrolled = new Map<number, { row: number; due: number }>();
  #authentications = new SeqRows();
  #authenticationSubjects = new NumberColumn();
  #authenticationHashes = new BytesColumn(32);
  #usedAuthentications = new Set<number>();
  #sessions = new SeqRows();
  #lastSession = 0;

  /** @param lease whose `connecting` entry is looked for */
  constructor(addressee: Addressee, lease: Uint8Array) {
    this.#addressee = addressee;
    this.#lease = lease;
  }

  startEpoch(source: EpochSource): void {
    this.#previousOrigin = this.#source?.origin ?? '';
    this.#source = source;
    this.#enrolled = new Map();
    this.#authentications = new SeqRows();
    this.#authenticationSubjects = new NumberColumn();
    this.#authenticationHashes = new BytesColumn(32);
    this.#usedAuthentications = new Set();
    this.#sessions = new SeqRows();
    this.#lastSession = 0;
  }

  /** @param first index of the first entry */
  read({ packed, offsets }: PackedEntries, first: number): void {
    const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
    for (let i = 0; i < offsets.length - 1; i++) {
      const at = offsets[i]!;
      this.#entry(packed, view, at, offsets[i + 1]! - at, first + i);
    }
  }

  #entry(packed: Uint8Array, view: DataView, at: number, length: number, index: number): void {
    const type = packed[at + 1]!;
    if (type === ENTRY_CODES.reading && length === READING_BYTES && this.#reading(packed, view, at, index))
      return;
    if (PASSED_OVER.includes(type)) return;
    if (type === ENTRY_CODES.session && length === SESSION_BYTES && this.#source!.isChecked(index)) {
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
    const row = view.readings;
    view.hashes.push(packed, at + 32);
    view.indexes.push(index);
    view.epochs.push(this.#source!.epoch);
    view.readingSessions.push(this.#sessions.firstRow(session));
    if (!this.#source!.isChecked(index)) {
      view.unsealed.set(row, view.sealSignatures.length);
      view.sealSignatures.push(packed, at + 64);
      const small = isSmallOrderEncoding(packed.subarray(at + 64, at + 96));
      if (small || !isCanonicalScalar(packed.subarray(at + 96, at + 128))) view.malformedSeals.add(row);
    }
    let rows = view.subjects.get(subject);
    if (rows === undefined) {
      rows = new SeqRows();
      view.subjects.set(subject, rows);
    }
    this.#count(subject, seq, row, rows);
    rows.add(seq, row);
    return true;
  }

  #count(subject: number, seq: number, row: number, rows: SeqRows): void {
    const meter = this.#enrolled.get(subject);
    if (meter === undefined) {
      this.#break(subject, seq, 'not-enrolled');
    } else if (seq >= meter.due) {
      if (seq > meter.due) this.#break(subject, meter.due, 'number-missing');
      meter.due = seq + 1;
    } else {
      const { hashes } = this.view;
      const others = rows.rowsOf(seq);
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
        if (entry.to === 'connecting' && equalBytes(entry.lease, this.#lease)) {
          const own = equalBytes(entry.who, this.#addressee.collectorKey);
          if (own) this.view.leaseAt = { epoch: this.#source!.epoch, index };
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
    const meter = this.#enrolled.get(subject);
    if (meter !== undefined && meter.due !== firstSeq) {
      this.#break(
        subject,
        Math.min(meter.due, firstSeq),
        firstSeq > meter.due ? 'number-missing' : 'number-repeated',
      );
    }
    this.#enrolled.set(subject, { row, due: firstSeq });
  }

  #session(entry: EntryOf<'session'>, index: number): void {
    const { subject, seq: number, authentication, sessionKey, signature } = entry;
    const enrolment = this.#enrolled.get(subject);
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
      enrolment?.row ?? 0,
      sessionKey,
      fits ? SESSION_UNCHECKED : SESSION_BAD,
    );
    if (!fits) {
      this.#break(subject, 0, 'session-invalid');
      return;
    }
    this.#usedAuthentications.add(authentication);
    const { identityKey, commitment } = this.view.enrolments[enrolment.row] as Enrolment;
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
    this.#addSession(u64(bytes, at + 16), subject, this.#enrolled.get(subject)?.row ?? 0, key, SESSION_GOOD);
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
    if (this.#source!.isChecked(index)) {
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
