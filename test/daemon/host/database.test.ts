import { copyFile, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database } from 'meterseal/internal/host/database';
import t from 'tap';

const folder = await mkdtemp(join(tmpdir(), 'meterseal-database-'));
t.teardown(() => rm(folder, { recursive: true }));

const SCHEMA = 'CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, number INTEGER, body BLOB) STRICT';
let files = 0;
const fresh = () => join(folder, `${files++}.db`);

t.test('values come back as they went in', async (t) => {
  const database = await Database.open(fresh(), { schema: SCHEMA });
  const body = new Uint8Array([0, 1, 255]).subarray(1);
  const written = await database.run('INSERT INTO item (number, body) VALUES (?, ?)', 2 ** 53 - 1, body);
  t.same(written, { changes: 1, lastId: 1 });
  const row = await database.get<{ number: number; body: Uint8Array }>('SELECT number, body FROM item');
  t.equal(row?.number, 2 ** 53 - 1);
  t.same(new Uint8Array(row!.body), body);
  await database.run('INSERT INTO item (number, body) VALUES (?, ?)', 1_764_000_000_000, null);
  const rows = await database.all<{ id: number }>('SELECT id FROM item WHERE number > ? ORDER BY id', 1);
  t.same(rows, [{ id: 1 }, { id: 2 }]);
  t.equal(await database.get('SELECT id FROM item WHERE id = ?', 9), undefined);
  await database.close();
});

t.test('what a killed process has committed is synced before anybody is told of it', async (t) => {
  const options = { schema: SCHEMA, pragmas: ['journal_mode=WAL', 'synchronous=FULL'] };
  const path = fresh();
  const killed = await Database.open(path, options);
  await killed.run('INSERT INTO item (number) VALUES (1)');
  const left = fresh();
  for (const suffix of ['', '-wal']) await copyFile(path + suffix, left + suffix);
  t.not((await stat(`${left}-wal`)).size, 0, 'it stands in the log, synced or not');
  const next = await Database.open(left, options);
  t.equal((await stat(`${left}-wal`)).size, 0, 'opening has synced the log and brought it into the file');
  t.same(await next.all('SELECT number FROM item'), [{ number: 1 }]);
  for (const database of [killed, next]) await database.close();
});

t.test('a file is made for its owner only, and a link is not followed', async (t) => {
  const path = fresh();
  await (await Database.open(path, { schema: SCHEMA })).close();
  t.equal((await stat(path)).mode & 0o777, 0o600);
  const link = fresh();
  await symlink(path, link);
  await t.rejects(Database.open(link), { code: 'file-unusable' });
});

t.test('a statement from outside waits for the transaction, one from inside does not', async (t) => {
  const database = await Database.open(fresh(), { schema: SCHEMA, pragmas: ['journal_mode=WAL'] });
  const seen: string[] = [];
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const transaction = database.transaction(async () => {
    await database.run('INSERT INTO item (number) VALUES (1)');
    await gate;
    await database.run('INSERT INTO item (number) VALUES (2)');
    seen.push('inside');
    throw new Error('changed my mind');
  });
  const outside = database.run('INSERT INTO item (number) VALUES (3)').then(() => seen.push('outside'));
  const second = database.transaction(async () => {
    seen.push('second');
  });
  release();
  await t.rejects(transaction, { message: 'changed my mind' });
  await Promise.all([outside, second]);
  t.same(seen, ['inside', 'outside', 'second']);
  t.same(await database.all('SELECT number FROM item'), [{ number: 3 }]);
  await database.close();
});

t.test('a transaction inside a transaction is refused', async (t) => {
  const database = await Database.open(fresh());
  await t.rejects(
    database.transaction(() => database.transaction(async () => {})),
    { code: 'bad-argument' },
  );
  t.equal(await database.transaction(async () => 7), 7);
  await database.close();
});

t.test('a snapshot sees one state, whatever others commit', async (t) => {
  const path = fresh();
  const writer = await Database.open(path, { schema: SCHEMA, pragmas: ['journal_mode=WAL'] });
  const reader = await Database.open(path, { readonly: true });
  const count = async () => (await reader.get<{ n: number }>('SELECT count(*) AS n FROM item'))!.n;
  await reader.snapshot(async () => {
    t.equal(await count(), 0);
    await writer.run('INSERT INTO item (number) VALUES (1)');
    t.equal(await count(), 0);
  });
  t.equal(await count(), 1);
  await reader.close();
  await writer.close();
});

t.test('what SQLite refuses has a code of ours', async (t) => {
  const path = fresh();
  const database = await Database.open(path, { schema: SCHEMA });
  await t.rejects(database.run('INSERT INTO item (id, number) VALUES (1, ?)', 'text'), {
    code: 'bad-argument',
  });
  await t.rejects(database.exec('SELECT'), { code: 'bad-argument' });
  await database.close();
  await database.close();
  await t.rejects(database.get('SELECT 1'), { code: 'stopped' });

  await t.rejects(Database.open(fresh(), { readonly: true }), { code: 'file-unusable' });
  const readonly = await Database.open(path, { readonly: true });
  await t.rejects(readonly.run('INSERT INTO item (number) VALUES (1)'), { code: 'file-unusable' });
  await readonly.close();

  const garbage = fresh();
  await writeFile(garbage, 'x'.repeat(5000));
  await t.rejects(Database.open(garbage, { schema: SCHEMA }), { code: 'file-damaged' });

  const small = await Database.open(fresh(), { schema: SCHEMA, pragmas: ['max_page_count=4'] });
  await t.rejects(small.run('INSERT INTO item (body) VALUES (?)', new Uint8Array(100_000)), {
    code: 'disk-full',
  });
  await small.close();
});
