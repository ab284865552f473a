import { MetersealError } from '@meterseal/protocol';
import { SQL } from 'meterseal/internal/agent/field-statements';
import type { SqlConnection, SqlValue } from 'meterseal/internal/host/database';

type Bytes = Uint8Array;
type Meter = {
  readonly number: number;
  readonly id: string;
  readonly state: string;
  readonly subject: number | null;
  readonly salt: Bytes | null;
  readonly identityKey: Bytes | null;
  readonly nonce: Bytes | null;
  readonly firstSeq: number | null;
  readonly nextSeq: number;
  readonly anchoredTo: number;
  readonly serial: string | null;
};
type RecordRow = {
  readonly meter: number;
  readonly seq: number;
  readonly version: number;
  readonly bytes: Bytes;
  readonly hash: Bytes;
  readonly entryIndex: number | null;
};
type Delivery = {
  readonly meter: number;
  readonly collector: Bytes;
  readonly first: number;
  readonly ackedTo: number;
  readonly runningHash: Bytes;
  readonly acknowledgement: Bytes | null;
  readonly chainedTo: number;
  readonly chainedMs: number;
};
type Lost = { readonly meter: number; readonly first: number; readonly last: number };
type VoidDelivery = { readonly meter: number; readonly collector: Bytes; readonly seq: number };
type EventRow = { readonly id: number; readonly body: string };

/** All rows, which are never changed but replaced: a copy of the arrays is a copy of the database. */
type Tables = {
  meters: readonly Meter[];
  /** By meter, number and version. */
  records: readonly RecordRow[];
  deliveries: readonly Delivery[];
  lost: readonly Lost[];
  voidDeliveries: readonly VoidDelivery[];
  events: readonly EventRow[];
  meta: ReadonlyMap<string, string>;
  /** Of AUTOINCREMENT: a number that was drawn is never drawn again, not even where the row was there already. */
  lastMeter: number;
  lastEvent: number;
};

const EMPTY: Tables = {
  meters: [],
  records: [],
  deliveries: [],
  lost: [],
  voidDeliveries: [],
  events: [],
  meta: new Map(),
  lastMeter: 0,
  lastEvent: 0,
};
const MAX_EVENTS = 1_000;

/**
 * field.db in memory: what each statement of field-statements.ts does, and when what was done is on the disk. That each of
 * them does the same as SQLite shows field-tables.test.ts.
 */
export class FieldTables {
  #tables: Tables = { ...EMPTY };
  #durable: Tables = { ...EMPTY };
  #before: Tables | undefined;

  /** What every process sees. */
  get tables(): Readonly<Tables> {
    return this.#tables;
  }

  begin(): void {
    this.#before = { ...this.#tables };
  }

  /** @param isSynced false where the connection does not ask for it: then a power cut may take it back */
  commit(isSynced: boolean): void {
    this.#before = undefined;
    if (isSynced) this.#durable = { ...this.#tables };
  }

  /** Also where there is nothing to take back. */
  rollback(): void {
    if (this.#before !== undefined) this.#tables = this.#before;
    this.#before = undefined;
  }

  /** What was committed and not synced is gone. */
  cutPower(): void {
    this.#before = undefined;
    this.#tables = { ...this.#durable };
  }

  copy(): Tables {
    return { ...this.#tables };
  }

  putBack(copy: Tables): void {
    this.#tables = { ...copy };
    this.#durable = { ...copy };
    this.#before = undefined;
  }

  get isInTransaction(): boolean {
    return this.#before !== undefined;
  }

  query(sql: string, params: readonly SqlValue[]): object[] {
    const query = QUERIES.get(sql);
    if (query === undefined) throw new Error(`no such query in field-tables.ts: ${sql}`);
    return query(this.#tables, params);
  }

  /** @returns how many rows it changed */
  change(sql: string, params: readonly SqlValue[]): number {
    // `addRecords` has as many rows as it is given.
    const change = sql.startsWith(SQL.addRecord) ? addRecords : CHANGES.get(sql);
    if (change === undefined) throw new Error(`no such change in field-tables.ts: ${sql}`);
    return change(this.#tables, params);
  }
}

type Params = readonly SqlValue[];

const QUERIES = new Map<string, (tables: Tables, params: Params) => object[]>([
  [SQL.meterById, ({ meters }, [id]) => meters.filter((meter) => meter.id === id)],
  [SQL.meterByNumber, ({ meters }, [number]) => meters.filter((meter) => meter.number === number)],
  [SQL.meters, ({ meters }) => [...meters]],
  [
    SQL.nextSeq,
    ({ meters }, [number]) =>
      meters.filter((meter) => meter.number === number).map(({ nextSeq }) => ({ nextSeq })),
  ],
  [
    SQL.standing,
    ({ records }, [meter, after, limit]) =>
      select(
        records.filter(
          (row, i) =>
            row.meter === meter &&
            row.seq > (after as number) &&
            !(row.version === 0 && isSameNumber(row, records[i + 1])),
        ),
        limit,
      ),
  ],
  [
    SQL.record,
    ({ records }, [meter, seq]) =>
      select(records.filter((row) => row.meter === meter && row.seq === seq).slice(-1), 1),
  ],
  [
    SQL.lastRecord,
    ({ records }, [meter]) => {
      const own = records.filter((row) => row.meter === meter);
      return select(
        own.filter(({ seq }) => seq === own.at(-1)!.seq),
        1,
      );
    },
  ],
  [
    SQL.firstVersions,
    ({ records }, [meter, after, to, limit]) =>
      select(
        records.filter(
          (row) =>
            row.version === 0 &&
            row.meter === meter &&
            row.seq > (after as number) &&
            row.seq <= (to as number),
        ),
        limit,
      ),
  ],
  [
    SQL.allRecords,
    ({ records }, [meter, seq, version, limit]) =>
      select(
        records.filter(
          (row) =>
            row.meter === meter &&
            (row.seq > (seq as number) || (row.seq === seq && row.version > (version as number))),
        ),
        limit,
      ),
  ],
  [
    SQL.lowestWithin,
    ({ records }, [meter, from, to]) => [
      { seq: records.find((row) => isOf(row, meter, from, to))?.seq ?? null },
    ],
  ],
  [
    SQL.hashes,
    ({ records }, [meter, from, to]) =>
      records
        .filter((row) => isOf(row, meter, from, to) && row.version === 0)
        .map(({ hash }) => ({ hash: Buffer.from(hash) })),
  ],
  [
    SQL.unsentVoids,
    ({ records, voidDeliveries }, [meter, collector, from, to, limit]) =>
      select(
        records.filter(
          (row) =>
            isOf(row, meter, from, to) &&
            row.version === 1 &&
            !voidDeliveries.some(
              (sent) => sent.meter === meter && same(sent.collector, collector) && sent.seq === row.seq,
            ),
        ),
        limit,
      ),
  ],
  [
    SQL.lost,
    ({ lost }, [meter]) =>
      lost
        .filter((row) => row.meter === meter)
        .sort((a, b) => a.first - b.first)
        .map(({ first, last }) => ({ first, last })),
  ],
  [
    SQL.delivery,
    ({ deliveries }, [meter, collector]) =>
      deliveries
        .filter((row) => row.meter === meter && same(row.collector, collector))
        .map(({ meter: _meter, collector: _collector, ...columns }) => columns),
  ],
  [
    SQL.deliveries,
    ({ deliveries }, [meter]) =>
      deliveries
        .filter((row) => row.meter === meter)
        .sort((a, b) => Buffer.compare(a.collector, b.collector))
        .map(({ meter: _meter, ...columns }) => columns),
  ],
  [SQL.events, ({ events }) => events.map((event) => ({ ...event }))],
  [SQL.meta, ({ meta }, [key]) => (meta.has(key as string) ? [{ value: meta.get(key as string)! }] : [])],
  [SQL.integrity, () => [{ integrity_check: 'ok' }]],
]);

const CHANGES = new Map<string, (tables: Tables, params: Params) => number>([
  [
    SQL.addMeter,
    (tables, [id]) => {
      tables.lastMeter++;
      if (tables.meters.some((meter) => meter.id === id)) return 0;
      const meter: Meter = {
        number: tables.lastMeter,
        id: id as string,
        state: 'new',
        subject: null,
        salt: null,
        identityKey: null,
        nonce: null,
        firstSeq: null,
        nextSeq: 1,
        anchoredTo: 0,
        serial: null,
      };
      tables.meters = [...tables.meters, meter];
      return 1;
    },
  ],
  [
    SQL.saveOffer,
    (tables, [subject, salt, identityKey, nonce, number]) =>
      changeMeter(tables, number, (meter) => ({
        ...meter,
        state: 'offered',
        subject: subject as number,
        salt: kept(salt),
        identityKey: kept(identityKey),
        nonce: kept(nonce),
      })),
  ],
  [
    SQL.confirm,
    (tables, [first, number]) =>
      changeMeter(tables, number, (meter) => ({
        ...meter,
        state: 'enrolled',
        nonce: null,
        firstSeq: meter.firstSeq ?? (first as number),
        nextSeq: Math.max(meter.nextSeq, first as number),
        anchoredTo: Math.max(meter.anchoredTo, (first as number) - 1),
      })),
  ],
  [
    SQL.forgetEnrolment,
    (tables, [number]) => changeMeter(tables, number, (meter) => ({ ...meter, state: 'new', nonce: null })),
  ],
  [
    SQL.takeSeq,
    (tables, [seq, number]) => changeMeter(tables, number, (meter) => ({ ...meter, nextSeq: seq as number })),
  ],
  [
    SQL.anchoredTo,
    (tables, [to, number]) =>
      changeMeter(tables, number, (meter) => ({
        ...meter,
        anchoredTo: Math.max(meter.anchoredTo, to as number),
      })),
  ],
  [
    SQL.saveSerial,
    (tables, [serial, number]) =>
      changeMeter(tables, number, (meter) => ({ ...meter, serial: serial as string })),
  ],
  [
    SQL.addVoid,
    (tables, [meter, seq, bytes, hash]) => {
      const row = recordOf(tables, meter, seq, 1, bytes, hash);
      if (tables.records.some((known) => isSameNumber(known, row) && known.version === 1)) return 0;
      insertRecord(tables, row);
      return 1;
    },
  ],
  [
    SQL.receipts,
    (tables, [json, meter]) => {
      const given = JSON.parse(json as string) as [number, number, number][];
      let changed = 0;
      tables.records = tables.records.map((row) => {
        const receipt = given.find(
          ([seq, version]) => row.meter === meter && row.seq === seq && row.version === version,
        );
        if (receipt === undefined) return row;
        changed++;
        return { ...row, entryIndex: receipt[2] };
      });
      return changed;
    },
  ],
  [
    SQL.removeRecords,
    (tables, [meter, from, below]) => {
      const left = tables.records.filter((row) => !isOf(row, meter, from, (below as number) - 1));
      const removed = tables.records.length - left.length;
      tables.records = left;
      return removed;
    },
  ],
  [
    SQL.addLost,
    (tables, [meter, first, last]) => {
      requireMeter(tables, meter);
      const known = tables.lost.find((row) => row.meter === meter && row.first === first);
      const row = {
        meter: meter as number,
        first: first as number,
        last: Math.max(known?.last ?? 0, last as number),
      };
      tables.lost = [...tables.lost.filter((other) => other !== known), row];
      return 1;
    },
  ],
  [
    SQL.saveDelivery,
    (tables, [meter, collector, first, ackedTo, runningHash, acknowledgement]) => {
      requireMeter(tables, meter);
      const known = tables.deliveries.find((row) => row.meter === meter && same(row.collector, collector));
      const row: Delivery = {
        meter: meter as number,
        collector: kept(collector)!,
        first: first as number,
        ackedTo: ackedTo as number,
        runningHash: kept(runningHash)!,
        acknowledgement: kept(acknowledgement) ?? known?.acknowledgement ?? null,
        chainedTo: known?.chainedTo ?? 0,
        chainedMs: known?.chainedMs ?? 0,
      };
      tables.deliveries = [...tables.deliveries.filter((other) => other !== known), row];
      return 1;
    },
  ],
  [
    SQL.chained,
    (tables, [to, ms, meter, collector]) => {
      let changed = 0;
      tables.deliveries = tables.deliveries.map((row) => {
        if (row.meter !== meter || !same(row.collector, collector)) return row;
        changed++;
        return { ...row, chainedTo: Math.max(row.chainedTo, to as number), chainedMs: ms as number };
      });
      return changed;
    },
  ],
  [
    SQL.addVoidDelivery,
    (tables, [meter, collector, seq]) => {
      requireMeter(tables, meter);
      const known = tables.voidDeliveries.some(
        (row) => row.meter === meter && same(row.collector, collector) && row.seq === seq,
      );
      if (known) return 0;
      const row = { meter: meter as number, collector: kept(collector)!, seq: seq as number };
      tables.voidDeliveries = [...tables.voidDeliveries, row];
      return 1;
    },
  ],
  [
    SQL.forgetVoidDeliveries,
    (tables, [meter, collector]) =>
      removeVoidDeliveries(tables, (row) => row.meter === meter && same(row.collector, collector)),
  ],
  [
    SQL.removeVoidDeliveries,
    (tables, [meter, from, below]) =>
      removeVoidDeliveries(tables, (row) => isOf(row, meter, from, (below as number) - 1)),
  ],
  [
    SQL.addEvent,
    (tables, [body]) => {
      if (tables.events.length >= MAX_EVENTS) return 0;
      tables.lastEvent++;
      tables.events = [...tables.events, { id: tables.lastEvent, body: body as string }];
      return 1;
    },
  ],
  [
    SQL.removeEvent,
    (tables, [id]) => {
      const left = tables.events.filter((event) => event.id !== id);
      const removed = tables.events.length - left.length;
      tables.events = left;
      return removed;
    },
  ],
  [
    SQL.saveMeta,
    (tables, [key, value]) => {
      tables.meta = new Map(tables.meta).set(key as string, value as string);
      return 1;
    },
  ],
]);

function select(rows: readonly RecordRow[], limit: SqlValue | undefined): object[] {
  return rows.slice(0, limit as number).map(({ seq, version, bytes, hash, entryIndex }) => ({
    seq,
    version,
    bytes: Buffer.from(bytes),
    hash: Buffer.from(hash),
    entryIndex,
  }));
}

function isSameNumber(row: RecordRow, other: RecordRow | undefined): boolean {
  return other?.meter === row.meter && other.seq === row.seq;
}

function isOf(
  row: { readonly meter: number; readonly seq: number },
  meter: SqlValue | undefined,
  from: SqlValue | undefined,
  to: SqlValue | undefined,
): boolean {
  return row.meter === meter && row.seq >= (from as number) && row.seq <= (to as number);
}

function same(a: Bytes, b: SqlValue | undefined): boolean {
  return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
}

/** The caller may overwrite its own. */
function kept(bytes: SqlValue | undefined): Bytes | null {
  return bytes instanceof Uint8Array ? Buffer.from(bytes) : null;
}

function changeMeter(tables: Tables, number: SqlValue | undefined, change: (meter: Meter) => Meter): number {
  let changed = 0;
  tables.meters = tables.meters.map((meter) => {
    if (meter.number !== number) return meter;
    changed++;
    return change(meter);
  });
  return changed;
}

function requireMeter({ meters }: Tables, number: SqlValue | undefined): void {
  if (!meters.some((meter) => meter.number === number)) refuse();
}

function recordOf(
  tables: Tables,
  meter: SqlValue | undefined,
  seq: SqlValue | undefined,
  version: SqlValue | undefined,
  bytes: SqlValue | undefined,
  hash: SqlValue | undefined,
): RecordRow {
  requireMeter(tables, meter);
  return {
    meter: meter as number,
    seq: seq as number,
    version: version as number,
    bytes: kept(bytes)!,
    hash: kept(hash)!,
    entryIndex: null,
  };
}

/** All of them, or none. */
function addRecords(tables: Tables, params: Params): number {
  const before = tables.records;
  try {
    for (let at = 0; at < params.length; at += 5) {
      const [meter, seq, version, bytes, hash] = params.slice(at, at + 5);
      const row = recordOf(tables, meter, seq, version, bytes, hash);
      if (tables.records.some((known) => isSameNumber(known, row) && known.version === version)) refuse();
      insertRecord(tables, row);
    }
  } catch (error) {
    tables.records = before;
    throw error;
  }
  return params.length / 5;
}

function insertRecord(tables: Tables, row: RecordRow): void {
  const at = tables.records.findIndex(
    (other) =>
      other.meter > row.meter ||
      (other.meter === row.meter &&
        (other.seq > row.seq || (other.seq === row.seq && other.version > row.version))),
  );
  tables.records = at < 0 ? [...tables.records, row] : tables.records.toSpliced(at, 0, row);
}

function removeVoidDeliveries(tables: Tables, isGone: (row: VoidDelivery) => boolean): number {
  const left = tables.voidDeliveries.filter((row) => !isGone(row));
  const removed = tables.voidDeliveries.length - left.length;
  tables.voidDeliveries = left;
  return removed;
}

function refuse(): never {
  throw new MetersealError('bad-argument', "couldn't write database: constraint failed");
}

/** A connection that nothing happens to. */
export function plainConnection(tables: FieldTables): SqlConnection {
  let isSynced = false;
  return {
    async exec(sql) {
      if (sql.startsWith('BEGIN')) tables.begin();
      else if (sql === 'COMMIT') tables.commit(isSynced);
      else if (sql === 'ROLLBACK') tables.rollback();
      else if (sql.startsWith('PRAGMA synchronous')) isSynced = sql.endsWith('FULL');
      else if (sql.startsWith('PRAGMA wal_checkpoint')) tables.commit(isSynced);
    },
    async run(sql, params) {
      const changes = tables.change(sql, params);
      if (!tables.isInTransaction) tables.commit(isSynced);
      return { changes, lastId: 0 };
    },
    get: async <T extends object>(sql: string, params: readonly SqlValue[]) =>
      tables.query(sql, params)[0] as T | undefined,
    all: async <T extends object>(sql: string, params: readonly SqlValue[]) =>
      tables.query(sql, params) as T[],
    close: async () => {},
  };
}
