import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { javascriptEngine as engine } from '@meterseal/native/javascript';
import { utf8 } from '@meterseal/protocol';
import { FieldStore } from 'meterseal/internal/agent/field-store';
import type { RecordBytes } from 'meterseal/internal/agent/stored-record';
import type { Test } from 'tap';
import t from 'tap';
import { temporaryFolder } from '../host/temporary-folder.js';

const COLLECTOR = new Uint8Array(32).fill(1);
const OTHER = new Uint8Array(32).fill(2);

/** What stands for a record: its number, and what it says. */
function textRecord(text: string): (seq: number) => RecordBytes {
  return (seq) => {
    const bytes = utf8(`${seq} ${text}`);
    return { bytes, hash: engine.sha256(bytes) };
  };
}
const remake = (bytes: Uint8Array, seq: number): RecordBytes =>
  textRecord(`again ${Buffer.from(bytes)}`)(seq);
const lost = (_like: Uint8Array, seq: number): RecordBytes => textRecord('lost')(seq);

async function open(
  t: Test,
  path = join(temporaryFolder(t), 'field.db'),
): Promise<{ store: FieldStore; path: string }> {
  const store = await FieldStore.open(path);
  t.teardown(() => store.close());
  return { store, path };
}

/** A meter that is enrolled, with records 1…count. */
async function metering(store: FieldStore, count = 0, id = 'EM:1'): Promise<number> {
  const { number } = await store.meter(id);
  await store.saveOffer(number, {
    subject: 7,
    salt: new Uint8Array(16),
    identityKey: new Uint8Array(32),
    nonce: new Uint8Array(32),
  });
  await store.confirmEnrolment(number, 1);
  for (let i = 0; i < count; i++) await store.appendRecord(number, textRecord('reading'));
  return number;
}

/** All records of a meter as text, void ones with a mark. */
async function contents(store: FieldStore, number: number): Promise<string[]> {
  const all = await store.allRecords(number, { seq: 0, version: 0 }, 1_000);
  return all.map(({ bytes, version }) => `${Buffer.from(bytes)}${version === 1 ? ' (void)' : ''}`);
}

const receipt = (seq: number, version: 0 | 1 = 0): { seq: number; version: 0 | 1; index: number } => ({
  seq,
  version,
  index: 100 + seq,
});

t.test('the database is for this user alone, and a reader finds what the writer has committed', async (t) => {
  const { store, path } = await open(t);
  t.equal(statSync(path).mode & 0o777, 0o600);
  const number = await metering(store, 2);
  const reader = await FieldStore.open(path, { readonly: true });
  t.same(await contents(reader, number), ['1 reading', '2 reading']);
  await t.rejects(reader.appendRecord(number, textRecord('x')), { code: 'file-unusable' });
  await reader.close();
  await t.rejects(FieldStore.open(`${path}.none`, { readonly: true }), { code: 'file-unusable' });
});

t.test('a meter gets one number for good', async (t) => {
  const { store } = await open(t);
  t.equal((await store.meter('EM:1')).number, 1);
  t.equal((await store.meter('EM:2')).number, 2);
  t.equal((await store.meter('EM:1')).number, 1);
  t.equal(await store.findMeter('EM:3'), undefined);
  t.same(
    (await store.meters()).map(({ id }) => id),
    ['EM:1', 'EM:2'],
  );
});

t.test('numbers rise by one per meter, whoever asks at the same time', async (t) => {
  const { store } = await open(t);
  const [one, two] = [await metering(store, 0, 'EM:1'), await metering(store, 0, 'EM:2')];
  const records = await Promise.all(
    Array.from({ length: 20 }, (_, i) => store.appendRecord(i % 2 === 0 ? one : two, textRecord('reading'))),
  );
  t.same(
    records.filter((_, i) => i % 2 === 0).map(({ seq }) => seq),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
  t.equal(await store.nextSeq(one), 11);
  t.equal((await contents(store, two)).length, 10);
});

t.test('a record that cannot be made takes no number', async (t) => {
  const { store } = await open(t);
  const number = await metering(store, 1);
  const broken = (): never => {
    throw new Error('no record');
  };
  await t.rejects(store.appendRecord(number, broken), { message: 'no record' });
  t.equal((await store.appendRecord(number, textRecord('next'))).seq, 2);
});

t.test('numbers are never used again: not after a restart, not after kill -9', async (t) => {
  const { store, path } = await open(t);
  const number = await metering(store, 3);
  await store.close();
  const again = await open(t, path);
  t.equal((await again.store.appendRecord(number, textRecord('reading'))).seq, 4);
  await again.store.close();

  const module = import.meta.resolve('meterseal/internal/agent/field-store');
  const script = `
    const { FieldStore } = await import(${JSON.stringify(module)});
    const store = await FieldStore.open(process.argv[1]);
    for (;;) {
      const { seq } = await store.appendRecord(${number}, (seq) => ({ bytes: new Uint8Array([seq]), hash: new Uint8Array(32) }));
      process.stdout.write(seq + '\\n');
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (data: Buffer) => {
    said += data.toString();
    if (said.split('\n').length > 10) child.kill('SIGKILL');
  });
  await once(child, 'exit');
  const highest = Math.max(...said.split('\n').slice(0, -1).map(Number));
  t.ok(highest > 10);
  const after = await open(t, path);
  t.ok((await after.store.nextSeq(number)) > highest, 'what was told is kept');
  t.equal((await contents(after.store, number)).length, (await after.store.nextSeq(number)) - 1);
  t.same(await after.store.integrity(), []);
});

t.test('an enrolment goes from new by way of offered to enrolled', async (t) => {
  const { store } = await open(t);
  const { number } = await store.meter('EM:1');
  t.match(await store.findMeter('EM:1'), { state: 'new', subject: null, firstSeq: null, nextSeq: 1 });
  const offer = {
    subject: 3,
    salt: new Uint8Array(16).fill(4),
    identityKey: new Uint8Array(32).fill(5),
    nonce: new Uint8Array(32).fill(6),
  };
  await store.saveOffer(number, offer);
  const offered = (await store.findMeter('EM:1'))!;
  t.equal(offered.state, 'offered');
  t.same(new Uint8Array(offered.nonce!), offer.nonce);
  await store.forgetEnrolment(number);
  t.match(await store.findMeter('EM:1'), { state: 'new', nonce: null });
  await store.saveOffer(number, offer);
  await store.confirmEnrolment(number, 41);
  t.match(await store.findMeter('EM:1'), {
    state: 'enrolled',
    subject: 3,
    nonce: null,
    firstSeq: 41,
    nextSeq: 41,
    anchoredTo: 40,
  });
  t.equal((await store.appendRecord(number, textRecord('first'))).seq, 41);
});

t.test('a new enrolment further up leaves a gap that is known, and never goes back', async (t) => {
  const { store } = await open(t);
  const number = await metering(store, 5);
  await store.confirmEnrolment(number, 9);
  t.match(await store.findMeter('EM:1'), { firstSeq: 1, nextSeq: 9, anchoredTo: 8 });
  t.same(await store.lost(number), [{ first: 6, last: 8 }]);
  await store.confirmEnrolment(number, 3);
  t.match(await store.findMeter('EM:1'), { firstSeq: 1, nextSeq: 9, anchoredTo: 8 });
});

t.test('receipts move what is anchored, and the void record stands for its number', async (t) => {
  const { store } = await open(t);
  const number = await metering(store, 5);
  const meter = async () => (await store.findMeter('EM:1'))!;
  const due = async (): Promise<string[]> =>
    (await store.unanchored(await meter(), 100)).map(({ bytes }) => Buffer.from(bytes).toString());
  await store.addVoid(number, 3, textRecord('void')(3));
  await store.addVoid(number, 3, textRecord('another')(3));
  t.same(await due(), ['1 reading', '2 reading', '3 void', '4 reading', '5 reading']);
  await store.saveReceipts(number, [receipt(1), receipt(2), receipt(3, 1)]);
  t.equal((await meter()).anchoredTo, 3);
  t.same(await due(), ['4 reading', '5 reading']);
  t.equal((await store.unanchored(await meter(), 1)).length, 1);
  t.match(await store.record(number, 3), { version: 1, entryIndex: 103 });
  t.match(await store.record(number, 4), { version: 0, entryIndex: null });
  await store.saveReceipts(number, []);
  await store.saveReceipts(number, [receipt(2)]);
  t.equal((await meter()).anchoredTo, 3, 'it never falls');
});

t.test('the outbox has readings as first made, and void records beside them', async (t) => {
  const { store } = await open(t);
  const number = await metering(store, 4);
  await store.addVoid(number, 2, textRecord('void')(2));
  t.same(
    (await store.pending(number, 1, 2)).map(({ bytes }) => Buffer.from(bytes).toString()),
    ['2 reading', '3 reading'],
  );
  t.equal((await store.hashes(number, 1, 4))?.length, 4);
  t.equal(await store.hashes(number, 1, 5), undefined, 'one is missing');
  t.same(await store.hashes(number, 5, 4), [], 'none are asked for');

  const unsent = async (collector: Uint8Array): Promise<number[]> =>
    (await store.unsentVoids(number, collector, 1, 4, 10)).map(({ seq }) => seq);
  t.same(await unsent(COLLECTOR), [2]);
  const state = {
    first: 1,
    ackedTo: 2,
    runningHash: new Uint8Array(32),
    acknowledgement: new Uint8Array([9]),
  };
  await store.saveDelivery(number, COLLECTOR, state, [2]);
  t.same(await unsent(COLLECTOR), []);
  t.same(await unsent(OTHER), [2], 'every collector gets them');
  await store.addVoid(number, 1, textRecord('void')(1));
  t.same(await unsent(COLLECTOR), [1], 'also one that was made later, of an earlier number');
  t.same(await store.unsentVoids(number, OTHER, 2, 4, 0), []);
  await store.resetDelivery(number, COLLECTOR, { first: 1, ackedTo: 0, runningHash: new Uint8Array(32) });
  t.same(await unsent(COLLECTOR), [1, 2], 'a collector that was put back gets them again');
});

t.test('what a collector has acknowledged is kept per meter and collector', async (t) => {
  const { store } = await open(t);
  const number = await metering(store, 4);
  t.match(await store.delivery(number, COLLECTOR), {
    first: 1,
    ackedTo: 0,
    acknowledgement: null,
    chainedTo: 0,
  });
  const signed = new Uint8Array([1, 2, 3]);
  const runningHash = new Uint8Array(32).fill(8);
  await store.saveDelivery(number, COLLECTOR, { first: 1, ackedTo: 3, runningHash, acknowledgement: signed });
  await store.saveChained(number, COLLECTOR, 3, 5_000);
  await store.saveChained(number, COLLECTOR, 2, 6_000);
  await store.resetDelivery(number, COLLECTOR, { first: 1, ackedTo: 1, runningHash });
  const state = await store.delivery(number, COLLECTOR);
  t.match(state, { first: 1, ackedTo: 1, chainedTo: 3, chainedMs: 6_000 });
  t.same(new Uint8Array(state.acknowledgement!), signed, 'what it once signed stays');
  t.match(await store.delivery(number, OTHER), { ackedTo: 0 });
  t.equal((await store.deliveries(number)).length, 1);
});

t.test(
  'numbers that are given up are never used again, and their readings are made again above all',
  async (t) => {
    const { store } = await open(t);
    const number = await metering(store, 6);
    await store.saveReceipts(number, [receipt(1), receipt(2)]);
    await store.addVoid(number, 5, textRecord('void')(5));
    await store.saveDelivery(
      number,
      COLLECTOR,
      { first: 1, ackedTo: 6, runningHash: OTHER, acknowledgement: null },
      [5],
    );
    const given = await store.restart(number, { from: 4, peak: 20, onChain: true }, remake);
    t.same(given, { from: 4, to: 20, remade: 3 });
    t.same(await contents(store, number), [
      '1 reading',
      '2 reading',
      '3 reading',
      '21 again 4 reading',
      '22 again 5 reading',
      '23 again 6 reading',
    ]);
    t.match(await store.findMeter('EM:1'), { nextSeq: 24, anchoredTo: 20 });
    t.same(await store.lost(number), [{ first: 4, last: 20 }]);
    t.same(
      (await store.events()).map(({ event }) => event),
      [{ kind: 'restored', subject: 7, from: 4, to: 20, remade: 3 }],
    );
  },
);

t.test('also a peak below our own numbers leaves none of them to be used again', async (t) => {
  const { store } = await open(t);
  const number = await metering(store, 9);
  t.same(await store.restart(number, { from: 4, peak: 5, onChain: false }, remake), {
    from: 4,
    to: 9,
    remade: 6,
  });
  t.same((await contents(store, number)).slice(3, 5), ['10 again 4 reading', '11 again 5 reading']);
  t.match(await store.findMeter('EM:1'), { nextSeq: 16, anchoredTo: 0 });
});

t.test('a peak that no number of ours reaches only moves the next number', async (t) => {
  const { store } = await open(t);
  const number = await metering(store, 3);
  t.same(await store.restart(number, { from: 4, peak: 8, onChain: true }, remake), {
    from: 4,
    to: 8,
    remade: 0,
  });
  t.match(await store.findMeter('EM:1'), { nextSeq: 9, anchoredTo: 8 });
  t.equal((await store.events()).length, 1);
});

t.test('where no number is in doubt nothing is given up, and nothing told', async (t) => {
  const { store } = await open(t);
  const number = await metering(store, 3);
  t.equal(await store.restart(number, { from: 4, peak: 3, onChain: true }, remake), undefined);
  t.match(await store.findMeter('EM:1'), { nextSeq: 4, anchoredTo: 3 });
  await store.restart(number, { from: 4, peak: 9, onChain: false }, remake);
  const { length } = await store.events();
  t.equal(
    await store.restart(number, { from: 5, peak: 9, onChain: true }, remake),
    undefined,
    'lost already',
  );
  t.equal((await store.findMeter('EM:1'))!.anchoredTo, 9);
  t.equal((await store.events()).length, length);
});

t.test('a restart that fails changes nothing', async (t) => {
  const { store } = await open(t);
  const number = await metering(store, 6);
  const before = [await contents(store, number), await store.findMeter('EM:1')];
  let made = 0;
  const breaking = (bytes: Uint8Array, seq: number): RecordBytes => {
    if (++made === 3) throw new Error('not this one');
    return remake(bytes, seq);
  };
  await t.rejects(store.restart(number, { from: 1, peak: 9, onChain: true }, breaking), {
    message: 'not this one',
  });
  t.same([await contents(store, number), await store.findMeter('EM:1')], before);
  t.same(await store.events(), []);
});

t.test('more records than fit into memory at once are made again too', async (t) => {
  const { store } = await open(t);
  const number = await metering(store);
  await Promise.all(Array.from({ length: 1_203 }, () => store.appendRecord(number, textRecord('reading'))));
  const given = await store.restart(number, { from: 2, peak: 2, onChain: false }, remake);
  t.same(given, { from: 2, to: 1_203, remade: 1_202 });
  const all = await store.allRecords(number, { seq: 0, version: 0 }, 2_000);
  t.equal(all.length, 1_203);
  t.equal(Buffer.from(all.at(-1)!.bytes).toString(), '2405 again 1203 reading');
});

t.test('void records fill lost numbers up to the next record, so many at once', async (t) => {
  const { store } = await open(t);
  const number = await metering(store, 2);
  await store.saveReceipts(number, [receipt(1), receipt(2)]);
  await store.fillLost(number, lost, 10);
  t.equal((await contents(store, number)).length, 2, 'nothing is lost');
  await store.restart(number, { from: 3, peak: 6, onChain: false }, remake);
  await store.fillLost(number, lost, 10);
  t.equal((await contents(store, number)).length, 2, 'nothing waits behind them');
  await store.appendRecord(number, textRecord('reading'));
  await store.fillLost(number, lost, 3);
  t.same((await contents(store, number)).slice(2), [
    '3 lost (void)',
    '4 lost (void)',
    '5 lost (void)',
    '7 reading',
  ]);
  await store.saveReceipts(number, [receipt(3, 1), receipt(4, 1), receipt(5, 1)]);
  await store.fillLost(number, lost, 3);
  await store.fillLost(number, lost, 3);
  t.same((await contents(store, number)).slice(5), ['6 lost (void)', '7 reading']);
});

t.test('events wait in order until they are taken away, and cannot fill the disk', async (t) => {
  const { store } = await open(t);
  const kept = await Promise.all(
    Array.from({ length: 1_000 }, (_, ms) => store.addEvent({ kind: 'clock-step', ms })),
  );
  t.ok(kept.every(Boolean));
  t.notOk(await store.addEvent({ kind: 'clock-step', ms: 1_000 }));
  const events = await store.events();
  t.same(
    events.slice(0, 2).map(({ event }) => event),
    [
      { kind: 'clock-step', ms: 0 },
      { kind: 'clock-step', ms: 1 },
    ],
  );
  await store.removeEvent(events[0]!.id);
  t.match(await store.events(), { length: 999 });
  t.ok(await store.addEvent({ kind: 'clock-step', ms: 7 }));
});

t.test('the last receipt is kept', async (t) => {
  const { store, path } = await open(t);
  t.equal(await store.lastReceipt(), undefined);
  await store.saveLastReceipt('first');
  await store.saveLastReceipt('second');
  await store.close();
  t.equal(await (await open(t, path)).store.lastReceipt(), 'second');
});

t.test('after a write that failed for the disk nothing more is written, and no number given', async (t) => {
  const { store, path } = await open(t);
  const number = await metering(store, 2);
  await store.close();
  // The kernel refuses to make files longer than 128 blocks of 1 KiB: the disk fails in the middle of a write.
  const module = import.meta.resolve('meterseal/internal/agent/field-store');
  const script = `
    process.on('SIGXFSZ', () => {});
    const { FieldStore, isStoreFailure } = await import(${JSON.stringify(module)});
    const store = await FieldStore.open(process.argv[1]);
    const record = (length) => (seq) => ({ bytes: new Uint8Array(length), hash: new Uint8Array(32) });
    const failure = (work) => work.then(() => 'done', (error) => isStoreFailure(error) && error.code);
    const told = [await failure(store.appendRecord(${number}, record(1_000_000)))];
    told.push(await failure(store.appendRecord(${number}, record(10))));
    told.push(await failure(store.saveLastReceipt('x')));
    told.push(await store.nextSeq(${number}));
    console.log(JSON.stringify(told));`;
  const child = spawnSync(
    'bash',
    ['-c', 'ulimit -f 128; exec "$0" "$@"', process.execPath, '--input-type=module', '-e', script, path],
    { encoding: 'utf8' },
  );
  t.same(
    JSON.parse(child.stdout || '[]'),
    ['file-unusable', 'file-unusable', 'file-unusable', 3],
    child.stderr,
  );
  const again = await open(t, path);
  t.equal((await again.store.appendRecord(number, textRecord('small'))).seq, 3);
  t.same(await again.store.integrity(), []);
});
