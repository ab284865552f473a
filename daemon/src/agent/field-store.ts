import { readFileSync } from 'node:fs';
import { MetersealError, RUNNING_HASH_START } from '@meterseal/protocol';
import { Database } from '../host/database.js';

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
  /** The number that the next record takes. */
  readonly nextSeq: number;
  readonly anchoredTo: number;
  /** The device's serial number that was first read, or accepted since; null where none was read. */
  readonly serial: string | null;
};

export type StoredRecord = {
  readonly seq: number;
  /** 1: a void record that took the place of a refused one. */
  readonly version: 0 | 1;
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
  readonly entryIndex: number | null;
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

const NOTHING_DELIVERED: DeliveryState = {
  first: 1,
  ackedTo: 0,
  runningHash: RUNNING_HASH_START,
  acknowledgement: null,
  chainedTo: 0,
  chainedMs: 0,
};

const METER_COLUMNS =
  'number, id, state, subject, salt, identity_key AS identityKey, nonce, next_seq AS nextSeq, anchored_to AS anchoredTo, serial';
const RECORD_COLUMNS = 'seq, version, bytes, hash, entry_index AS entryIndex';

const SQL = {
  meterById: `SELECT ${METER_COLUMNS} FROM meter WHERE id = ?`,
  meters: `SELECT ${METER_COLUMNS} FROM meter ORDER BY number`,
  addMeter: 'INSERT INTO meter (id) VALUES (?) ON CONFLICT (id) DO NOTHING',
  saveOffer: `UPDATE meter SET state = 'offered', subject = ?, salt = ?, identity_key = ?, nonce = ? WHERE number = ?`,
  confirm: `UPDATE meter SET state = 'enrolled', nonce = NULL, next_seq = max(next_seq, ?),
            anchored_to = max(anchored_to, ? - 1) WHERE number = ?`,
  forgetEnrolment: `UPDATE meter SET state = 'new', nonce = NULL WHERE number = ?`,
  nextSeq: 'SELECT next_seq AS nextSeq FROM meter WHERE number = ?',
  takeSeq: 'UPDATE meter SET next_seq = ? WHERE number = ?',
  saveSerial: 'UPDATE meter SET serial = ? WHERE number = ?',
  addRecord: 'INSERT INTO record (meter, seq, version, bytes, hash) VALUES (?, ?, ?, ?, ?)',
  // The void record, where there is one, is what the chain gets.
  unanchored: `SELECT ${RECORD_COLUMNS} FROM record WHERE meter = ?1 AND seq > ?2 AND version =
                 (SELECT max(version) FROM record AS r WHERE r.meter = ?1 AND r.seq = record.seq)
               ORDER BY seq LIMIT ?3`,
  record: `SELECT ${RECORD_COLUMNS} FROM record WHERE meter = ? AND seq = ? ORDER BY version DESC LIMIT 1`,
  versions: `SELECT ${RECORD_COLUMNS} FROM record WHERE meter = ? AND seq = ? ORDER BY version`,
  firstVersions: `SELECT ${RECORD_COLUMNS} FROM record WHERE meter = ? AND seq > ? AND seq <= ? AND version = 0
                  ORDER BY seq LIMIT ?`,
  allRecords: `SELECT ${RECORD_COLUMNS} FROM record WHERE meter = ? AND (seq, version) > (?, ?)
               ORDER BY seq, version LIMIT ?`,
  hashes: 'SELECT hash FROM record WHERE meter = ? AND seq >= ? AND seq <= ? AND version = 0 ORDER BY seq',
  voids: `SELECT ${RECORD_COLUMNS} FROM record WHERE meter = ? AND version = 1 AND seq >= ? AND seq <= ? ORDER BY seq`,
  receipt: 'UPDATE record SET entry_index = ? WHERE meter = ? AND seq = ? AND version = ?',
  anchoredTo: 'UPDATE meter SET anchored_to = max(anchored_to, ?) WHERE number = ?',
  removeRecords: 'DELETE FROM record WHERE meter = ? AND seq >= ? AND seq <= ?',
  delivery: `SELECT first, acked_to AS ackedTo, running_hash AS runningHash, acknowledgement,
             chained_to AS chainedTo, chained_ms AS chainedMs FROM delivery WHERE meter = ? AND collector = ?`,
  saveDelivery: `INSERT INTO delivery (meter, collector, first, acked_to, running_hash, acknowledgement)
                 VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (meter, collector) DO UPDATE SET first = excluded.first,
                 acked_to = excluded.acked_to, running_hash = excluded.running_hash,
                 acknowledgement = coalesce(excluded.acknowledgement, acknowledgement)`,
  chained: 'UPDATE delivery SET chained_to = ?, chained_ms = ? WHERE meter = ? AND collector = ?',
  lastRecord: `SELECT ${RECORD_COLUMNS} FROM record WHERE meter = ? ORDER BY seq DESC LIMIT 1`,
  backlog: 'SELECT count(*) AS count FROM record WHERE meter = ? AND seq > ? AND version = 0',
  meta: 'SELECT value FROM meta WHERE key = ?',
  saveMeta:
    'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
} as const;

const PRAGMAS = ['journal_mode = WAL', 'synchronous = FULL', 'foreign_keys = ON'];
const SCHEMA = new URL('../../src/agent/field-store.sql', import.meta.url);

/** field.db: meters, records with their receipts, and what was acknowledged. */
export class FieldStore {
  readonly #db: Database;

  private constructor(db: Database) {
    this.#db = db;
  }

  /** Opens the database, and makes it where `readonly` is not asked for. */
  static async open(path: string, options: { readonly?: boolean } = {}): Promise<FieldStore> {
    const db = options.readonly
      ? await Database.open(path, { readonly: true })
      : await Database.open(path, { pragmas: PRAGMAS, schema: readFileSync(SCHEMA, 'utf8') });
    return new FieldStore(db);
  }

  close(): Promise<void> {
    return this.#db.close();
  }

  /** The meter's row; a meter that was never seen gets one. */
  async meter(id: string): Promise<FieldMeter> {
    await this.#db.run(SQL.addMeter, id);
    const meter = await this.findMeter(id);
    if (meter === undefined) throw new MetersealError('file-unusable', "couldn't add meter to field.db");
    return meter;
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
    await this.#db.run(SQL.saveOffer, offer.subject, offer.salt, offer.identityKey, offer.nonce, number);
  }

  /** @param firstSeq the number of the first reading under this enrolment, as the chain's entry says */
  async confirmEnrolment(number: number, firstSeq: number): Promise<void> {
    await this.#db.run(SQL.confirm, firstSeq, firstSeq, number);
  }

  async forgetEnrolment(number: number): Promise<void> {
    await this.#db.run(SQL.forgetEnrolment, number);
  }

  async saveSerial(number: number, serial: string): Promise<void> {
    await this.#db.run(SQL.saveSerial, serial, number);
  }

  /**
   * Gives the next number and commits the record made for it, in one transaction: a number is used once, and no record
   * exists without being stored.
   */
  appendRecord(
    number: number,
    make: (seq: number) => { bytes: Uint8Array; hash: Uint8Array },
  ): Promise<StoredRecord> {
    return this.#db.transaction(async () => {
      const row = await this.#db.get<{ nextSeq: number }>(SQL.nextSeq, number);
      const seq = row!.nextSeq;
      const { bytes, hash } = make(seq);
      await this.#db.run(SQL.addRecord, number, seq, 0, bytes, hash);
      await this.#db.run(SQL.takeSeq, seq + 1, number);
      return { seq, version: 0, bytes, hash, entryIndex: null };
    });
  }

  /** What the chain still has to get, in order: the void record where there is one. */
  unanchored(meter: FieldMeter, limit: number): Promise<StoredRecord[]> {
    return this.#db.all<StoredRecord>(SQL.unanchored, meter.number, meter.anchoredTo, limit);
  }

  /** The record that stands for this number: the void one, where there is one. */
  record(number: number, seq: number): Promise<StoredRecord | undefined> {
    return this.#db.get<StoredRecord>(SQL.record, number, seq);
  }

  versions(number: number, seq: number): Promise<StoredRecord[]> {
    return this.#db.all<StoredRecord>(SQL.versions, number, seq);
  }

  /** Readings as first made, in order, above `after`. */
  pending(number: number, after: number, limit: number): Promise<StoredRecord[]> {
    return this.firstVersions(number, after, Number.MAX_SAFE_INTEGER, limit);
  }

  /** The hashes of the readings `from`…`to` as first made; undefined where one is missing. */
  async hashes(number: number, from: number, to: number): Promise<Uint8Array[] | undefined> {
    const count = to - from + 1;
    const rows = await this.#db.all<{ hash: Uint8Array }>(SQL.hashes, number, from, to);
    return rows.length === count ? rows.map(({ hash }) => hash) : undefined;
  }

  /** Readings as first made, `after` < seq ≤ `to`. */
  firstVersions(number: number, after: number, to: number, limit: number): Promise<StoredRecord[]> {
    return this.#db.all<StoredRecord>(SQL.firstVersions, number, after, to, limit);
  }

  /** Void records of the numbers `from`…`to`, in order. */
  voids(number: number, from: number, to: number): Promise<StoredRecord[]> {
    return this.#db.all<StoredRecord>(SQL.voids, number, from, to);
  }

  async addVoid(number: number, seq: number, bytes: Uint8Array, hash: Uint8Array): Promise<void> {
    await this.#db.run(SQL.addRecord, number, seq, 1, bytes, hash);
  }

  /** Notes receipts; `receipts` rise by number and leave none out. */
  saveReceipts(
    number: number,
    receipts: readonly { seq: number; version: 0 | 1; index: number }[],
  ): Promise<void> {
    return this.#db.transaction(async () => {
      for (const { seq, version, index } of receipts) {
        await this.#db.run(SQL.receipt, index, number, seq, version);
      }
      const last = receipts.at(-1);
      if (last !== undefined) await this.#db.run(SQL.anchoredTo, last.seq, number);
    });
  }

  /**
   * Gives up the numbers from `from` on, which this database used a second time after it was put back to an earlier copy,
   * and makes their readings again above `peak`. `fill` gives void records for numbers up to `peak` that nobody but this
   * field could still fill.
   *
   * @returns how many readings were made again
   */
  renumber(
    number: number,
    from: number,
    peak: number,
    remake: (bytes: Uint8Array, seq: number) => { bytes: Uint8Array; hash: Uint8Array },
    fill?: (like: Uint8Array, seq: number) => { bytes: Uint8Array; hash: Uint8Array },
  ): Promise<number> {
    return this.#db.transaction(async () => {
      const { nextSeq } = (await this.#db.get<{ nextSeq: number }>(SQL.nextSeq, number))!;
      const old = await this.#db.all<StoredRecord>(SQL.firstVersions, number, from - 1, nextSeq, nextSeq);
      const like = old[0] ?? (await this.#db.get<StoredRecord>(SQL.lastRecord, number));
      await this.#db.run(SQL.removeRecords, number, from, nextSeq);
      if (fill === undefined) {
        await this.#db.run(SQL.anchoredTo, peak, number);
      } else if (like !== undefined) {
        for (let seq = from; seq <= peak; seq++) {
          const { bytes, hash } = fill(like.bytes, seq);
          await this.#db.run(SQL.addRecord, number, seq, 1, bytes, hash);
        }
      }
      let seq = Math.max(peak + 1, from);
      for (const record of old) {
        const { bytes, hash } = remake(record.bytes, seq);
        await this.#db.run(SQL.addRecord, number, seq, 0, bytes, hash);
        seq++;
      }
      await this.#db.run(SQL.takeSeq, seq, number);
      return old.length;
    });
  }

  async delivery(number: number, collector: Uint8Array): Promise<DeliveryState> {
    const state = await this.#db.get<DeliveryState>(SQL.delivery, number, collector);
    return state ?? NOTHING_DELIVERED;
  }

  async saveDelivery(
    number: number,
    collector: Uint8Array,
    state: { first: number; ackedTo: number; runningHash: Uint8Array; acknowledgement: Uint8Array | null },
  ): Promise<void> {
    const { first, ackedTo, runningHash, acknowledgement } = state;
    await this.#db.run(SQL.saveDelivery, number, collector, first, ackedTo, runningHash, acknowledgement);
  }

  async saveChained(number: number, collector: Uint8Array, to: number, ms: number): Promise<void> {
    await this.#db.run(SQL.chained, to, ms, number, collector);
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
    const rows = await this.#db.all<{ integrity_check: string }>('PRAGMA integrity_check(20)');
    return rows.map((row) => row.integrity_check).filter((text) => text !== 'ok');
  }

  /** How many readings of a meter lie above a number: what a peer still has to get. */
  async backlog(number: number, above: number): Promise<number> {
    return (await this.#db.get<{ count: number }>(SQL.backlog, number, above))!.count;
  }

  /** The chain's last checkpoint that this field holds a receipt under: the field is witness zero. */
  async lastReceipt(): Promise<string | undefined> {
    return (await this.#db.get<{ value: string }>(SQL.meta, 'receipt'))?.value;
  }

  async saveLastReceipt(note: string): Promise<void> {
    await this.#db.run(SQL.saveMeta, 'receipt', note);
  }
}
