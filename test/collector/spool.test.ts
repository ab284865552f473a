import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import { encodeSpoolFrame, readSpoolFrames } from '@meterseal/node-red-meterseal/core';
import { Spool } from '@meterseal/node-red-meterseal/internal/spool/spool';
import { concat, readingHash, utf8 } from '@meterseal/protocol';
import t from 'tap';
import { MemoryStorage } from './memory-storage.js';
import { SampleMeter } from './sample-meter.js';

const meter = new SampleMeter('EM-1', 1);
const other = new SampleMeter('EM-2', 2);

function row(of: SampleMeter, seq: number, value?: string) {
  const record = of.record(seq, value);
  return {
    meter: of.id,
    seq,
    hash: readingHash(crypto, record),
    received: 1_000 + seq,
    record,
    replaces: undefined,
  };
}

async function open(storage: MemoryStorage, segmentBytes = 1_000_000): Promise<Spool> {
  return Spool.open(storage, '/c/spool', crypto, segmentBytes);
}

const FIRST = '/c/spool/00000001.spool';

t.test('a frame is length, checksum, time of receipt, record', async (t) => {
  const bytes = encodeSpoolFrame({ received: 1_767_225_600_000, record: utf8('record') });
  t.equal(Buffer.from(bytes).toString('hex'), '000000069908bfcb0000019b76daa8007265636f7264');
  const frames = readSpoolFrames(concat(bytes, bytes));
  t.equal(frames.length, 2);
  t.equal(frames[1]!.received, 1_767_225_600_000);
  t.equal(Buffer.from(frames[1]!.record).toString(), 'record');
  for (const bad of [bytes.subarray(1), bytes.subarray(0, 20), concat(bytes, Uint8Array.of(0))]) {
    t.throws(() => readSpoolFrames(bad), { code: 'file-damaged' });
  }
  t.strictSame(readSpoolFrames(new Uint8Array(0)), []);
});

t.test('what was appended is found again, by meter and number, in the order in which it came', async (t) => {
  const storage = new MemoryStorage();
  const spool = await open(storage, 1_500);
  await spool.append([row(meter, 1), row(other, 1), row(meter, 2)]);
  await spool.append([row(meter, 2, '0.1'), row(meter, 3)]);
  await spool.append([]);
  await spool.append([row(other, 2)]);
  await spool.close();
  t.ok(storage.paths().length > 1, 'several segments');
  const again = await open(storage, 1_500);
  for (const index of [again.index, await again.reread()]) {
    t.equal(index.count, 6);
    const versions = index.versions('EM-1', 2);
    t.equal(versions.length, 2);
    t.strictSame(index.hashes.at(versions[0]!), readingHash(crypto, meter.record(2)));
    t.strictSame(index.hashes.at(versions[1]!), readingHash(crypto, meter.record(2, '0.1')));
    t.equal(index.receivedAt(versions[0]!), 1_002);
    t.strictSame(Buffer.from(await again.read(index, versions[1]!)), Buffer.from(meter.record(2, '0.1')));
    t.strictSame(index.versions('EM-1', 4), []);
    t.strictSame(index.versions('EM-9', 1), []);
  }
  t.strictSame(again.damage, []);
});

t.test('a last frame cut at any byte is cut off, and the next one stands in its place', async (t) => {
  const rows = [row(meter, 1), row(meter, 2), row(meter, 3)];
  const whole = concat(...rows.map(encodeSpoolFrame));
  const start = whole.length - encodeSpoolFrame(rows[2]!).length;
  for (let length = start; length <= whole.length; length++) {
    const storage = new MemoryStorage();
    storage.put(FIRST, whole.subarray(0, length));
    const spool = await open(storage);
    const held = length === whole.length ? 3 : 2;
    t.equal(spool.index.count, held, `cut at ${length}`);
    t.equal(spool.cut, held === 3 ? 0 : length - start);
    t.strictSame(spool.damage, []);
    await spool.append([row(meter, held + 1)]);
    await spool.close();
    const again = await open(storage);
    t.equal(again.index.count, held + 1);
    t.strictSame(again.damage, []);
    t.strictSame(Buffer.from(await again.read(again.index, held)), Buffer.from(meter.record(held + 1)));
  }
});

t.test('a bad frame in the middle is reported and left as it is; the rest is held', async (t) => {
  const rows = [row(meter, 1), row(meter, 2), row(meter, 3)];
  const whole = concat(...rows.map(encodeSpoolFrame));
  const from = encodeSpoolFrame(rows[0]!).length;
  const to = from + encodeSpoolFrame(rows[1]!).length;
  for (let at = from; at < to; at++) {
    const storage = new MemoryStorage();
    const bad = whole.slice();
    bad[at] = bad[at]! ^ 1;
    storage.put(FIRST, bad);
    const spool = await open(storage);
    t.strictSame(spool.damage, [{ segment: '00000001.spool', from, to }], `byte ${at}`);
    await spool.reread();
    t.strictSame(spool.damage, [{ segment: '00000001.spool', from, to }], `byte ${at}, read again`);
    t.equal(spool.index.count, 2);
    t.equal(spool.cut, 0);
    t.strictSame(Buffer.from(storage.bytes(FIRST)), Buffer.from(bad));
    await spool.append([row(meter, 4)]);
    await spool.close();
    t.equal((await open(storage)).index.count, 3);
  }
});

t.test('a frame with a good checksum around what is no record is damage', async (t) => {
  for (const [what, record] of [
    ['no JSON', utf8('{')],
    ['no UTF-8', Uint8Array.of(0xff)],
    ['no object', utf8('null')],
    ['no meter', utf8('{"seq":1}')],
    ['no number', utf8('{"meter":"EM-1","seq":"1"}')],
    ['a number out of range', utf8('{"meter":"EM-1","seq":9007199254740993}')],
  ] as const) {
    const storage = new MemoryStorage();
    const bad = encodeSpoolFrame({ received: 0, record });
    storage.put(FIRST, concat(bad, encodeSpoolFrame(row(meter, 1))));
    const spool = await open(storage);
    t.strictSame(spool.damage, [{ segment: '00000001.spool', from: 0, to: bad.length }], what);
    t.equal(spool.index.count, 1);
  }
  const storage = new MemoryStorage();
  const late = encodeSpoolFrame(row(meter, 1));
  late.fill(255, 8, 16);
  storage.put(FIRST, late);
  t.equal((await open(storage)).damage.length, 1, 'a time out of range');
});

t.test('an earlier segment that ends early is damage: it was whole once', async (t) => {
  const storage = new MemoryStorage();
  const one = encodeSpoolFrame(row(meter, 1));
  storage.put(FIRST, concat(one, one.subarray(0, 30)));
  storage.put('/c/spool/00000002.spool', encodeSpoolFrame(row(meter, 2)));
  storage.put('/c/spool/notes.txt', utf8('not ours'));
  const spool = await open(storage);
  t.strictSame(spool.damage, [{ segment: '00000001.spool', from: one.length, to: one.length + 30 }]);
  t.equal(spool.index.count, 2);
  t.equal(storage.bytes(FIRST).length, one.length + 30);
});

t.test('after a write that failed nothing more is accepted until the spool is opened again', async (t) => {
  for (const mode of ['not-applied', 'applied'] as const) {
    for (const at of [0, 1]) {
      const storage = new MemoryStorage();
      const spool = await open(storage);
      await spool.append([row(meter, 1)]);
      storage.failAt(at, mode);
      await t.rejects(spool.append([row(meter, 2)]), { code: 'commit-failed' });
      t.equal(spool.index.count, 1);
      await t.rejects(spool.append([row(meter, 2)]), { code: 'commit-failed' });
      t.equal(spool.failure?.code, 'commit-failed');
      storage.heal();
      const again = await open(storage);
      await again.append([row(meter, 3)]);
      t.ok(again.index.versions('EM-1', 1).length === 1 && again.index.versions('EM-1', 3).length === 1);
      t.strictSame(again.damage, []);
    }
  }
});
