import type { SwitchDriverName, SwitchGrade } from '@meterseal/protocol';
import type { Run } from '../ledgers/heights.js';
import { BytesColumn, NumberColumn } from '../storage/columns.js';
import type { SeqRows } from '../storage/seq-rows.js';
import { SEAL_BAD, SEAL_MALFORMED, SealStates } from './seal-states.js';

/** How a number, a subject or a session of the chain is not as the platform may make it. */
export type ChainBreak = {
  readonly subject: number;
  /** The reading's number; 0 for what concerns the meter as a whole, and subject 0 for the box. */
  readonly seq: number;
  readonly flaw: ChainFlaw;
};

export type ChainFlaw =
  | 'entry-malformed'
  | 'not-enrolled'
  | 'number-missing'
  | 'number-repeated'
  | 'session-invalid'
  | 'session-unknown'
  | 'session-of-another-meter'
  | 'seal-malformed'
  | 'seal-invalid'
  | 'commitment-differs'
  | 'subject-reused'
  | 'two-hashes';

export type Enrolment = {
  readonly epoch: number;
  readonly subject: number;
  readonly commitment: Uint8Array;
  readonly identityKey: Uint8Array;
  readonly firstSeq: number;
};

/** What isolates, as the chain's entry of a transition names it. */
export type SwitchKind = { readonly driver: SwitchDriverName; readonly grade: SwitchGrade };

/** A signature of the chain that was never checked: a session's, or that of an acknowledgement of our own. */
export type UncheckedSignature = {
  readonly epoch: number;
  readonly index: number;
  readonly key: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  /** Of a session; undefined for an acknowledgement. */
  readonly session: number | undefined;
  /** What the acknowledgement covers; undefined for a session. */
  readonly acknowledged: { readonly subject: number; readonly run: Run } | undefined;
};

export const SESSION_UNCHECKED = 0;
export const SESSION_GOOD = 1;
export const SESSION_BAD = 2;

/**
 * What all mirrored entries say, packed in columns. A reading's row, a session's row and an enrolment's row are numbers
 * that count over all epochs.
 */
export class ChainView {
  /** Per subject, number → rows of readings. */
  readonly subjects = new Map<number, SeqRows>();
  readonly hashes = new BytesColumn(32);
  /** Of the entry in its epoch. */
  readonly indexes = new NumberColumn();
  /** Rows of sessions; −1 where the session is not on the chain. */
  readonly readingSessions = new NumberColumn();
  readonly seals = new SealStates();
  /** Epochs in order, with the row of the first reading of each. */
  readonly #epochs: { readonly epoch: number; readonly firstRow: number }[] = [];

  readonly sessionSubjects = new NumberColumn();
  readonly sessionStates = new NumberColumn();
  readonly sessionEnrolments = new NumberColumn();
  readonly sessionKeys = new BytesColumn(32);

  readonly enrolments: Enrolment[] = [];
  readonly #epochStarts = new Map<number, Enrolment>();
  readonly breaks: ChainBreak[] = [];
  /** Taken away as soon as they are checked. */
  unchecked: UncheckedSignature[] = [];
  /** What our own acknowledgements on the chain cover, by subject. */
  readonly acknowledged = new Map<number, Run[]>();
  /** True once an epoch names one before it that is not mirrored. */
  hasUnmirroredEpoch = false;
  /** Where the switch was connected for the lease that was asked about. */
  leaseAt: ({ readonly epoch: number; readonly index: number } & SwitchKind) | undefined;

  get readings(): number {
    return this.hashes.length;
  }

  /** Makes room for so many readings in all. */
  reserve(readings: number): void {
    for (const column of [this.hashes, this.indexes, this.readingSessions, this.seals]) {
      column.reserve(readings);
    }
  }

  /** What is added from now on is of this epoch. */
  startEpoch(epoch: number): void {
    this.#epochs.push({ epoch, firstRow: this.readings });
  }

  rowsOf(subject: number, seq: number): number[] {
    return this.subjects.get(subject)?.rowsOf(seq) ?? [];
  }

  /** The row of one entry; undefined where it is none of a reading. */
  rowAt(subject: number, seq: number, epoch: number, index: number): number | undefined {
    const epochOf = (row: number): number | undefined =>
      this.#epochs.findLast(({ firstRow }) => firstRow <= row)?.epoch;
    return this.rowsOf(subject, seq).find((row) => this.indexes.at(row) === index && epochOf(row) === epoch);
  }

  /** Where the latest epoch that has a subject starts with it: what lies below belongs to earlier epochs. */
  epochStart(subject: number): number {
    return this.#epochStarts.get(subject)?.firstSeq ?? 1;
  }

  enrol(enrolment: Enrolment): number {
    const { subject, epoch } = enrolment;
    if (this.#epochStarts.get(subject)?.epoch !== epoch) this.#epochStarts.set(subject, enrolment);
    return this.enrolments.push(enrolment) - 1;
  }

  /** Highest number of a subject on the chain; 0 for none. */
  lastSeq(subject: number): number {
    const rows = this.subjects.get(subject);
    return rows === undefined || rows.count === 0 ? 0 : rows.seqAt(rows.count - 1);
  }

  /** Why a reading's entry counts for nothing, as far as that is known; undefined for a good one. */
  flawOf(row: number, subject: number): ChainFlaw | undefined {
    const session = this.readingSessions.at(row);
    if (session < 0) return 'session-unknown';
    if (this.sessionSubjects.at(session) !== subject) return 'session-of-another-meter';
    if (this.sessionStates.at(session) !== SESSION_GOOD) return 'session-invalid';
    const seal = this.seals.of(row);
    if (seal === SEAL_BAD) return 'seal-invalid';
    return seal === SEAL_MALFORMED ? 'seal-malformed' : undefined;
  }

  /** The enrolment whose identity key opened a reading's session. */
  enrolmentOf(row: number): Enrolment {
    return this.enrolments[this.sessionEnrolments.at(this.readingSessions.at(row))]!;
  }

  noteAcknowledged(subject: number, run: Run): void {
    const runs = this.acknowledged.get(subject) ?? [];
    const same = runs.findIndex(({ first }) => first === run.first);
    if (same < 0) runs.push(run);
    else if (runs[same]!.seq < run.seq) runs[same] = run;
    this.acknowledged.set(subject, runs);
  }
}
