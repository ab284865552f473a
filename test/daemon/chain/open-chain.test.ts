import { copyFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import {
  decodeEntry,
  epochOf,
  formatCheckpoint,
  parsePolicy,
  platformIdOf,
  signNote,
} from '@meterseal/protocol';
import { blockEntries } from 'meterseal/internal/chain/block';
import { chainFiles } from 'meterseal/internal/chain/chain-files';
import { loadLogKey } from 'meterseal/internal/chain/log-key';
import { Database } from 'meterseal/internal/host/database';
import t from 'tap';
import { addEvents, ChainBench } from './chain-bench.js';
import { engine, ORIGIN, PLATFORM_ID } from './test-box.js';

async function change(bench: ChainBench, sql: string): Promise<void> {
  const database = await Database.open(bench.state.chainDatabase);
  await database.exec(sql);
  await database.close();
}

t.test('a first start makes key, epoch, boot event, checkpoint and policy', async (t) => {
  const bench = new ChainBench(t);
  const chain = await bench.open();
  t.equal(chain.origin, ORIGIN);
  t.equal(platformIdOf(chain.origin), PLATFORM_ID);
  t.equal(epochOf(chain.origin), 1);
  t.equal(statSync(bench.state.logKey).mode & 0o777, 0o600);
  t.same(loadLogKey(chainFiles(bench.state), engine).publicKey, chain.logKey);
  t.equal(readFileSync(bench.state.checkpoint, 'utf8'), chain.published.note);
  const policy = parsePolicy(engine, readFileSync(bench.state.policy, 'utf8'));
  t.match(policy, { logs: [{ key: { name: ORIGIN, publicKey: chain.logKey } }], quorum: undefined });

  const [epoch, boot, close] = blockEntries((await chain.reader.blockAtHeight(1))!).map((entry) =>
    decodeEntry(entry),
  );
  t.match(epoch, { type: 'epoch', seq: 1, reason: 'first', previousOrigin: '', logKey: chain.logKey });
  t.match(boot, { type: 'event', seq: 1, subject: 0, event: { kind: 'boot' } });
  t.match(close, {
    type: 'block-close',
    seq: 1,
    firstIndex: 0,
    count: 2,
    witnessed: false,
    clock: 'unsynchronised',
  });
  t.equal((close as unknown as { bootId: Uint8Array }).bootId.length, 16);
});

t.test('every start adds a boot event, under a new boot ID, and goes on where the chain stood', async (t) => {
  const bench = new ChainBench(t);
  const first = await bench.open();
  await addEvents(first, 3);
  const { size, root, height } = first.published;
  await bench.close();
  const second = await bench.open();
  t.equal(second.published.size, size + 2);
  t.equal(second.published.height, height + 1);
  t.same(await second.tree.rootAt(size), root);
  const closes = [];
  for await (const block of second.reader.blocks(1)) closes.push(decodeEntry(blockEntries(block).at(-1)!));
  const boots = closes.map((entry) => Buffer.from((entry as { bootId: Uint8Array }).bootId).toString('hex'));
  t.equal(boots[0], boots[1]);
  t.not(boots[1], boots[2]);
  t.same(await bench.findings(second), []);
});

t.test('a first start that was interrupted is taken up with the same key', async (t) => {
  const bench = new ChainBench(t);
  const { logKey } = await bench.open();
  await bench.kill();
  for (const path of [bench.state.chainDatabase, bench.state.checkpoint, bench.state.policy]) rmSync(path);
  rmSync(`${bench.state.chainDatabase}-wal`, { force: true });
  t.same((await bench.open()).logKey, logKey);
});

t.test('a chain belongs to one platform and one key', async (t) => {
  const bench = new ChainBench(t);
  await bench.open();
  await bench.close();
  await t.rejects(bench.open(undefined, 'other.example/meterseal/box'), { code: 'bad-config' });
  const kept = readFileSync(bench.state.logKey);
  rmSync(bench.state.logKey);
  await t.rejects(bench.open(), { code: 'file-missing' });
  t.notOk(existsSync(bench.state.logKey), 'no new key is made for an old chain');
  const other = new ChainBench(t, 'other');
  await other.open();
  copyFileSync(other.state.logKey, bench.state.logKey);
  await t.rejects(bench.open(), { code: 'bad-key' });
  writeFileSync(bench.state.logKey, kept);
  t.ok(await bench.open());
});

t.test('a policy that does not name this chain’s key is not overwritten: the start is refused', async (t) => {
  const bench = new ChainBench(t);
  await bench.open();
  await bench.close();
  const other = new ChainBench(t, 'other');
  await other.open();
  copyFileSync(other.state.policy, bench.state.policy);
  const checkpoint = readFileSync(bench.state.checkpoint, 'utf8');
  await t.rejects(bench.open(), { code: 'bad-policy' });
  t.equal(readFileSync(bench.state.checkpoint, 'utf8'), checkpoint, 'and nothing was signed');
});

t.test('a lost database is not begun anew under a published checkpoint', async (t) => {
  const bench = new ChainBench(t);
  const chain = await bench.open();
  await addEvents(chain, 5);
  await bench.close();
  rmSync(bench.state.chainDatabase);
  await t.rejects(bench.open(), { code: 'behind-witness' });
});

t.test('a database put back alone is found out by the published checkpoint', async (t) => {
  const bench = new ChainBench(t);
  await addEvents(await bench.open(), 5);
  await bench.close();
  const copy = `${bench.state.chainDatabase}.copy`;
  copyFileSync(bench.state.chainDatabase, copy);
  const chain = await bench.open();
  await addEvents(chain, 5);
  await bench.close();
  copyFileSync(copy, bench.state.chainDatabase);
  await t.rejects(bench.open(), {
    code: 'behind-witness',
    message: /of 17 entries was signed, and it has 9/,
  });

  const key = loadLogKey(chainFiles(bench.state), engine);
  const text = formatCheckpoint({ origin: ORIGIN, size: 9, root: new Uint8Array(32), extensions: [] });
  writeFileSync(bench.state.checkpoint, signNote(engine, key, ORIGIN, text));
  await t.rejects(bench.open(), { code: 'behind-witness', message: /another history/ });
  writeFileSync(bench.state.checkpoint, '');
  t.ok(await bench.open(), 'a torn checkpoint file says nothing');
});

t.test('damage is found when the chain is opened', async (t) => {
  const bench = new ChainBench(t);
  await addEvents(await bench.open(), 600);
  await bench.close();
  const flip = (column: string, table: string, where: string) =>
    `UPDATE ${table} SET ${column} = zeroblob(length(${column})) WHERE ${where}`;
  const damages: [string, string][] = [
    ['entries', flip('entries', 'block', 'height = 2')],
    ['a root', flip('root', 'block', 'height = 2')],
    ['a count', 'UPDATE block SET count = count + 1 WHERE height = 2'],
    ['a time', 'UPDATE block SET time_ms = time_ms + 1 WHERE height = 2'],
    ['a checkpoint', "UPDATE block SET note = replace(note, '/1\n', '/2\n') WHERE height = 1"],
    [
      'the last checkpoint’s signature',
      "UPDATE block SET note = substr(note, 1, length(note) - 9) || 'AAAAAAA=' || char(10) WHERE height = 2",
    ],
    ['a block that is gone', 'DELETE FROM block WHERE height = 1'],
    ['a tile', flip('hashes', 'tile', 'number = 0')],
    ['a tile that is gone', 'DELETE FROM tile WHERE number = 1'],
    ['the platform', 'DELETE FROM meta'],
    ['a table', 'DROP TABLE tile'],
  ];
  const good = readFileSync(bench.state.chainDatabase);
  const checkpoint = readFileSync(bench.state.checkpoint);
  for (const [name, sql] of damages) {
    await change(bench, sql);
    await t.rejects(bench.open(), { code: 'chain-damaged' }, name);
    for (const suffix of ['-wal', '-shm']) rmSync(`${bench.state.chainDatabase}${suffix}`, { force: true });
    writeFileSync(bench.state.chainDatabase, good);
  }
  writeFileSync(bench.state.chainDatabase, 'x'.repeat(8192));
  await t.rejects(bench.open(), { code: 'chain-damaged' }, 'no database at all');
  writeFileSync(bench.state.chainDatabase, good);
  writeFileSync(bench.state.checkpoint, checkpoint);
  t.ok(await bench.open());
});
