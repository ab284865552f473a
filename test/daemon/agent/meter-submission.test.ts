import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeRecord, toHex } from '@meterseal/protocol';
import type { EnrolledMeter } from 'meterseal/internal/agent/enrolment';
import { FieldStore } from 'meterseal/internal/agent/field-store';
import { Recorder } from 'meterseal/internal/agent/recorder';
import { restartNumbers } from 'meterseal/internal/agent/restart-numbers';
import { Submitter } from 'meterseal/internal/agent/submitter';
import t from 'tap';
import { engine, PLATFORM_ID } from '../chain/test-box.js';
import { assertAgree } from './agree.js';
import { FieldBench } from './field-bench.js';

async function numbersOf(
  bench: FieldBench,
  meter: EnrolledMeter,
): Promise<{ nextSeq: number; anchoredTo: number }> {
  const { nextSeq, anchoredTo } = (await bench.store.findMeter(meter.meter.id))!;
  return { nextSeq, anchoredTo };
}

t.test('a database that was put back goes on above the chain, and the chain is told', async (t) => {
  const bench = await FieldBench.start(t);
  const meter = await bench.meter('EM:1');
  await bench.record(meter, 3);
  await bench.submitAll();
  const copy = await bench.backUp();
  await bench.record(meter, 4);
  await bench.submitAll();
  const before = await bench.anchored(meter);
  await bench.putBack(copy);

  await bench.submitAll();
  t.same(await numbersOf(bench, meter), { nextSeq: 8, anchoredTo: 7 });
  t.notOk((await bench.events('restored')).length, 'told with the next exchange');
  await bench.record(meter, 2);
  await bench.submitAll();
  t.same(await bench.events('restored'), [{ kind: 'restored', subject: 1, from: 4, to: 7, remade: 0 }]);
  t.same(await bench.events('conflict'), []);
  const after = await bench.anchored(meter);
  for (const [seq, hash] of before) t.equal(after.get(seq), hash, `number ${seq} is what it was`);
  t.equal(after.size, 9);
  await assertAgree(t, bench, meter);
});

t.test('readings under numbers that were used before are made again above the chain', async (t) => {
  const bench = await FieldBench.start(t);
  const meter = await bench.meter('EM:1');
  await bench.record(meter, 3);
  await bench.submitAll();
  const copy = await bench.backUp();
  await bench.record(meter, 4);
  await bench.submitAll();
  await bench.putBack(copy);
  // The platform is away while the field goes on without knowing.
  const made = await bench.record(meter, 2);
  t.same(
    made.map(({ seq }) => seq),
    [4, 5],
  );
  await bench.submitAll();
  await bench.submitAll();
  t.same(await bench.events('restored'), [{ kind: 'restored', subject: 1, from: 4, to: 7, remade: 2 }]);
  const held = await bench.held(meter);
  t.same(Object.keys(held), ['1', '2', '3', '8', '9']);
  for (const [i, { bytes }] of made.entries()) {
    const again = decodeRecord((await bench.store.record(meter.meter.number, 8 + i))!.bytes);
    const first = decodeRecord(bytes);
    t.match(again, { ...first, seq: 8 + i, salt: /./ }, 'the same reading, under another number');
    t.not(again.salt, first.salt);
  }
  await assertAgree(t, bench, meter);
});

t.test(
  'more readings than the chain was ahead are made again too: their numbers may have been used',
  async (t) => {
    const bench = await FieldBench.start(t);
    const meter = await bench.meter('EM:1');
    const copy = await bench.backUp();
    await bench.record(meter, 3);
    await bench.submitAll();
    await bench.putBack(copy);
    await bench.record(meter, 6);
    await bench.submitAll();
    t.same(await numbersOf(bench, meter), { nextSeq: 13, anchoredTo: 12 });
    const held = await bench.held(meter);
    t.same(
      Object.entries(held).slice(0, 3),
      [4, 5, 6].map((seq) => [String(seq), 'void lost-by-field']),
    );
    t.same(Object.keys(held), ['4', '5', '6', '7', '8', '9', '10', '11', '12']);
    await bench.submitAll();
    t.same(await bench.events('restored'), [{ kind: 'restored', subject: 1, from: 1, to: 6, remade: 6 }]);
    await assertAgree(t, bench, meter);
  },
);

t.test('what the copy had not sent yet, and the chain has, is known again', async (t) => {
  const bench = await FieldBench.start(t);
  const meter = await bench.meter('EM:1');
  await bench.record(meter, 2);
  await bench.submitAll();
  const waiting = await bench.record(meter, 3);
  const copy = await bench.backUp();
  await bench.submitAll();
  await bench.record(meter, 2);
  await bench.submitAll();
  await bench.putBack(copy);
  await bench.record(meter, 1);
  await bench.submitAll();
  for (const { seq, hash } of waiting) {
    const record = (await bench.store.record(meter.meter.number, seq))!;
    t.equal(toHex(record.hash), toHex(hash));
    t.ok(record.entryIndex, `number ${seq} has its receipt`);
  }
  await bench.submitAll();
  t.same(await bench.events('restored'), [{ kind: 'restored', subject: 1, from: 6, to: 7, remade: 1 }]);
  t.same(await numbersOf(bench, meter), { nextSeq: 9, anchoredTo: 8 });
  await assertAgree(t, bench, meter);
});

t.test('a lost answer anywhere in the repair changes nothing of it', async (t) => {
  for (const call of ['POST /v1/sessions', 'POST /v1/readings', 'POST /v1/events']) {
    for (const nth of [1, 2, 3]) {
      const bench = await FieldBench.start(t);
      const meter = await bench.meter('EM:1');
      await bench.record(meter, 3);
      const copy = await bench.backUp();
      await bench.submitAll();
      await bench.record(meter, 4);
      await bench.submitAll();
      await bench.putBack(copy);
      await bench.record(meter, 2);
      bench.proxy.lose('answer', call, nth);
      for (let i = 0; i < nth + 1; i++) {
        await bench.submitAll().catch(() => bench.restart());
      }
      await bench.submitAll();
      await bench.submitAll();
      t.same(await numbersOf(bench, meter), { nextSeq: 10, anchoredTo: 9 }, `${nth} × ${call}`);
      t.same(
        [...new Set((await bench.events('restored')).map((event) => JSON.stringify(event)))],
        ['{"from":4,"kind":"restored","remade":2,"subject":1,"to":7}'],
      );
      await assertAgree(t, bench, meter);
    }
  }
});

t.test('in per-transmission use the repair is the same', async (t) => {
  const bench = await FieldBench.start(t, { sessionUse: 'per-transmission' });
  const meter = await bench.meter('EM:1');
  await bench.record(meter, 3);
  const copy = await bench.backUp();
  await bench.submitAll();
  await bench.record(meter, 4);
  await bench.submitAll();
  await bench.putBack(copy);
  await bench.record(meter, 2);
  await bench.submitAll();
  await bench.submitAll();
  t.same(await numbersOf(bench, meter), { nextSeq: 10, anchoredTo: 9 });
  t.equal((await bench.events('restored')).length, 1);
  await assertAgree(t, bench, meter);
});

t.test('numbers that only a collector had seen are filled, and the readings made since follow', async (t) => {
  const bench = await FieldBench.start(t);
  const meter = await bench.meter('EM:1');
  await bench.record(meter, 2);
  await bench.submitAll();
  await bench.record(meter, 3);
  const given = await restartNumbers(bench.store, bench.recorder, meter.meter.number, {
    ackedTo: 3,
    peak: 9,
  });
  t.same(given, { from: 4, to: 9, remade: 2 });
  await bench.submitAll();
  const held = await bench.held(meter);
  t.same(Object.keys(held).map(Number), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  for (const seq of [4, 9]) t.equal(held[seq], 'void lost-by-field');
  t.same([held[3], held[10], held[11]], ['3.0', '4.0', '5.0']);
  t.equal((await bench.anchored(meter)).size, 11);
  await bench.submitAll();
  t.same(await bench.events('restored'), [{ kind: 'restored', subject: 1, from: 4, to: 9, remade: 2 }]);
  await assertAgree(t, bench, meter);
});

t.test('many lost numbers are filled in several transmissions', async (t) => {
  const bench = await FieldBench.start(t);
  bench.box.checksEveryCall = false;
  const meter = await bench.meter('EM:1');
  await restartNumbers(bench.store, bench.recorder, meter.meter.number, { ackedTo: 0, peak: 2_300 });
  await bench.record(meter, 1);
  await bench.submitAll();
  t.same(await numbersOf(bench, meter), { nextSeq: 2_302, anchoredTo: 2_301 });
  t.equal((await bench.anchored(meter)).size, 2_301);
});

t.test('numbers are not filled that the chain has got by now', async (t) => {
  const bench = await FieldBench.start(t);
  const meter = await bench.meter('EM:1');
  await bench.record(meter, 2);
  await bench.submitAll();
  await bench.record(meter, 3);
  bench.proxy.lose('answer', 'POST /v1/readings');
  await t.rejects(bench.submitter.submit(), { code: 'unreachable' });
  // The chain has 3 to 5, and nobody here knows; meanwhile a collector makes us give these numbers up.
  await restartNumbers(bench.store, bench.recorder, meter.meter.number, { ackedTo: 2, peak: 4 });
  await bench.submitAll();
  t.same(await bench.events('conflict'), [], 'nothing was sent under a number that the chain has');
  t.same(await numbersOf(bench, meter), { nextSeq: 9, anchoredTo: 8 });
  t.equal((await bench.anchored(meter)).size, 8);
  await assertAgree(t, bench, meter);
});

t.test('numbers that are given up while their readings are on the way are not used twice', async (t) => {
  const bench = await FieldBench.start(t);
  const meter = await bench.meter('EM:1');
  await bench.record(meter, 3);
  const { held, release } = bench.proxy.hold('POST /v1/readings');
  const submission = bench.submitAll();
  await held;
  await restartNumbers(bench.store, bench.recorder, meter.meter.number, { ackedTo: 0, peak: 2 });
  await bench.record(meter, 1);
  release();
  await submission;
  await bench.submitAll();
  t.same(await bench.events('conflict'), []);
  t.same(await numbersOf(bench, meter), { nextSeq: 8, anchoredTo: 7 });
  t.same(
    Object.values(await bench.held(meter)),
    ['1.0', '2.0', '3.0', '4.0'],
    'made again, with what came since',
  );
  await assertAgree(t, bench, meter);
});

t.test('a box that was cloned takes no number of the other, and both are told of', async (t) => {
  const bench = await FieldBench.start(t);
  const meter = await bench.meter('EM:1');
  await bench.record(meter, 2);
  await bench.submitAll();
  const path = join(bench.folder, 'clone.db');
  copyFileSync(await bench.backUp(), path);
  const store = await FieldStore.open(path);
  t.teardown(() => store.close());
  const recorder = new Recorder(store, engine, bench.random, 'meterseal/clone');
  const { platform, logger: log } = bench;
  const common = { platform, engine, clock: bench.box.clock, log, platformId: PLATFORM_ID };
  const peers = { mayAnchor: () => true, undeliveredVoid: async () => undefined };
  const clone = new Submitter({ ...common, store, recorder, sessionUse: 'reused', ...peers });
  clone.add(meter);
  t.teardown(() => clone.close());

  for (let round = 0; round < 4; round++) {
    await bench.record(meter, 2);
    const origin = {
      meter: 'EM:1',
      profile: 'a/b@0123456789abcdef',
      identity: 'none',
      clock: 'holdover',
    } as const;
    await recorder.record(meter.meter.number, origin, { startedAt: 1, endedAt: 2, values: [], raw: [] });
    await bench.submitAll();
    for (let i = 0; i < 10 && (await clone.submit()); i++);
  }
  await bench.submitAll();
  const anchored = await bench.anchored(meter);
  t.ok(anchored.size >= 2 + 4 * 3, 'every reading is there');
  t.ok((await bench.events('restored')).length >= 2);
  await assertAgree(t, bench, meter);
});

t.test('a chain that ends below what it gave receipts for is asked no more than now and then', async (t) => {
  const bench = await FieldBench.start(t);
  const meter = await bench.meter('EM:1');
  await bench.record(meter, 3);
  await bench.submitAll();
  // As if receipts had been given for two more: field.db is the one that is changed here, to have the same disagreement.
  await bench.record(meter, 2);
  await bench.store.saveReceipts(meter.meter.number, [
    { seq: 4, version: 0, index: 900 },
    { seq: 5, version: 0, index: 901 },
  ]);
  await bench.restart();
  await bench.record(meter);
  for (let i = 0; i < 5; i++) await bench.submitAll();
  t.equal(bench.proxy.count('POST /v1/sessions'), 2);
  t.match(bench.log.at(-1), { msg: 'meter refused by the platform', err: { code: 'behind-witness' } });
  t.equal(bench.submitter.sessions, 0);
});

t.test('new readings wait until a collector was asked for numbers that the chain has not seen', async (t) => {
  const bench = await FieldBench.start(t);
  const meter = await bench.meter('EM:1');
  await bench.record(meter, 2);
  await bench.submitAll();
  await bench.restart();
  await bench.record(meter, 2);
  bench.mayAnchor = () => false;
  await bench.submitAll();
  await bench.submitAll();
  t.ok(bench.submitter.mayDeliver(meter.meter.number), 'the chain was asked, and the collector can be');
  t.equal((await bench.anchored(meter)).size, 2);
  t.equal(bench.proxy.count('POST /v1/sessions'), 2, 'waiting costs no sessions');
  bench.mayAnchor = () => true;
  await bench.submitAll();
  t.equal((await bench.anchored(meter)).size, 4);
});
