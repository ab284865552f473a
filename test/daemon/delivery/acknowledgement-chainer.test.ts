import { concat, decodeSigned, readAcknowledgement } from '@meterseal/protocol';
import type { EnrolledMeter } from 'meterseal/internal/agent/enrolment';
import { chainAcknowledgements } from 'meterseal/internal/delivery/acknowledgement-chainer';
import { RefusedRequest } from 'meterseal/internal/host/http-client';
import t from 'tap';
import { collector } from '../chain/test-box.js';
import { DeliveryBench } from './delivery-bench.js';

const HOUR = 3_600_000;

async function chain(bench: DeliveryBench, ...meters: EnrolledMeter[]): Promise<void> {
  const { store, platform, logger: log, box } = bench.field;
  const numbers = meters.map(({ meter }) => meter.number);
  await chainAcknowledgements(collector.publicKey, numbers, {
    receipts: store,
    chain: (signed) => platform.acknowledge(signed),
    now: () => box.clock.now(),
    log,
  });
}

/** Subject and height of each acknowledgement on the chain. */
async function chained(bench: DeliveryBench): Promise<[number, number][]> {
  return (await bench.field.entries()).flatMap((entry) =>
    entry.type === 'acknowledgement' ? [[entry.subject, entry.seq] as [number, number]] : [],
  );
}

async function deliver(bench: DeliveryBench, meter: EnrolledMeter, count: number): Promise<void> {
  await bench.field.record(meter, count);
  await bench.deliverAll();
}

t.test('the latest acknowledgement of each meter reaches the chain, at most once an hour', async (t) => {
  const bench = await DeliveryBench.start(t);
  const [one, two] = [await bench.meter('EM:1'), await bench.meter('EM:2')];
  await chain(bench, one, two);
  t.same(await chained(bench), [], 'nothing is acknowledged');
  await deliver(bench, one, 2);
  await deliver(bench, two, 1);
  await chain(bench, one, two);
  t.same(await chained(bench), [
    [1, 2],
    [2, 1],
  ]);
  await deliver(bench, one, 3);
  await chain(bench, one, two);
  await bench.field.box.clock.advance(HOUR - 1);
  await chain(bench, one, two);
  t.equal((await chained(bench)).length, 2);
  await bench.field.box.clock.advance(1);
  await chain(bench, one, two);
  t.same((await chained(bench)).slice(2), [[1, 5]], 'and only what is new');
  t.match(await bench.field.store.delivery(one.meter.number, collector.publicKey), { chainedTo: 5 });
});

t.test('a lost answer leads to no second entry', async (t) => {
  const bench = await DeliveryBench.start(t);
  const meter = await bench.meter('EM:1');
  await deliver(bench, meter, 2);
  bench.field.proxy.lose('answer', 'POST /v1/acknowledgements');
  await t.rejects(chain(bench, meter), { code: 'unreachable' });
  await chain(bench, meter);
  t.same(await chained(bench), [[1, 2]]);
});

t.test('what is chained is what the collector has signed, not what was learnt from its state', async (t) => {
  const bench = await DeliveryBench.start(t);
  const meter = await bench.meter('EM:1');
  await deliver(bench, meter, 2);
  await bench.field.record(meter, 3);
  bench.proxy.lose('answer', 'POST /v1/records');
  await t.rejects(bench.deliverer.deliver(), { code: 'unreachable' });
  bench.restart();
  await bench.deliverAll();
  t.match(await bench.field.store.delivery(meter.meter.number, collector.publicKey), { ackedTo: 5 });
  await chain(bench, meter);
  t.same(await chained(bench), [[1, 2]]);
  t.match(await bench.field.store.delivery(meter.meter.number, collector.publicKey), { chainedTo: 2 });
});

t.test('one that the chain is ahead of is left alone, and the others are chained', async (t) => {
  const bench = await DeliveryBench.start(t);
  const [one, two] = [await bench.meter('EM:1'), await bench.meter('EM:2')];
  await deliver(bench, one, 2);
  const putBack = await bench.field.backUp();
  bench.restart();
  await deliver(bench, one, 3);
  await chain(bench, one);
  t.same(await chained(bench), [[1, 5]]);
  await bench.putBackField(putBack);
  const { acknowledgement } = await bench.field.store.delivery(one.meter.number, collector.publicKey);
  t.equal(decodeSigned(new Uint8Array(acknowledgement!), readAcknowledgement).value.seq, 2);
  await deliver(bench, two, 1);
  await bench.field.store.saveDelivery(one.meter.number, collector.publicKey, {
    first: 1,
    ackedTo: 2,
    runningHash: new Uint8Array(32),
    acknowledgement,
  });
  await chain(bench, one, two);
  t.same(await chained(bench), [
    [1, 5],
    [2, 1],
  ]);
});

t.test('what the chain refuses is tried again after an hour, and the others are chained', async (t) => {
  const bench = await DeliveryBench.start(t);
  const [one, two] = [await bench.meter('EM:1'), await bench.meter('EM:2')];
  await deliver(bench, one, 2);
  await deliver(bench, two, 2);
  const { store, platform, logger: log, box } = bench.field;
  const asked: number[] = [];
  const refusing = async (signed: readonly Uint8Array[]): Promise<void> => {
    asked.push(signed.length);
    const subjects = signed.map(
      (one) => decodeSigned(new Uint8Array(one), readAcknowledgement).value.meter.subject,
    );
    if (subjects.includes(one.ref.subject)) throw new RefusedRequest(401, 'unauthorised', 'not this one', '');
    await platform.acknowledge([concat(...signed)]);
  };
  const tools = { receipts: store, chain: refusing, now: () => box.clock.now(), log };
  const numbers = [one.meter.number, two.meter.number];
  await chainAcknowledgements(collector.publicKey, numbers, tools);
  t.same(asked, [2, 1, 1]);
  t.same(await chained(bench), [[2, 2]]);
  await chainAcknowledgements(collector.publicKey, numbers, tools);
  t.equal(asked.length, 3);
  await box.clock.advance(HOUR);
  await chainAcknowledgements(collector.publicKey, numbers, tools);
  t.equal(asked.length, 4);
  t.match(
    bench.field.log.filter(({ msg }) => msg === 'acknowledgement not chained'),
    { length: 2 },
  );
});

t.test('a clock that was set back does not put it off for good', async (t) => {
  const bench = await DeliveryBench.start(t);
  const meter = await bench.meter('EM:1');
  await deliver(bench, meter, 1);
  const inTheFuture = bench.field.box.clock.now() + 1_000 * HOUR;
  await bench.field.store.saveChained(meter.meter.number, collector.publicKey, 0, inTheFuture);
  await chain(bench, meter);
  t.same(await chained(bench), [[1, 1]]);
});
