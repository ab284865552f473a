import type { Hasher } from '@meterseal/protocol';
import {
  decodeRecord,
  equalBytes,
  isMetersealError,
  parseCheckpoint,
  parseNote,
  RUNNING_HASH_START,
  readingHash,
  runningHash,
  toHex,
} from '@meterseal/protocol';
import type { SqlConnection } from '../host/database.js';
import type { DeliveryState, FieldMeter } from './field-store.js';
import { FieldStore } from './field-store.js';
import type { StoredRecord } from './stored-record.js';

export type FieldCheck = { readonly records: number; readonly findings: readonly string[] };

/** Records that are looked at in one query. */
const PAGE = 1_000;

/**
 * Checks field.db: every record's bytes, hash, meter and number; that every number is a record or known to be lost;
 * that receipts rise; and that what was acknowledged is what is held.
 *
 * @param place the path of field.db, or a connection to it
 * @throws MetersealError where the database cannot be opened at all
 */
export async function checkField(place: string | SqlConnection, hasher: Hasher): Promise<FieldCheck> {
  const findings: string[] = [];
  let records = 0;
  const store = await FieldStore.open(place, { readonly: true });
  try {
    findings.push(...(await store.integrity()));
    for (const meter of await store.meters()) {
      const check = new MeterCheck(meter, hasher, await store.deliveries(meter.number));
      await check.run(store);
      records += check.records;
      findings.push(...check.findings);
    }
    const receipt = await store.lastReceipt();
    if (receipt !== undefined) parseCheckpoint(parseNote(receipt).text);
  } catch (error) {
    if (!isMetersealError(error, 'file-damaged', 'bad-checkpoint', 'too-large')) throw error;
    findings.push(error.message);
  } finally {
    await store.close();
  }
  return { records, findings: findings.map((finding) => `field.db: ${finding}`) };
}

/** One meter's records, gone through once in the order of their numbers. */
class MeterCheck {
  readonly findings: string[] = [];
  records = 0;
  readonly #meter: FieldMeter;
  readonly #hasher: Hasher;
  readonly #deliveries: { readonly stated: DeliveryState; hash: Uint8Array; held: number }[];
  #lost: readonly { readonly first: number; readonly last: number }[] = [];
  /** The first number that is not accounted for yet. */
  #due: number;
  #lastIndex = -1;
  #previous: StoredRecord | undefined;

  constructor(meter: FieldMeter, hasher: Hasher, deliveries: readonly DeliveryState[]) {
    this.#meter = meter;
    this.#hasher = hasher;
    this.#due = meter.firstSeq ?? meter.nextSeq;
    this.#deliveries = deliveries.map((stated) => ({ stated, hash: RUNNING_HASH_START, held: 0 }));
  }

  async run(store: FieldStore): Promise<void> {
    const { number, nextSeq } = this.#meter;
    this.#lost = await store.lost(number);
    for (let behind = { seq: 0, version: 0 }; ; ) {
      const page = await store.allRecords(number, behind, PAGE);
      for (const record of page) this.#look(record);
      if (page.length < PAGE) break;
      behind = page.at(-1)!;
    }
    this.#account(nextSeq);
    for (const { stated, hash, held } of this.#deliveries) this.#compare(stated, hash, held);
  }

  #look(record: StoredRecord): void {
    const { seq, version, bytes, hash, entryIndex } = record;
    const { firstSeq, nextSeq } = this.#meter;
    const tell = (what: string): void => this.#tell(`record ${seq}`, what);
    this.records++;
    this.#account(seq);
    this.#due = Math.max(this.#due, seq + 1);
    if (firstSeq === null || seq < firstSeq) tell('below the first number');
    if (seq >= nextSeq) tell(`above the next number ${nextSeq}`);
    if (!equalBytes(readingHash(this.#hasher, bytes), hash)) tell('its bytes do not hash to its hash');
    for (const problem of this.#problemsOf(record)) tell(problem);
    if (entryIndex !== null) {
      if (entryIndex <= this.#lastIndex) tell('its receipt is not behind that of the record before');
      this.#lastIndex = entryIndex;
    }
    if (version === 0) {
      for (const delivery of this.#deliveries) {
        const { first, ackedTo } = delivery.stated;
        if (seq < first || seq > ackedTo) continue;
        delivery.hash = runningHash(this.#hasher, delivery.hash, hash);
        delivery.held++;
      }
    }
    this.#previous = record;
  }

  #problemsOf({ bytes, seq, version }: StoredRecord): string[] {
    try {
      const record = decodeRecord(bytes);
      const problems: string[] = [];
      if (record.meter !== this.#meter.id || record.seq !== seq)
        problems.push('it names another meter or number');
      if ((record.void !== undefined) !== (version === 1)) problems.push('it is void in the wrong place');
      if (record.void !== undefined && !this.#isReplaced(seq, record.void.replaces)) {
        problems.push('it replaces a reading that is not there');
      }
      return problems;
    } catch (error) {
      if (!isMetersealError(error)) throw error;
      return [error.message];
    }
  }

  /** A void record replaces the reading of its number, or stands for one that is known to be lost. */
  #isReplaced(seq: number, replaces: string): boolean {
    const reading = this.#previous?.seq === seq ? this.#previous : undefined;
    return reading === undefined ? this.#isLost(seq) : toHex(reading.hash) === replaces;
  }

  #isLost(seq: number): boolean {
    return this.#lost.some(({ first, last }) => first <= seq && seq <= last);
  }

  /** Every number below `seq` is a record, or known to be lost. */
  #account(seq: number): void {
    for (const { first, last } of this.#lost) {
      if (first <= this.#due) this.#due = Math.max(this.#due, last + 1);
      else if (first < seq) {
        this.#missing(first);
        this.#due = last + 1;
      }
    }
    this.#missing(seq);
  }

  #missing(before: number): void {
    if (this.#due >= before) return;
    const last = before - 1;
    this.#tell(this.#due === last ? `record ${last}` : `records ${this.#due} to ${last}`, 'missing');
    this.#due = before;
  }

  #compare({ first, ackedTo, runningHash: stated }: DeliveryState, hash: Uint8Array, held: number): void {
    const { nextSeq } = this.#meter;
    if (ackedTo >= nextSeq) this.#tell(`acknowledged height ${ackedTo}`, `above the next number ${nextSeq}`);
    // What was lost here is still held by the collector: its part of the hash cannot be made again.
    if (held !== ackedTo - first + 1 || equalBytes(hash, stated)) return;
    this.#tell(
      `acknowledged numbers ${first} to ${ackedTo}`,
      'their running hash is not that of the records',
    );
  }

  #tell(where: string, what: string): void {
    this.findings.push(`${where} of meter number ${this.#meter.number}: ${what}`);
  }
}
