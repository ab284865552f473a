import { readFileSync } from 'node:fs';
import type { ErrorCode, EventBody } from '@meterseal/protocol';
import { isMetersealError, MetersealError, RUNNING_HASH_START } from '@meterseal/protocol';
import type { SqlConnection, SqlValue } from '../host/database.js';
import { Database } from '../host/database.js';
import { PRAGMAS, SQL } from './field-statements.js';
import { RecordAppender } from './record-appender.js';
import type { RecordBytes, StoredRecord } from './stored-record.js';

export type EnrolmentState = 'new' | 'offered' | 'enrolled';

/** A meter as the field knows it. */
export type FieldMeter = {
  readonly number: number;
  readonly id: string;
  readonly state: EnrolmentState;
  readonly subject: number | null;
  readonly salt: Uint8Array | null;
  readonly identityKey: Uint8Array | null;
  readonly nonce: Uint8Array | null;
  /** From here on every number is a record or known to be lost; null before the first enrolment. */
  readonly firstSeq: number | null;
  /** The number that the next record takes. */
  readonly nextSeq: number;
  /** No number up to here is sent to the chain any more. */
  readonly anchoredTo: number;
  /** The device's serial number that was first read, or accepted since; null where none was read. */
  readonly serial: string | null;
};

/** What a collector has acknowledged of a meter. */
export type DeliveryState = {
  readonly first: number;
  readonly ackedTo: number;
  readonly runningHash: Uint8Array;
  readonly acknowledgement: Uint8Array | null;
  readonly chainedTo: number;
  readonly chainedMs: number;
};

/** Numbers that this database gave up, and how many readings were made again above them. */
export type GivenUp = { readonly from: number; readonly to: number; readonly remade: number };

const NOTHING_DELIVERED: DeliveryState = {
  first: 1,
  ackedTo: 0,
  runningHash: RUNNING_HASH_START,
  acknowledgement: null,
  chainedTo: 0,
  chainedMs: 0,
};

const SCHEMA = new URL('../../src/agent/field-store.sql', import.meta.url);
/** Records that are held in memory while all of a meter's are gone through. */
const PAGE = 500;

/** True for an error that says that field.db itself, or the disk under it, has failed. */
export function isStoreFailure(error: unknown): boolean {
  return isMetersealError(error, ...STORE_FAILURES) || isMetersealError(error, 'busy', 'bad-argument');
}

const STORE_FAILURES: readonly ErrorCode[] = ['disk-full', 'file-unusable', 'file-damaged'];

/**
 * field.db: meters, records with their receipts, and what was acknowledged. Every write is on disk when it resolves.
 *
 * The first write that fails for the disk's sake is the last: nobody knows what of it is there, so nothing more is written
 * through this connection, and no number given. Whoever runs the field ends the process.
 */
export class FieldStore {
  readonly #db: Database;
  readonly #appender: RecordAppender;
  #failure: MetersealError | undefined;

  private constructor(db: Database) {
    this.#db = db;
    this.#appender = new RecordAppender(db, (work) => this.#change(work));
  }

  /**
   * Opens the database, and makes it where `readonly` is not asked for.
   *
   * @param place the path of field.db, or a connection to it
   */
  static async open(
    place: string | SqlConnection,
    options: { readonly?: boolean } = {},
  ): Promise<FieldStore> {
    const db = options.readonly
      ? await Database.open(place, { readonly: true })
      : await Database.open(place, { pragmas: PRAGMAS, schema: readFileSync(SCHEMA, 'utf8') });
    return new FieldStore(db);
  }

  close(): Promise<void> {
    return this.#db.close();
  }

  /** Why nothing more is written; undefined while all is well. */
  get failure(): MetersealError | undefined {
    return this.#failure;
  }

  /** The meter's row; a meter that was never seen gets one. */
  async meter(id: string): Promise<FieldMeter> {
    const known = await this.findMeter(id);
    if (known !== undefined) return known;
    await this.#run(SQL.addMeter, id);
    return (await this.findMeter(id))!;
  }

  findMeter(id: string): Promise<FieldMeter | undefined> {
    return this.#db.get<FieldMeter>(SQL.meterById, id);
  }

  meters(): Promise<FieldMeter[]> {
    return this.#db.all<FieldMeter>(SQL.meters);
  }

  /** Keeps the platform's answer; the identity's secret must be in its key file by now. */
  async saveOffer(
    number: number,
    offer: { subject: number; salt: Uint8Array; identityKey: Uint8Array; nonce: Uint8Array },
  ): Promise<void> {
    await this.#run(SQL.saveOffer, offer.subject, offer.salt, offer.identityKey, offer.nonce, number);
  }

  /** @param firstSeq the number of the first reading under this enrolment, as the chain's entry says */
  confirmEnrolment(number: number, firstSeq: number): Promise<void> {
    return this.#change(async () => {
      const { firstSeq: known, nextSeq } = await this.#meter(number);
      if (known !== null && nextSeq < firstSeq) {
        await this.#db.run(SQL.addLost, number, nextSeq, firstSeq - 1);
      }
      await this.#db.run(SQL.confirm, firstSeq, number);
    });
  }

  async forgetEnrolment(number: number): Promise<void> {
    await this.#run(SQL.forgetEnrolment, number);
  }

  async saveSerial(number: number, serial: string): Promise<void> {
    await this.#run(SQL.saveSerial, serial, number);
  }

  /**
   * Gives the next number and commits the record made for it, in one transaction: a number is used once, and no record
   * exists without being stored. Records that arrive together share the commit.
   */
  appendRecord(number: number, make: (seq: number) => RecordBytes): Promise<StoredRecord> {
    return this.#appender.append(number, make);
  }

  /** What the chain still has to get, in order: the void record where there is one. */
  unanchored(meter: FieldMeter, limit: number): Promise<StoredRecord[]> {
    return this.#db.all<StoredRecord>(SQL.standing, meter.number, meter.anchoredTo, limit);
  }

  /** The record that stands for this number: the void one, where there is one. */
  record(number: number, seq: number): Promise<StoredRecord | undefined> {
    return this.#db.get<StoredRecord>(SQL.record, number, seq);
  }

  /** The record with the highest number. */
  lastRecord(number: number): Promise<StoredRecord | undefined> {
    return this.#db.get<StoredRecord>(SQL.lastRecord, number);
  }

  /** Readings as first made, in order, above `after`. */
  pending(number: number, after: number, limit: number): Promise<StoredRecord[]> {
    return this.#db.all<StoredRecord>(SQL.firstVersions, number, after, Number.MAX_SAFE_INTEGER, limit);
  }

  /** The number that the meter's next record takes. */
  async nextSeq(number: number): Promise<number> {
    return (await this.#meter(number)).nextSeq;
  }

  /** The hashes of the readings `from`…`to` as first made; undefined where one is missing. */
  async hashes(number: number, from: number, to: number): Promise<Uint8Array[] | undefined> {
    const rows = await this.#db.all<{ hash: Uint8Array }>(SQL.hashes, number, from, to);
    return rows.length === to - from + 1 ? rows.map(({ hash }) => hash) : undefined;
  }

  async addVoid(number: number, seq: number, { bytes, hash }: RecordBytes): Promise<void> {
    await this.#run(SQL.addVoid, number, seq, bytes, hash);
  }

  /** Notes receipts; `receipts` rise by number and leave none out. */
  saveReceipts(
    number: number,
    receipts: readonly { seq: number; version: 0 | 1; index: number }[],
  ): Promise<void> {
    return this.#change(async () => {
      const last = receipts.at(-1);
      if (last === undefined) return;
      const rows = receipts.map(({ seq, version, index }) => [seq, version, index]);
      await this.#db.run(SQL.receipts, JSON.stringify(rows), number);
      await this.#db.run(SQL.anchoredTo, last.seq, number);
    });
  }

  /**
   * Starts a meter's numbers anew, because somebody has seen it use numbers up to `peak` for readings that are not here:
   * this database was put back to an earlier copy. If it has meanwhile used such a number again, the readings from there
   * on are made again above every number that was ever used; the event for the chain is kept in the same transaction.
   *
   * @param seen `from`: the first number that may have been used twice; `onChain`: the chain itself holds the numbers up
   *   to `peak`, so that it needs nothing below
   * @param remake the same reading under another number
   * @returns undefined where no number was lost
   */
  restart(
    number: number,
    { from, peak, onChain }: { readonly from: number; readonly peak: number; readonly onChain: boolean },
    remake: (bytes: Uint8Array, seq: number) => RecordBytes,
  ): Promise<GivenUp | undefined> {
    return this.#change(async () => {
      const { nextSeq, subject } = await this.#meter(number);
      if (onChain) await this.#db.run(SQL.anchoredTo, peak, number);
      const used = await this.#db.get<{ seq: number | null }>(SQL.lowestWithin, number, from, peak);
      const first = used?.seq ?? nextSeq;
      const start = Math.max(peak + 1, nextSeq);
      if (first === start) return undefined;

      let seq = start;
      for (let after = first - 1; ; ) {
        const page = await this.#db.all<StoredRecord>(SQL.firstVersions, number, after, nextSeq - 1, PAGE);
        for (const record of page) {
          const { bytes, hash } = remake(record.bytes, seq);
          await this.#db.run(SQL.addRecord, number, seq, 0, bytes, hash);
          seq++;
        }
        if (page.length < PAGE) break;
        after = page.at(-1)!.seq;
      }
      await this.#db.run(SQL.removeRecords, number, first, nextSeq);
      await this.#db.run(SQL.removeVoidDeliveries, number, first, nextSeq);
      await this.#db.run(SQL.addLost, number, first, start - 1);
      await this.#db.run(SQL.takeSeq, seq, number);
      const given: GivenUp = { from: first, to: start - 1, remade: seq - start };
      await this.#db.run(SQL.addEvent, JSON.stringify({ kind: 'restored', subject: subject!, ...given }));
      return given;
    });
  }

  /**
   * Makes void records for lost numbers that the chain is waiting for: those between the last that it has and the next
   * record.
   *
   * @param make a void record for a number, by any record of the same meter
   * @param most how many at once
   */
  fillLost(
    number: number,
    make: (like: Uint8Array, seq: number) => RecordBytes,
    most: number,
  ): Promise<void> {
    return this.#change(async () => {
      const { anchoredTo } = await this.#meter(number);
      const next = await this.#db.get<StoredRecord>(SQL.standing, number, anchoredTo, 1);
      if (next === undefined) return;
      for (let seq = anchoredTo + 1; seq < Math.min(next.seq, anchoredTo + 1 + most); seq++) {
        const { bytes, hash } = make(next.bytes, seq);
        await this.#db.run(SQL.addVoid, number, seq, bytes, hash);
      }
    });
  }

  /** Numbers that were lost, as ranges by their first number. They may touch and overlap. */
  lost(number: number): Promise<{ first: number; last: number }[]> {
    return this.#db.all(SQL.lost, number);
  }

  async delivery(number: number, collector: Uint8Array): Promise<DeliveryState> {
    const state = await this.#db.get<DeliveryState>(SQL.delivery, number, collector);
    return state ?? NOTHING_DELIVERED;
  }

  /** What all collectors have acknowledged of a meter. */
  deliveries(number: number): Promise<(DeliveryState & { readonly collector: Uint8Array })[]> {
    return this.#db.all(SQL.deliveries, number);
  }

  /** @param voids numbers of the void records that went with it */
  saveDelivery(
    number: number,
    collector: Uint8Array,
    state: { first: number; ackedTo: number; runningHash: Uint8Array; acknowledgement: Uint8Array | null },
    voids: readonly number[] = [],
  ): Promise<void> {
    const { first, ackedTo, runningHash, acknowledgement } = state;
    return this.#change(async () => {
      await this.#db.run(SQL.saveDelivery, number, collector, first, ackedTo, runningHash, acknowledgement);
      for (const seq of voids) await this.#db.run(SQL.addVoidDelivery, number, collector, seq);
    });
  }

  /** As the collector says: nothing is known any more of what it got beside the readings. */
  resetDelivery(
    number: number,
    collector: Uint8Array,
    { first, ackedTo, runningHash }: { first: number; ackedTo: number; runningHash: Uint8Array },
  ): Promise<void> {
    return this.#change(async () => {
      await this.#db.run(SQL.saveDelivery, number, collector, first, ackedTo, runningHash, null);
      await this.#db.run(SQL.forgetVoidDeliveries, number, collector);
    });
  }

  /** Void records of the numbers `from`…`to` that a collector has not acknowledged, in order. */
  unsentVoids(
    number: number,
    collector: Uint8Array,
    from: number,
    to: number,
    limit: number,
  ): Promise<StoredRecord[]> {
    return this.#db.all<StoredRecord>(SQL.unsentVoids, number, collector, from, to, limit);
  }

  async saveChained(number: number, collector: Uint8Array, to: number, ms: number): Promise<void> {
    await this.#run(SQL.chained, to, ms, number, collector);
  }

  /** Keeps an event until the chain has it; false where so many wait already that it is dropped. */
  async addEvent(event: EventBody): Promise<boolean> {
    return (await this.#run(SQL.addEvent, JSON.stringify(event))) === 1;
  }

  /** The events that the chain does not have, the oldest first. */
  async events(): Promise<{ id: number; event: EventBody }[]> {
    const rows = await this.#db.all<{ id: number; body: string }>(SQL.events);
    return rows.map(({ id, body }) => ({ id, event: JSON.parse(body) as EventBody }));
  }

  async removeEvent(id: number): Promise<void> {
    await this.#run(SQL.removeEvent, id);
  }

  /** The chain's last checkpoint that this field holds a receipt under: the field is witness zero. */
  async lastReceipt(): Promise<string | undefined> {
    return (await this.#db.get<{ value: string }>(SQL.meta, 'receipt'))?.value;
  }

  async saveLastReceipt(note: string): Promise<void> {
    await this.#run(SQL.saveMeta, 'receipt', note);
  }

  /** All versions of all records behind one, in order. */
  allRecords(
    number: number,
    behind: { readonly seq: number; readonly version: number },
    limit: number,
  ): Promise<StoredRecord[]> {
    return this.#db.all<StoredRecord>(SQL.allRecords, number, behind.seq, behind.version, limit);
  }

  /** What SQLite finds wrong with the file itself. */
  async integrity(): Promise<string[]> {
    const rows = await this.#db.all<{ integrity_check: string }>(SQL.integrity);
    return rows.map((row) => row.integrity_check).filter((text) => text !== 'ok');
  }

  async #meter(number: number): Promise<FieldMeter> {
    const meter = await this.#db.get<FieldMeter>(SQL.meterByNumber, number);
    if (meter === undefined) throw new MetersealError('bad-argument', `couldn't find meter number ${number}`);
    return meter;
  }

  /** @returns how many rows changed */
  #run(sql: string, ...params: readonly SqlValue[]): Promise<number> {
    return this.#write(async () => (await this.#db.run(sql, ...params)).changes);
  }

  #change<T>(work: () => Promise<T>): Promise<T> {
    return this.#write(() => this.#db.transaction(work));
  }

  async #write<T>(work: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return await work();
    } catch (error) {
      if (isMetersealError(error, ...STORE_FAILURES)) this.#failure = error;
      throw error;
    }
  }
}
