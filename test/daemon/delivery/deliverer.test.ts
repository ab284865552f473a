import { decodeSigned, isSignedBy, readAcknowledgement } from '@meterseal/protocol';
import { CollectorClient } from 'meterseal/internal/delivery/collector-client';
import { HttpClient } from 'meterseal/internal/host/http-client';
import t from 'tap';
import { collector, engine } from '../chain/test-box.js';
import { DeliveryBench } from './delivery-bench.js';

const RECORDS = 'POST /v1/records';
const told = (bench: DeliveryBench, msg: string): object[] =>
  bench.field.log.filter((line) => line.msg === msg);
const refusals = (bench: DeliveryBench): string[] =>
  told(bench, 'delivery refused').map((line) => (line as { err: { code: string } }).err.code);

t.test(
  'what is recorded is delivered in order, and acknowledged under the collector’s signature',
  async (t) => {
    const bench = await DeliveryBench.start(t);
    const [one, two] = [await bench.meter('EM:1'), await bench.meter('EM:2')];
    await bench.field.record(one, 3);
    await bench.field.record(two, 2);
    await bench.deliverAll();
    t.same(
      [await bench.height(one), await bench.height(two)],
      [
        { first: 1, seq: 3 },
        { first: 1, seq: 2 },
      ],
    );
    t.ok((await bench.agrees(one)) && (await bench.agrees(two)));
    t.equal(bench.proxy.count(RECORDS), 1, 'one request for all meters');
    const { acknowledgement } = await bench.field.store.delivery(one.meter.number, collector.publicKey);
    const signed = decodeSigned(new Uint8Array(acknowledgement!), readAcknowledgement);
    t.match(signed.value, { first: 1, seq: 3, meter: { subject: one.ref.subject } });
    t.ok(isSignedBy(engine, collector.publicKey, signed));

    await bench.deliverAll();
    t.equal(bench.proxy.count(RECORDS), 1, 'without news nothing is sent');
    await bench.field.record(one);
    bench.restart();
    await bench.deliverAll();
    t.same(await bench.height(one), { first: 1, seq: 4 });
    t.equal(bench.collector.status().records, 6);
    t.same(refusals(bench), []);
  },
);

t.test('nothing is delivered before the numbers were compared with the chain', async (t) => {
  const bench = await DeliveryBench.start(t);
  const meter = await bench.meter('EM:1');
  await bench.field.record(meter);
  bench.mayDeliver = () => false;
  t.notOk(await bench.deliverer.deliver());
  t.same(bench.proxy.seen, []);
  bench.mayDeliver = () => true;
  await bench.deliverAll();
  t.same(await bench.height(meter), { first: 1, seq: 1 });
});

t.test('a lost acknowledgement leads neither to a double nor to a gap', async (t) => {
  for (const restarts of [false, true]) {
    for (const loss of ['request', 'answer'] as const) {
      const bench = await DeliveryBench.start(t);
      const meter = await bench.meter('EM:1');
      await bench.field.record(meter, 3);
      bench.proxy.lose(loss, RECORDS);
      await t.rejects(bench.deliverer.deliver(), { code: 'unreachable' });
      await bench.field.record(meter, 2);
      if (restarts) bench.restart();
      await bench.deliverAll();
      t.same(await bench.height(meter), { first: 1, seq: 5 }, `${loss}${restarts ? ', and a restart' : ''}`);
      t.ok(await bench.agrees(meter));
      t.equal(bench.collector.status().records, 5);
    }
  }
});

t.test('a lost answer to any question leads to the same end', async (t) => {
  for (const call of ['POST /v1/openings', 'GET /v1/state']) {
    for (const loss of ['request', 'answer'] as const) {
      const bench = await DeliveryBench.start(t);
      const meter = await bench.meter('EM:1');
      await bench.field.record(meter, 2);
      bench.proxy.lose(loss, call);
      await t.rejects(bench.deliverer.deliver(), { code: 'unreachable' });
      await bench.deliverAll();
      t.same(await bench.height(meter), { first: 1, seq: 2 }, `${loss} of ${call}`);
    }
  }
});

t.test('a long backlog goes in several requests, and holds up no other meter', async (t) => {
  const bench = await DeliveryBench.start(t);
  const [long, short] = [await bench.meter('EM:1'), await bench.meter('EM:2')];
  await bench.field.record(long, 1_230);
  await bench.field.record(short, 1);
  t.ok(await bench.deliverer.deliver(), 'there is more');
  t.same(await bench.height(short), { first: 1, seq: 1 });
  t.same(await bench.height(long), { first: 1, seq: 500 });
  await bench.deliverAll();
  t.same(await bench.height(long), { first: 1, seq: 1_230 });
  t.ok(await bench.agrees(long));
});

t.test('numbers that are lost are stated to the collector as a gap', async (t) => {
  const bench = await DeliveryBench.start(t);
  const meter = await bench.meter('EM:1');
  const { store, recorder } = bench.field;
  await bench.field.record(meter, 3);
  await bench.deliverAll();
  await bench.field.record(meter, 2);
  const remake = recorder.remake.bind(recorder);
  await store.restart(meter.meter.number, { from: 4, peak: 9, onChain: false }, remake);
  await bench.deliverAll();
  t.same(await bench.height(meter), { first: 10, seq: 11 });
  t.ok(await bench.agrees(meter));
  t.equal(bench.proxy.count('POST /v1/gaps'), 1);
  t.match(told(bench, 'numbers lost: gap stated to the collector'), [{ from: 4, to: 9, subject: 1 }]);
});

t.test('a gap whose acknowledgement was lost is stated once', async (t) => {
  for (const restarts of [false, true]) {
    for (const loss of ['request', 'answer'] as const) {
      const bench = await DeliveryBench.start(t);
      const meter = await bench.meter('EM:1');
      const { store, recorder } = bench.field;
      await bench.field.record(meter, 2);
      await bench.deliverAll();
      const remake = recorder.remake.bind(recorder);
      await store.restart(meter.meter.number, { from: 3, peak: 6, onChain: false }, remake);
      await bench.field.record(meter, 1);
      bench.proxy.lose(loss, 'POST /v1/gaps');
      await t.rejects(bench.deliverer.deliver(), { code: 'unreachable' });
      // Another loss behind the first, before the first was ever settled.
      await store.restart(meter.meter.number, { from: 7, peak: 8, onChain: false }, remake);
      if (restarts) bench.restart();
      await bench.deliverAll();
      t.same(await bench.height(meter), { first: 9, seq: 9 }, `${loss}${restarts ? ', and a restart' : ''}`);
      t.ok(await bench.agrees(meter));
    }
  }
});

t.test('gaps between the readings that wait are stated one after the other', async (t) => {
  const bench = await DeliveryBench.start(t);
  const meter = await bench.meter('EM:1');
  const { store, recorder } = bench.field;
  const remake = recorder.remake.bind(recorder);
  for (const peak of [3, 8, 20]) {
    await bench.field.record(meter, 2);
    await store.restart(meter.meter.number, { from: peak, peak, onChain: false }, remake);
  }
  await bench.field.record(meter, 1);
  await bench.deliverAll();
  t.ok(await bench.agrees(meter));
  t.same(refusals(bench), []);
  t.equal((await bench.height(meter)).seq, (await store.nextSeq(meter.meter.number)) - 1);
});

t.test(
  'a void record is delivered as second version, once, and does not enter the running hash',
  async (t) => {
    const bench = await DeliveryBench.start(t);
    const meter = await bench.meter('EM:1');
    const { store, recorder } = bench.field;
    const readings = await bench.field.record(meter, 5);
    await bench.deliverAll();
    const before = (await bench.collector.receiver.state('EM:1')).runningHash;
    const makeVoid = (i: number): Promise<void> => {
      const refused = readings[i]!;
      const made = recorder.voidOf('EM:1', refused, 'record-invalid', refused.bytes);
      return store.addVoid(meter.meter.number, refused.seq, made);
    };
    await makeVoid(3);
    await bench.deliverAll();
    t.equal(bench.collector.status().records, 6);
    t.equal((await bench.collector.receiver.state('EM:1')).runningHash, before);
    // A later one of an earlier number is not taken for one that was sent.
    await makeVoid(1);
    bench.restart();
    await bench.deliverAll();
    t.equal(bench.collector.status().records, 7);
    const { length } = bench.proxy.seen.filter((one) => one === RECORDS);
    await bench.deliverAll();
    bench.restart();
    await bench.deliverAll();
    t.equal(bench.proxy.count(RECORDS), length, 'also after a restart they are not sent again');
    await bench.field.record(meter, 1);
    await makeVoid(0);
    await bench.deliverAll();
    t.equal(bench.collector.status().records, 9);
    t.ok(await bench.agrees(meter));
    t.same(refusals(bench), []);
  },
);

t.test('many void records go in several requests', async (t) => {
  const bench = await DeliveryBench.start(t);
  const meter = await bench.meter('EM:1');
  const { store, recorder } = bench.field;
  const readings = await bench.field.record(meter, 1_003);
  await bench.deliverAll();
  for (const refused of readings) {
    const made = recorder.voidOf('EM:1', refused, 'record-invalid', refused.bytes);
    await store.addVoid(meter.meter.number, refused.seq, made);
  }
  await bench.deliverAll();
  t.equal(bench.collector.status().records, 2_006);
});

t.test('an acknowledgement by another key is refused, and nothing counts as delivered', async (t) => {
  const bench = await DeliveryBench.start(t);
  const meter = await bench.meter('EM:1');
  await bench.field.record(meter, 2);
  const stranger = engine.generateKey();
  bench.restart({ collectorKey: stranger.publicKey });
  await bench.deliverAll();
  t.ok(refusals(bench).length > 0);
  t.match(await bench.field.store.delivery(meter.meter.number, stranger.publicKey), { ackedTo: 0 });
  t.same(
    await bench.height(meter),
    { first: 1, seq: 0 },
    'nor did the collector take what is for somebody else',
  );
});

t.test('a forged acknowledgement is refused, whatever it says', async (t) => {
  const bench = await DeliveryBench.start(t);
  const meter = await bench.meter('EM:1');
  await bench.field.record(meter, 2);
  const client = new CollectorClient(
    new HttpClient({ url: bench.proxy.url, token: 'a token for this test' }, 'x'),
  );
  const forging = new Proxy(client, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      if (name !== 'deliver') return value.bind(target);
      return async (body: Uint8Array) => {
        const signed = await target.deliver(body);
        return signed.map((one) => ({ ...one, signature: one.signature.map((byte) => byte ^ 1) }));
      };
    },
  });
  bench.restart({ client: forging });
  await bench.deliverAll();
  t.same(refusals(bench).slice(0, 1), ['bad-signature']);
  t.match(await bench.field.store.delivery(meter.meter.number, collector.publicKey), {
    acknowledgement: null,
  });
  bench.restart();
  await bench.deliverAll();
  t.ok(await bench.agrees(meter), 'the honest one is taken');
});

t.test(
  'what the collector refuses of one meter leaves the others running, and is tried ever more seldom',
  async (t) => {
    const bench = await DeliveryBench.start(t);
    const [good, bad] = [await bench.meter('EM:1'), await bench.meter('EM:2')];
    await bench.field.record(good, 2);
    const [like] = await bench.field.record(bad, 2);
    await bench.deliverAll();
    // The bytes of one reading are damaged: they do not lead to the stated hash any more.
    await bench.field.store.appendRecord(bad.meter.number, (seq) => {
      const { bytes } = bench.field.recorder.remake(like!.bytes, seq);
      return { bytes, hash: engine.sha256(bytes, new Uint8Array(1)) };
    });
    for (let round = 0; round < 4; round++) {
      await bench.field.record(good, 1);
      await bench.deliverAll();
    }
    t.same(await bench.height(good), { first: 1, seq: 6 });
    t.same(await bench.height(bad), { first: 1, seq: 2 });
    t.same(
      refusals(bench),
      ['statement-refused', 'statement-refused'],
      'the first refusal is looked into at once',
    );
    await bench.field.box.clock.advance(5_000);
    await bench.deliverAll();
    t.equal(refusals(bench).length, 3);
    await bench.field.box.clock.advance(5_000);
    await bench.deliverAll();
    t.equal(refusals(bench).length, 3, 'the pause has doubled');
  },
);

t.test('an opening that is refused leaves the others running', async (t) => {
  const bench = await DeliveryBench.start(t);
  const [good, bad] = [await bench.meter('EM:1'), await bench.meter('EM:2')];
  await bench.field.record(good, 1);
  await bench.field.record(bad, 1);
  // The collector knows the second meter under another subject: it was another platform's once.
  const identityKey = Buffer.from(bad.identity.publicKey).toString('base64');
  const salt = Buffer.alloc(16, 3).toString('base64');
  await bench.collector.receiver.openings([{ meter: 'EM:2', salt, subject: 77, identityKey }]);
  await bench.deliverAll();
  t.same(await bench.height(good), { first: 1, seq: 1 });
  t.ok(refusals(bench).every((code) => code === 'opening-conflict'));
});

t.test('a collector that refuses everybody is one failure, not one of each meter', async (t) => {
  const bench = await DeliveryBench.start(t);
  await bench.field.record(await bench.meter('EM:1'));
  await bench.field.record(await bench.meter('EM:2'));
  const http = new HttpClient({ url: bench.proxy.url, token: 'quite another token' }, 'the collector');
  t.teardown(() => http.close());
  bench.restart({ client: new CollectorClient(http) });
  await t.rejects(bench.deliverer.deliver(), { code: 'unauthorised', status: 401 });
  t.same(refusals(bench), []);
});

t.test('a collector that lost everything gets everything again', async (t) => {
  const bench = await DeliveryBench.start(t);
  const [one, two] = [await bench.meter('EM:1'), await bench.meter('EM:2')];
  await bench.field.record(one, 4);
  await bench.field.record(two, 4);
  await bench.deliverAll();
  await bench.emptyCollector();
  await bench.field.record(one, 1);
  await bench.deliverAll();
  t.same(await bench.height(one), { first: 1, seq: 5 });
  bench.restart();
  await bench.deliverAll();
  t.same(await bench.height(two), { first: 1, seq: 4 });
  t.ok((await bench.agrees(one)) && (await bench.agrees(two)));
});

t.test('a meter may be anchored once its numbers were compared, or could not be', async (t) => {
  const bench = await DeliveryBench.start(t);
  const [one, two] = [await bench.meter('EM:1'), await bench.meter('EM:2')];
  const compared: number[] = [];
  const onCompared = (number: number): unknown => compared.push(number);
  const mayAnchor = (): boolean[] => [one, two].map(({ meter }) => bench.deliverer.mayAnchor(meter.number));
  bench.restart({ onCompared });
  t.same(mayAnchor(), [false, false]);
  bench.mayDeliver = (number) => number === one.meter.number;
  await bench.deliverAll();
  t.same(mayAnchor(), [true, false]);
  bench.mayDeliver = () => true;
  await bench.deliverAll();
  await bench.deliverAll();
  t.same(compared, [one.meter.number, two.meter.number], 'told once of each');

  bench.restart({ onCompared });
  bench.proxy.isCut = true;
  await t.rejects(bench.deliverer.deliver(), { code: 'unreachable' });
  t.same(mayAnchor(), [true, true], 'a collector that is away does not hold up anchoring');
  t.notOk(bench.deliverer.mayAnchor(99), 'a meter that nobody knows');
});
