/** Every SQL statement of field.db; field-store.sql has the tables, field-store.ts runs them. */

const METER_COLUMNS =
  'number, id, state, subject, salt, identity_key AS identityKey, nonce, first_seq AS firstSeq, next_seq AS nextSeq, anchored_to AS anchoredTo, serial';
const RECORD_COLUMNS = 'seq, version, bytes, hash, entry_index AS entryIndex';
const DELIVERY_COLUMNS =
  'first, acked_to AS ackedTo, running_hash AS runningHash, acknowledgement, chained_to AS chainedTo, chained_ms AS chainedMs';

/** Events wait for a chain that is away; so many, and no more, so that nothing can fill the disk with them. */
const MAX_EVENTS = 1_000;

export const PRAGMAS = [
  'journal_mode = WAL',
  'synchronous = FULL',
  'foreign_keys = ON',
  'busy_timeout = 5000',
];

export const SQL = {
  meterById: `SELECT ${METER_COLUMNS} FROM meter WHERE id = ?`,
  meterByNumber: `SELECT ${METER_COLUMNS} FROM meter WHERE number = ?`,
  meters: `SELECT ${METER_COLUMNS} FROM meter ORDER BY number`,
  addMeter: 'INSERT INTO meter (id) VALUES (?) ON CONFLICT (id) DO NOTHING',
  saveOffer: `UPDATE meter SET state = 'offered', subject = ?, salt = ?, identity_key = ?, nonce = ? WHERE number = ?`,
  confirm: `UPDATE meter SET state = 'enrolled', nonce = NULL, first_seq = coalesce(first_seq, ?1),
            next_seq = max(next_seq, ?1), anchored_to = max(anchored_to, ?1 - 1) WHERE number = ?2`,
  forgetEnrolment: `UPDATE meter SET state = 'new', nonce = NULL WHERE number = ?`,
  nextSeq: 'SELECT next_seq AS nextSeq FROM meter WHERE number = ?',
  takeSeq: 'UPDATE meter SET next_seq = ? WHERE number = ?',
  anchoredTo: 'UPDATE meter SET anchored_to = max(anchored_to, ?) WHERE number = ?',
  saveSerial: 'UPDATE meter SET serial = ? WHERE number = ?',

  addRecord: 'INSERT INTO record (meter, seq, version, bytes, hash) VALUES (?, ?, ?, ?, ?)',
  addVoid: `INSERT INTO record (meter, seq, version, bytes, hash) VALUES (?, ?, 1, ?, ?)
            ON CONFLICT (meter, seq, version) DO NOTHING`,
  // The void record, where there is one, is what the chain gets.
  standing: `SELECT ${RECORD_COLUMNS} FROM record WHERE meter = ?1 AND seq > ?2 AND version =
               (SELECT max(version) FROM record AS r WHERE r.meter = ?1 AND r.seq = record.seq)
             ORDER BY seq LIMIT ?3`,
  record: `SELECT ${RECORD_COLUMNS} FROM record WHERE meter = ? AND seq = ? ORDER BY version DESC LIMIT 1`,
  lastRecord: `SELECT ${RECORD_COLUMNS} FROM record WHERE meter = ? ORDER BY seq DESC, version LIMIT 1`,
  firstVersions: `SELECT ${RECORD_COLUMNS} FROM record WHERE meter = ? AND seq > ? AND seq <= ? AND version = 0
                  ORDER BY seq LIMIT ?`,
  allRecords: `SELECT ${RECORD_COLUMNS} FROM record WHERE meter = ? AND (seq, version) > (?, ?)
               ORDER BY seq, version LIMIT ?`,
  lowestWithin: 'SELECT min(seq) AS seq FROM record WHERE meter = ? AND seq >= ? AND seq <= ?',
  hashes: 'SELECT hash FROM record WHERE meter = ? AND seq >= ? AND seq <= ? AND version = 0 ORDER BY seq',
  unsentVoids: `SELECT ${RECORD_COLUMNS} FROM record WHERE meter = ?1 AND version = 1 AND seq >= ?3 AND seq <= ?4
                AND NOT EXISTS (SELECT 1 FROM void_delivery AS sent
                                WHERE sent.meter = ?1 AND sent.collector = ?2 AND sent.seq = record.seq)
                ORDER BY seq LIMIT ?5`,
  // One statement for a whole answer: [[seq, version, index], …].
  receipts: `UPDATE record SET entry_index = given.value ->> 2 FROM json_each(?1) AS given
             WHERE meter = ?2 AND seq = given.value ->> 0 AND version = given.value ->> 1`,
  removeRecords: 'DELETE FROM record WHERE meter = ? AND seq >= ? AND seq < ?',

  addLost: `INSERT INTO lost (meter, first, last) VALUES (?, ?, ?)
            ON CONFLICT (meter, first) DO UPDATE SET last = max(last, excluded.last)`,
  lost: 'SELECT first, last FROM lost WHERE meter = ? ORDER BY first',

  delivery: `SELECT ${DELIVERY_COLUMNS} FROM delivery WHERE meter = ? AND collector = ?`,
  deliveries: `SELECT collector, ${DELIVERY_COLUMNS} FROM delivery WHERE meter = ? ORDER BY collector`,
  saveDelivery: `INSERT INTO delivery (meter, collector, first, acked_to, running_hash, acknowledgement)
                 VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (meter, collector) DO UPDATE SET first = excluded.first,
                 acked_to = excluded.acked_to, running_hash = excluded.running_hash,
                 acknowledgement = coalesce(excluded.acknowledgement, acknowledgement)`,
  chained:
    'UPDATE delivery SET chained_to = max(chained_to, ?), chained_ms = ? WHERE meter = ? AND collector = ?',
  addVoidDelivery: `INSERT INTO void_delivery (meter, collector, seq) VALUES (?, ?, ?)
                    ON CONFLICT (meter, collector, seq) DO NOTHING`,
  forgetVoidDeliveries: 'DELETE FROM void_delivery WHERE meter = ? AND collector = ?',
  removeVoidDeliveries: 'DELETE FROM void_delivery WHERE meter = ? AND seq >= ? AND seq < ?',

  addEvent: `INSERT INTO event (body) SELECT ? WHERE (SELECT count(*) FROM event) < ${MAX_EVENTS}`,
  events: 'SELECT id, body FROM event ORDER BY id',
  removeEvent: 'DELETE FROM event WHERE id = ?',

  meta: 'SELECT value FROM meta WHERE key = ?',
  saveMeta:
    'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  integrity: 'PRAGMA integrity_check(20)',
} as const;

/** Adds `count` records with one statement. */
export function addRecords(count: number): string {
  const row = '(?, ?, ?, ?, ?)';
  return `INSERT INTO record (meter, seq, version, bytes, hash) VALUES ${Array(count).fill(row).join(', ')}`;
}
