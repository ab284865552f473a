import { join } from 'node:path';
import { javascriptEngine as engine } from '@meterseal/native/javascript';
import { RUNNING_HASH_START, runningHash } from '@meterseal/protocol';
import { checkField } from 'meterseal/internal/agent/check-field';
import { FieldStore } from 'meterseal/internal/agent/field-store';
import { Recorder } from 'meterseal/internal/agent/recorder';
import { Database } from 'meterseal/internal/host/database';
import type { Test } from 'tap';
import t from 'tap';
import { seededRandom } from '../chain/test-box.js';
import { temporaryFolder } from '../host/temporary-folder.js';

const COLLECTOR = engine.keyFromSeed(new Uint8Array(32).fill(7)).publicKey;

/** A database with two meters: twelve readings, one of them void, some with receipts, some delivered. */
async function sample(t: Test): Promise<string> {
  const path = join(temporaryFolder(t), 'field.db');
  const store = await FieldStore.open(path);
  const recorder = new Recorder(store, engine, seededRandom('check'), 'meterseal/test 0123456789abcdef');
  for (const id of ['EM:1', 'EM:2']) {
    const { number } = await store.meter(id);
    await store.confirmEnrolment(number, 3);
    const records = [];
    for (let i = 0; i < 6; i++) {
      const origin = {
        meter: id,
        profile: 'a/b@0123456789abcdef',
        identity: 'none',
        clock: 'holdover',
      } as const;
      const values = [{ obis: '1-0:1.8.0', unit: 'kWh', value: String(i) }];
      records.push(await recorder.record(number, origin, { startedAt: 5, endedAt: 6, values, raw: [] }));
    }
    await store.addVoid(number, 5, recorder.voidOf(id, records[2]!, 'record-invalid', records[0]!.bytes));
    await store.saveReceipts(number, [
      { seq: 3, version: 0, index: 10 },
      { seq: 4, version: 0, index: 12 },
      { seq: 5, version: 1, index: 13 },
    ]);
    const hash = records
      .slice(0, 4)
      .reduce((h, record) => runningHash(engine, h, record.hash), RUNNING_HASH_START);
    const delivered = { first: 3, ackedTo: 6, runningHash: hash, acknowledgement: null };
    await store.saveDelivery(number, COLLECTOR, delivered);
  }
  await store.close();
  return path;
}

/** Changes the database as somebody would who can write to it. */
async function tamper(path: string, ...statements: string[]): Promise<void> {
  const database = await Database.open(path);
  for (const statement of statements) await database.exec(statement);
  await database.close();
}

t.test('a database that nobody touched is clean', async (t) => {
  const path = await sample(t);
  t.same(await checkField(path, engine), { records: 14, findings: [] });
});

t.test('a number that is known to be lost is not missing', async (t) => {
  const path = await sample(t);
  const store = await FieldStore.open(path);
  const recorder = new Recorder(store, engine, seededRandom('lost'), 'meterseal/test 0123456789abcdef');
  const number = (await store.meter('EM:1')).number;
  await store.saveReceipts(number, [{ seq: 6, version: 0, index: 20 }]);
  await store.restart(number, { from: 7, peak: 20, onChain: false }, (bytes, seq) =>
    recorder.remake(bytes, seq),
  );
  await store.fillLost(number, (like, seq) => recorder.lost(like, seq), 4);
  await store.close();
  t.same((await checkField(path, engine)).findings, []);
  await tamper(path, 'DELETE FROM lost');
  t.match((await checkField(path, engine)).findings, [
    ...[7, 8, 9, 10].map(
      (seq) => `field.db: record ${seq} of meter number 1: it replaces a reading that is not there`,
    ),
    'field.db: records 11 to 20 of meter number 1: missing',
  ]);
});

const TAMPERINGS: [what: string, statement: string, found: RegExp[]][] = [
  [
    'a byte of a record',
    'UPDATE record SET bytes = CAST(replace(CAST(bytes AS TEXT), \'"value":"3"\', \'"value":"4"\') AS BLOB) WHERE meter = 1 AND seq = 6',
    [/^field\.db: record 6 of meter number 1: its bytes do not hash to its hash$/],
  ],
  [
    'a hash, and the running hash with it',
    "UPDATE record SET hash = x'0000000000000000000000000000000000000000000000000000000000000000' WHERE meter = 2 AND seq = 4",
    [
      /record 4 of meter number 2: its bytes/,
      /acknowledged numbers 3 to 6 of meter number 2: their running hash/,
    ],
  ],
  [
    'a record taken away',
    'DELETE FROM record WHERE meter = 1 AND seq = 7',
    [/record 7 of meter number 1: missing/],
  ],
  [
    'records at the end taken away',
    'DELETE FROM record WHERE meter = 1 AND seq > 6',
    [/records 7 to 8 of meter number 1: missing/],
  ],
  [
    'a record at the beginning taken away',
    'DELETE FROM record WHERE meter = 1 AND seq = 3',
    [/record 3 of meter number 1: missing/],
  ],
  [
    'all of a meter taken away',
    'DELETE FROM record WHERE meter = 2',
    [/records 3 to 8 of meter number 2: missing/],
  ],
  [
    'a number set back, so that it would be used again',
    'UPDATE meter SET next_seq = 8 WHERE number = 1',
    [/record 8 of meter number 1: above the next number 8/],
  ],
  [
    'a record moved to another number',
    'UPDATE record SET seq = 9 WHERE meter = 1 AND seq = 8',
    [
      /record 8 of .*: missing/,
      /record 9 of .*: above the next/,
      /record 9 of .*: it names another meter or number/,
    ],
  ],
  [
    'a record moved to another meter',
    'UPDATE record SET meter = 2, seq = 9 WHERE meter = 1 AND seq = 8; UPDATE meter SET next_seq = 10 WHERE number = 2',
    [/record 8 of meter number 1: missing/, /record 9 of meter number 2: it names another meter/],
  ],
  [
    'a void record without its mark',
    'UPDATE record SET version = 1 WHERE meter = 1 AND seq = 8',
    [/record 8 of meter number 1: it is void in the wrong place/],
  ],
  [
    'the reading under a void record taken away',
    'DELETE FROM record WHERE meter = 1 AND seq = 5 AND version = 0',
    [/record 5 of meter number 1: it replaces a reading that is not there/],
  ],
  [
    'a receipt changed',
    'UPDATE record SET entry_index = 13 WHERE meter = 1 AND seq = 4',
    [/record 5 of .*: its receipt/],
  ],
  [
    'an acknowledged height raised',
    'UPDATE delivery SET acked_to = 9 WHERE meter = 1',
    [/acknowledged height 9 of meter number 1: above the next number 9/],
  ],
  [
    'a running hash changed',
    "UPDATE delivery SET running_hash = x'0000000000000000000000000000000000000000000000000000000000000000' WHERE meter = 1",
    [/acknowledged numbers 3 to 6 of meter number 1/],
  ],
  [
    'no record at all',
    "UPDATE record SET bytes = x'00' WHERE meter = 1 AND seq = 8",
    [/its bytes do not/, /not JSON/],
  ],
  [
    'a receipt that is none',
    "INSERT INTO meta (key, value) VALUES ('receipt', 'no note')",
    [/^field\.db: couldn't parse note/],
  ],
];

t.test('whatever is changed is named', async (t) => {
  for (const [what, statement, found] of TAMPERINGS) {
    const path = await sample(t);
    await tamper(path, 'PRAGMA foreign_keys = OFF', ...statement.split('; '));
    const { findings } = await checkField(path, engine);
    t.equal(findings.length, found.length, `${what}: ${findings.join(' | ')}`);
    t.match(findings, found, what);
  }
});

t.test('a file that is no database is a finding, not a crash', async (t) => {
  const path = await sample(t);
  const database = await Database.open(path);
  await database.exec('PRAGMA writable_schema = ON');
  await database.exec("UPDATE sqlite_schema SET rootpage = 3 WHERE name = 'record'");
  await database.close();
  t.not((await checkField(path, engine)).findings.length, 0);
});
