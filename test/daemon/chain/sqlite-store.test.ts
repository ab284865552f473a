import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteChainReader, SqliteChainStore } from 'meterseal/internal/chain/sqlite-store';
import type { BlockEntries, BlockWrite, ChainReader, StoredBlock } from 'meterseal/internal/chain/store';
import { Database } from 'meterseal/internal/host/database';
import t from 'tap';

const folder = mkdtempSync(join(tmpdir(), 'ms-store-'));
t.teardown(() => rmSync(folder, { recursive: true }));
let files = 0;
const fresh = () => join(folder, `${files++}.db`);

function write(height: number, more: Partial<BlockWrite> = {}): BlockWrite {
  const block: StoredBlock = {
    height,
    firstIndex: (height - 1) * 10,
    count: 10,
    time: 1_764_000_000_000 + height,
    root: new Uint8Array(32).fill(height),
    note: `note ${height}\n`,
    entries: new Uint8Array([0, 1, height]),
  };
  return { block, tiles: [], ranges: [], meters: [], enrolments: [], verdicts: [], ...more };
}

async function heights(reader: ChainReader, from: number, to?: number): Promise<number[]> {
  const found: number[] = [];
  for await (const block of reader.blocks(from, to)) found.push(block.height);
  return found;
}

t.test('a block comes back as it was written, by height, index and order', async (t) => {
  const store = await SqliteChainStore.open(fresh());
  t.equal(await store.head(), undefined);
  t.equal(await store.platformId(), undefined);
  await store.initialise('a/b');
  t.equal(await store.platformId(), 'a/b');
  for (let height = 1; height <= 130; height++) await store.commit(write(height));
  const { block } = write(7);
  t.match(await store.blockAtHeight(7), {
    ...block,
    root: Buffer.from(block.root),
    entries: Buffer.from(block.entries),
  });
  t.equal((await store.head())?.height, 130);
  t.equal((await store.blockAtIndex(69))?.height, 7);
  t.equal((await store.blockAtIndex(70))?.height, 8);
  t.equal(await store.blockAtIndex(1300), undefined);
  const over = async (from: number, to: number) =>
    (await store.blocksOver(from, to)).map(({ height }) => height);
  t.same(await over(0, 1), [1]);
  t.same(await over(9, 21), [1, 2, 3]);
  t.same(await over(60, 70), [7]);
  t.same(await over(1_299, 5_000), [130]);
  t.same(await over(1_300, 5_000), []);
  const [{ firstIndex, count, entries }] = (await store.blocksOver(60, 70)) as [BlockEntries];
  t.same([firstIndex, count, [...entries]], [60, 10, [...block.entries]]);
  t.equal((await heights(store, 1)).length, 130);
  t.same(await heights(store, 63, 66), [63, 64, 65, 66]);
  t.same(await store.counts(), { tiles: 0, ranges: 0, blocks: 130 });
  t.same(await store.faults(), []);
  await store.close();
});

t.test('a commit is whole or not at all', async (t) => {
  const path = fresh();
  const store = await SqliteChainStore.open(path);
  await store.commit(write(1));
  const tile = { level: 0, index: 0, hashes: new Uint8Array(8192) };
  await t.rejects(store.commit(write(2, { tiles: [tile, tile] })), { code: 'bad-argument' });
  t.equal((await store.head())?.height, 1);
  t.equal(await store.tile(0, 0), undefined);
  await t.rejects(store.commit(write(1)), { code: 'bad-argument' }, 'a height is used once');
  await store.close();
});

t.test('a reader never sees a commit that is under way', async (t) => {
  const path = fresh();
  const store = await SqliteChainStore.open(path);
  await store.commit(write(1));
  const tiles = Array.from({ length: 200 }, (_, index) => ({
    level: 0,
    index,
    hashes: new Uint8Array(8192),
  }));
  const committing = store.commit(write(2, { tiles }));
  const seen = new Set<string>();
  let done = false;
  void committing.then(() => {
    done = true;
  });
  while (!done) {
    const { blocks, tiles: found } = await store.counts();
    seen.add(`${blocks} ${found}`);
  }
  seen.delete('2 200');
  t.ok(seen.size <= 1);
  for (const state of seen) t.equal(state, '1 0');
  await store.close();
});

t.test('an entry is looked for in the last block that may hold its number', async (t) => {
  const store = await SqliteChainStore.open(fresh());
  const range = (type: 'reading' | 'enrolment', first: number, last: number, height: number) => ({
    ranges: [{ type, subject: 1, first, last, height }],
  });
  await store.commit(write(1, range('enrolment', 0, 0, 1)));
  await store.commit(write(2, range('reading', 1, 4, 2)));
  await store.commit(write(3, range('reading', 5, 5, 3)));
  await store.commit(write(4, range('enrolment', 0, 0, 4)));
  t.equal(await store.heightOf('reading', 1, 4), 2);
  t.equal(await store.heightOf('reading', 1, 5), 3);
  t.equal(await store.heightOf('reading', 1, 6), undefined);
  t.equal(await store.heightOf('reading', 2, 1), undefined);
  t.equal(await store.heightOf('enrolment', 1, 0), 4);
  t.equal(await store.heightOf('enrolment', 1, 0, 3), 1);
  await store.close();
});

t.test('only one process writes, and a reader writes nothing', async (t) => {
  const path = fresh();
  const store = await SqliteChainStore.open(path);
  await store.commit(write(1));
  const reader = await SqliteChainReader.open(path);
  t.equal((await reader.head())?.height, 1);
  await store.commit(write(2));
  t.equal((await reader.head())?.height, 2);
  await reader.close();
  await store.close();
  const database = await Database.open(path, { readonly: true });
  t.same(await database.get('PRAGMA journal_mode'), { journal_mode: 'wal' });
  await database.close();
});
