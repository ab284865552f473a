import type { CollectorState } from '@meterseal/protocol';
import { encodeDelivery, RUNNING_HASH_START, signMessage, toBase64 } from '@meterseal/protocol';
import type { EnrolledMeter } from 'meterseal/internal/agent/enrolment';
import { restartNumbers } from 'meterseal/internal/agent/restart-numbers';
import { CollectorClient } from 'meterseal/internal/delivery/collector-client';
import { reconcileWithCollector } from 'meterseal/internal/delivery/reconciliation';
import { HttpClient } from 'meterseal/internal/host/http-client';
import t from 'tap';
import { collector, engine, PLATFORM_ID } from '../chain/test-box.js';
import { DeliveryBench } from './delivery-bench.js';

const nextSeq = (bench: DeliveryBench, meter: EnrolledMeter): Promise<number> =>
  bench.field.store.nextSeq(meter.meter.number);

t.test('a collector that was put back gets again what it lost', async (t) => {
  for (const restarts of [false, true]) {
    const bench = await DeliveryBench.start(t);
    const meter = await bench.meter('EM:1');
    await bench.field.record(meter, 3);
    await bench.deliverAll();
    const putBack = await bench.copyCollector();
    const readings = await bench.field.record(meter, 4);
    const refused = readings[0]!;
    const made = bench.field.recorder.voidOf('EM:1', refused, 'record-invalid', refused.bytes);
    await bench.field.store.addVoid(meter.meter.number, refused.seq, made);
    await bench.deliverAll();
    await putBack();
    t.same(await bench.height(meter), { first: 1, seq: 3 });
    await bench.field.record(meter, 1);
    if (restarts) bench.restart();
    await bench.deliverAll();
    t.same(await bench.height(meter), { first: 1, seq: 8 });
    t.equal(bench.collector.status().records, 9, 'the void record too');
    t.ok(await bench.agrees(meter));
    t.same(await bench.field.store.events(), [], 'our own numbers are as they were');
  }
});

t.test('a collector that was put back to before a gap is told of the gap again', async (t) => {
  const bench = await DeliveryBench.start(t);
  const meter = await bench.meter('EM:1');
  const { store, recorder } = bench.field;
  await bench.field.record(meter, 2);
  await bench.deliverAll();
  const putBack = await bench.copyCollector();
  await bench.field.record(meter, 1);
  const remake = recorder.remake.bind(recorder);
  await store.restart(meter.meter.number, { from: 4, peak: 8, onChain: false }, remake);
  await bench.field.record(meter, 2);
  await bench.deliverAll();
  t.same(await bench.height(meter), { first: 9, seq: 10 });
  await putBack();
  bench.restart();
  await bench.deliverAll();
  t.same(await bench.height(meter), { first: 9, seq: 10 });
  t.ok(await bench.agrees(meter));
});

t.test(
  'a database that was put back takes its own word from the collector, and uses no number twice',
  async (t) => {
    const bench = await DeliveryBench.start(t);
    const meter = await bench.meter('EM:1');
    await bench.field.record(meter, 3);
    await bench.deliverAll();
    const copy = await bench.field.backUp();
    bench.restart();
    await bench.field.record(meter, 4);
    await bench.deliverAll();
    await bench.putBackField(copy);
    // The platform is away, and the field has gone on recording under numbers that the collector has seen.
    const made = await bench.field.record(meter, 2);
    t.same(
      made.map(({ seq }) => seq),
      [4, 5],
    );
    await bench.deliverAll();
    t.same(await bench.height(meter), { first: 1, seq: 9 });
    t.ok(await bench.agrees(meter));
    t.equal(await nextSeq(bench, meter), 10);
    t.equal(bench.collector.status().records, 9, 'no number has two readings');
    t.same(
      (await bench.field.store.events()).map(({ event }) => event),
      [{ kind: 'restored', subject: 1, from: 4, to: 7, remade: 2 }],
    );
  },
);

t.test('the same after a restart in the middle of it', async (t) => {
  const bench = await DeliveryBench.start(t);
  const meter = await bench.meter('EM:1');
  await bench.field.record(meter, 3);
  await bench.deliverAll();
  const copy = await bench.field.backUp();
  bench.restart();
  await bench.field.record(meter, 4);
  await bench.deliverAll();
  await bench.putBackField(copy);
  await bench.field.record(meter, 2);
  const { store, recorder } = bench.field;
  bench.restart({
    restartNumbers: async (number, seen) => {
      await restartNumbers(store, recorder, number, seen);
      throw new Error('the process died');
    },
  });
  await t.rejects(bench.deliverer.deliver(), { message: 'the process died' });
  bench.restart();
  await bench.deliverAll();
  t.same(await bench.height(meter), { first: 1, seq: 9 });
  t.equal((await store.events()).length, 1);
});

t.test('what the copy still knows to be acknowledged, or has on the chain, is not made again', async (t) => {
  const bench = await DeliveryBench.start(t);
  const meter = await bench.meter('EM:1');
  await bench.field.record(meter, 2);
  await bench.deliverAll();
  await bench.field.record(meter, 2);
  await bench.field.submitAll();
  const copy = await bench.field.backUp();
  bench.restart();
  await bench.field.record(meter, 3);
  await bench.deliverAll();
  await bench.putBackField(copy);
  await bench.deliverAll();
  const held = await bench.field.held(meter);
  t.same(Object.keys(held), ['1', '2', '3', '4']);
  t.equal(await nextSeq(bench, meter), 8);
});

t.test('after everything was put back once, a comparison accuses nobody', async (t) => {
  const bench = await DeliveryBench.start(t);
  const meter = await bench.meter('EM:1');
  const both = async (): Promise<void> => {
    await bench.field.submitAll();
    await bench.deliverAll();
  };
  await bench.field.record(meter, 4);
  await both();
  const copy = await bench.field.backUp();
  bench.restart();
  await bench.field.record(meter, 3);
  await both();
  // Two more that only the collector gets, and two that only the chain gets.
  await bench.field.record(meter, 2);
  await bench.deliverAll();
  await bench.putBackField(copy);
  await bench.field.record(meter, 1);
  await bench.deliverAll();
  await both();
  await bench.field.record(meter, 2);
  await both();
  await both();
  const { outcome, counts, findings } = await bench.compare();
  t.equal(outcome, 'judged');
  t.equal(counts.tampered, 0, JSON.stringify(findings));
  t.ok(
    findings.every(({ reason }) => reason === 'lost-by-field'),
    JSON.stringify(findings),
  );
  t.ok(counts.verified >= 10);
});

/** A collector that answers what it holds with whatever the test says. */
async function reconciled(
  bench: DeliveryBench,
  meter: EnrolledMeter,
  claim: Partial<CollectorState>,
): Promise<unknown> {
  const http = new HttpClient({ url: bench.proxy.url, token: 'a token for this test' }, 'the collector');
  const client = new CollectorClient(http);
  const { store, recorder, logger: log } = bench.field;
  const { number, id, salt } = meter.meter;
  const held = await client.state(id);
  const lying = Object.assign(client, { state: async () => ({ ...held, ...claim }) });
  const delivered = { number, id, salt: salt!, ref: meter.ref, identity: meter.identity };
  try {
    await reconcileWithCollector(delivered, {
      client: lying,
      outbox: store,
      crypto: engine,
      clock: bench.field.box.clock,
      log,
      platformId: PLATFORM_ID,
      collectorKey: collector.publicKey,
      mayDeliver: () => true,
      restartNumbers: (n, seen) => restartNumbers(store, recorder, n, seen),
    });
    return 'agreed';
  } catch (error) {
    return (error as { code: string }).code;
  } finally {
    http.close();
  }
}

t.test('a collector that claims what was never stated is refused, and nothing of ours changes', async (t) => {
  const bench = await DeliveryBench.start(t);
  const [meter, other] = [await bench.meter('EM:1'), await bench.meter('EM:2')];
  await bench.field.record(meter, 3);
  await bench.field.record(other, 9);
  await bench.deliverAll();
  await bench.field.record(meter, 2);
  const start = toBase64(RUNNING_HASH_START);
  const invented = new Uint8Array(32).fill(9);
  const statement = (
    signer: EnrolledMeter,
    change: Partial<Parameters<typeof encodeDelivery>[0]> = {},
  ): string =>
    toBase64(
      signMessage(
        signer.identity,
        encodeDelivery({
          platformId: PLATFORM_ID,
          meter: meter.ref,
          collectorKey: collector.publicKey,
          first: 1,
          to: 7,
          runningHash: invented,
          ...change,
        }),
      ),
    );
  const ahead = { first: 1, seq: 7, runningHash: toBase64(invented) };
  const stranger = engine.generateKey().publicKey;
  const claims: [string, Partial<CollectorState>][] = [
    ['more than was stated, without a statement', ahead],
    ['with a statement by another meter', { ...ahead, statement: statement(other) }],
    ['for another collector', { ...ahead, statement: statement(meter, { collectorKey: stranger }) }],
    [
      'for another platform',
      { ...ahead, statement: statement(meter, { platformId: 'x.example/meterseal/y' }) },
    ],
    ['of another meter', { ...ahead, statement: statement(meter, { meter: other.ref }) }],
    ['of other numbers', { ...ahead, statement: statement(meter, { to: 6 }) }],
    ['of another beginning', { ...ahead, statement: statement(meter, { first: 2 }) }],
    ['of another hash', { ...ahead, statement: statement(meter, { runningHash: RUNNING_HASH_START }) }],
    ['another hash over the same numbers', { first: 1, seq: 3, runningHash: toBase64(invented) }],
    ['readings that are not made yet', { first: 1, seq: 900, runningHash: toBase64(invented) }],
    ['a gap over readings that wait', { first: 5, seq: 4, runningHash: start }],
    ['a gap over all numbers to come', { first: 2 ** 52, seq: 2 ** 52 - 1, runningHash: start }],
    ['a gap just above the next number', { first: 7, seq: 6, runningHash: start }],
  ];
  const before = JSON.stringify([
    await bench.field.store.meters(),
    await bench.field.store.deliveries(meter.meter.number),
  ]);
  for (const [name, claim] of claims) {
    t.equal(
      await reconciled(bench, meter, { statement: undefined, ...claim } as CollectorState),
      'conflict',
      name,
    );
  }
  t.equal(
    JSON.stringify([
      await bench.field.store.meters(),
      await bench.field.store.deliveries(meter.meter.number),
    ]),
    before,
  );
  t.equal(await reconciled(bench, meter, { ...ahead, statement: 'AAAA' }), 'bad-message');
  t.equal(
    await reconciled(bench, meter, { ...ahead, statement: statement(meter) }),
    'agreed',
    'our own word',
  );
  t.equal(await nextSeq(bench, meter), 10, 'readings 4 and 5 are made again above 7');
});

t.test('nothing more of a meter goes to a collector that claims too much; the others go on', async (t) => {
  const bench = await DeliveryBench.start(t);
  const [liar, honest] = [await bench.meter('EM:1'), await bench.meter('EM:2')];
  await bench.field.record(liar, 1);
  await bench.field.record(honest, 1);
  const http = new HttpClient({ url: bench.proxy.url, token: 'a token for this test' }, 'the collector');
  t.teardown(() => http.close());
  const client = new CollectorClient(http);
  const state = client.state.bind(client);
  client.state = async (meter) => ({ ...(await state(meter)), ...(meter === 'EM:1' ? { seq: 5 } : {}) });
  bench.restart({ client });
  await bench.deliverAll();
  t.same(await bench.height(honest), { first: 1, seq: 1 });
  t.same(await bench.height(liar), { first: 1, seq: 0 });
});

t.test('long histories are compared piece by piece', async (t) => {
  const bench = await DeliveryBench.start(t);
  const meter = await bench.meter('EM:1');
  const { number } = meter.meter;
  const [like] = await bench.field.record(meter, 1);
  await Promise.all(
    Array.from({ length: 10_500 }, () =>
      bench.field.store.appendRecord(number, () => ({ bytes: like!.bytes, hash: like!.hash })),
    ),
  );
  let hash = RUNNING_HASH_START;
  const { runningHash } = await import('@meterseal/protocol');
  for (let i = 0; i < 10_400; i++) hash = runningHash(engine, hash, like!.hash);
  await bench.deliverer.deliver().catch(() => {});
  const claim = { first: 1, seq: 10_400, runningHash: toBase64(hash) };
  t.equal(await reconciled(bench, meter, claim), 'agreed');
  t.match(await bench.field.store.delivery(number, collector.publicKey), { ackedTo: 10_400 });
});
