import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import { CheckedEntries } from '@meterseal/node-red-meterseal/internal/checked-entries';
import { Heights, isWithin } from '@meterseal/node-red-meterseal/internal/heights';
import { LeaseCounter } from '@meterseal/node-red-meterseal/internal/lease-counter';
import { Openings } from '@meterseal/node-red-meterseal/internal/openings';
import { unpackEntryList } from '@meterseal/node-red-meterseal/internal/packed-entries';
import { SeqRows } from '@meterseal/node-red-meterseal/internal/seq-rows';
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
  storage.failAt(0, 'applied');
  await t.rejects(counter.next(), { code: 'commit-failed' });
  storage.heal();
  storage.crash('lost');
  const again = await LeaseCounter.open(storage, '/l', clock);
  t.ok((await again.next()) > 5_002);
});

t.test('checked entries are remembered as runs, and never beyond what is mirrored', async (t) => {
  const storage = new MemoryStorage();
  const checked = await CheckedEntries.open(storage, '/k', 100);
  await checked.add([3, 4, 5, 9, 60]);
  await checked.add([]);
  await checked.add(Array.from({ length: 20_000 }, (_, i) => 2 * i + 1_000));
  const seen = (view: CheckedEntries) =>
    [0, 2, 3, 5, 6, 9, 60, 1_000, 1_001, 40_998, 41_000].filter((index) => view.has(index));
  t.strictSame(seen(checked), [3, 5, 9, 60, 1_000, 40_998]);
  t.strictSame(seen(await CheckedEntries.open(storage, '/k', 50_000)), [3, 5, 9, 60, 1_000, 40_998]);
  t.strictSame(seen(await CheckedEntries.open(storage, '/k', 50)), [3, 5, 9]);
});

t.test('an entry list is unpacked in place, and only one of exactly as many entries', async (t) => {
  const entries = ['one', 'three', 'fifteen bytes..'].map(utf8);
  const { packed, offsets } = unpackEntryList(encodeEntries(entries), 3);
  t.strictSame([...offsets], [0, 3, 8, 23]);
  t.equal(Buffer.from(packed).toString(), 'onethreefifteen bytes..');
  const list = encodeEntries(entries);
  for (let length = 0; length < list.length; length++) {
    t.throws(() => unpackEntryList(list.slice(0, length), 3), { code: 'bad-message' }, `cut at ${length}`);
  }
  t.throws(() => unpackEntryList(encodeEntries(entries), 2), { code: 'bad-message' });
  t.throws(() => unpackEntryList(encodeEntries(entries), 4), { code: 'bad-message' });
  t.throws(() => unpackEntryList(Uint8Array.of(0, 0), 1), { code: 'bad-message' }, 'an empty entry');
  t.equal(unpackEntryList(new Uint8Array(0), 0).packed.length, 0);
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
});
