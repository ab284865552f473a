import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import { Heights, isWithin } from '@meterseal/node-red-meterseal/internal/ledgers/heights';
import { Openings } from '@meterseal/node-red-meterseal/internal/ledgers/openings';
import { CheckedEntries } from '@meterseal/node-red-meterseal/internal/mirror/checked-entries';
import {
  countOf,
  cutEntryList,
  readEntryList,
} from '@meterseal/node-red-meterseal/internal/mirror/entry-list';
import { SeqRows } from '@meterseal/node-red-meterseal/internal/storage/seq-rows';
import { LeaseCounter } from '@meterseal/node-red-meterseal/internal/window/lease-counter';
import { encodeEntries, RUNNING_HASH_START, utf8 } from '@meterseal/protocol';
import t from 'tap';
import { MemoryStorage } from './memory-storage.js';
import { keyOf, SampleMeter } from './sample-meter.js';

t.test('heights never fall, and every run between gaps is remembered', async (t) => {
  const storage = new MemoryStorage();
  const hash = new Uint8Array(32).fill(7);
  const heights = await Heights.open(storage, '/h');
  t.strictSame(heights.of(1), { first: 1, seq: 0, runningHash: RUNNING_HASH_START });
  const say = (first: number, seq: number) =>
    heights.record([{ subject: 1, height: { first, seq, runningHash: hash }, time: 5 }]);
  await say(1, 3);
  await say(1, 6);
  await say(9, 8);
  await say(9, 12);
  await say(9, 10);
  await say(1, 20);
  for (const view of [heights, await Heights.open(storage, '/h')]) {
    t.strictSame(view.of(1), { first: 9, seq: 12, runningHash: hash });
    const runs = view.snapshot().get(1)!;
    t.strictSame(
      [1, 6, 7, 8, 9, 12, 13].filter((seq) => isWithin(runs, seq)),
      [1, 6, 9, 12],
    );
  }
  const snapshot = heights.snapshot();
  await say(9, 30);
  t.notOk(isWithin(snapshot.get(1)!, 13), 'a snapshot stays as it was');
});

t.test('openings are known again, also the older keys; what does not fit is damage', async (t) => {
  const storage = new MemoryStorage();
  const openings = await Openings.open(storage, '/o', crypto);
  const meter = new SampleMeter('EM-1', 1);
  const opening = { meter: 'EM-1', subject: 1, salt: meter.salt, identityKey: meter.identity.publicKey };
  await openings.add([opening, opening]);
  await openings.add([{ ...opening, identityKey: keyOf('second').publicKey }]);
  const again = await Openings.open(storage, '/o', crypto);
  t.equal(again.ofMeter('EM-1')?.identityKeys.length, 2);
  t.equal(again.ofSubject(1)?.meter, 'EM-1');
  t.strictSame(again.ofSubject(1)?.commitment, meter.commitment);
  t.strictSame(again.damage, []);
  const twice = new MemoryStorage();
  twice.put('/o', new Uint8Array(Buffer.concat([storage.bytes('/o'), storage.bytes('/o')])));
  t.equal((await Openings.open(twice, '/o', crypto)).damage.length, 2);
});

t.test('a lease counter is on the disk before it is used, and rises whatever the clock does', async (t) => {
  const storage = new MemoryStorage();
  const clock = { wall: 5_000, now: () => clock.wall, monotonic: () => 0 };
  const counter = await LeaseCounter.open(storage, '/l', clock);
  t.equal(await counter.next(), 5_000);
  t.equal(await counter.next(), 5_001);
  clock.wall = 100;
  t.equal(await counter.next(), 5_002);
  const { operations } = storage;
  t.equal(await counter.next(), 5_003);
  t.equal(storage.operations, operations, 'one write makes room for two: to connect and to release');
  storage.failAt(0, 'applied');
  await t.rejects(counter.next(), { code: 'commit-failed' });
  storage.heal();
  storage.crash('lost');
  const again = await LeaseCounter.open(storage, '/l', clock);
  t.ok((await again.next()) > 5_003);
});

t.test('checked entries are remembered as runs, and never beyond what is mirrored', async (t) => {
  const storage = new MemoryStorage();
  const checked = await CheckedEntries.open(storage, '/k', 100);
  await checked.add([3, 4, 5, 9, 60]);
  await checked.add([]);
  await checked.add(Array.from({ length: 20_000 }, (_, i) => 2 * i + 1_000));
  const seen = (view: CheckedEntries) =>
    [0, 2, 3, 5, 6, 9, 60, 1_000, 1_001, 40_998, 41_000].filter((index) => view.isGood(index));
  t.strictSame(seen(checked), [3, 5, 9, 60, 1_000, 40_998]);
  t.strictSame(seen(await CheckedEntries.open(storage, '/k', 50_000)), [3, 5, 9, 60, 1_000, 40_998]);
  t.strictSame(seen(await CheckedEntries.open(storage, '/k', 50)), [3, 5, 9]);
});

t.test('bad entries are remembered until they are found good', async (t) => {
  const storage = new MemoryStorage();
  const checked = await CheckedEntries.open(storage, '/k', 100);
  t.notOk(checked.hasBad);
  await checked.add([1, 2], [7, 8, 40]);
  const bad = (view: CheckedEntries) => [1, 2, 7, 8, 9, 40].filter((index) => view.isBad(index));
  t.strictSame(bad(checked), [7, 8, 40]);
  const { operations } = storage;
  await checked.add([], [7, 8]);
  t.equal(storage.operations, operations, 'what is known is not written again');
  await checked.add([8], [2]);
  t.strictSame(bad(checked), [7, 40], 'what was once good stays good');
  const again = await CheckedEntries.open(storage, '/k', 30);
  t.strictSame(bad(again), [7]);
  t.ok(again.hasBad && again.isGood(8));
});

t.test('an entry list is cut where it lies, and only one of exactly as many entries is read', async (t) => {
  const entries = ['one', 'three', 'fifteen bytes..'].map(utf8);
  const list = encodeEntries(entries);
  const { bytes, bounds } = readEntryList(list, 3);
  t.strictSame([...bounds], [2, 5, 7, 12, 14, 29]);
  t.equal(Buffer.from(bytes.subarray(7, 12)).toString(), 'three');
  for (let length = 0; length < list.length; length++) {
    t.throws(() => readEntryList(list.subarray(0, length), 3), { code: 'bad-message' }, `cut at ${length}`);
    const whole = [29, 12, 5].findIndex((end) => length >= end);
    t.equal(countOf(cutEntryList(list.subarray(0, length), 9)), whole < 0 ? 0 : 3 - whole, `up to ${length}`);
  }
  t.throws(() => readEntryList(list, 2), { code: 'bad-message' });
  t.throws(() => readEntryList(list, 4), { code: 'bad-message' });
  t.throws(() => readEntryList(Uint8Array.of(0, 0), 1), { code: 'bad-message' }, 'an empty entry');
  t.equal(readEntryList(new Uint8Array(0), 0).bounds.length, 0);
});

t.test('rows are found by number, in order, again or out of order', async (t) => {
  const rows = new SeqRows();
  const came = [5, 6, 7, 9, 9, 6, 2, 2, 20];
  for (const [row, seq] of came.entries()) rows.add(seq, row);
  for (const seq of [1, 2, 5, 6, 7, 8, 9, 20, 21]) {
    const expected = came.flatMap((one, row) => (one === seq ? [row] : []));
    t.strictSame(rows.rowsOf(seq), expected, `number ${seq}`);
    t.equal(rows.firstRow(seq), expected[0] ?? -1);
  }
  t.strictSame(
    [...rows.numbers()].sort((a, b) => a - b),
    [2, 5, 6, 7, 9, 20],
  );
  t.strictSame(
    [...rows.irregular].sort((a, b) => a - b),
    [2, 6, 9],
  );
  t.strictSame(
    [0, 5, 8, 10, 21].map((seq) => rows.positionFrom(seq)),
    [0, 0, 3, 4, 5],
  );
  // What came later does not show in an earlier view.
  for (let end = 0; end <= came.length; end++) {
    const view = rows.upTo(end);
    for (const seq of [2, 5, 6, 9, 20]) {
      const expected = came.flatMap((one, row) => (one === seq && row < end ? [row] : []));
      t.strictSame(view.rowsOf(seq), expected, `number ${seq} up to row ${end}`);
    }
    t.equal([...view.numbers()].length, new Set(came.slice(0, end)).size);
  }
});
