import { toHex, utf8 } from '@meterseal/protocol';
import type { EnrolledMeter } from 'meterseal/internal/agent/enrolment';
import t from 'tap';
import { engine } from '../chain/test-box.js';
import { assertAgree } from './agree.js';
import { FieldBench } from './field-bench.js';

const READINGS = 'POST /v1/readings';
const SESSIONS = 'POST /v1/sessions';

/** Codes that were answered and logged as refusals of a meter. */
const refusals = (bench: FieldBench): unknown[] =>
  bench.log
    .filter(({ msg }) => msg === 'meter refused by the platform')
    .map(({ err }) => (err as { code: string }).code);

async function anchoredTo(bench: FieldBench, { meter }: EnrolledMeter): Promise<number> {
  return (await bench.store.findMeter(meter.id))!.anchoredTo;
}

t.test('what is recorded reaches the chain in order, and its receipts are kept', async (t) => {
  const bench = await FieldBench.start(t);
  const [one, two] = [await bench.meter('EM:1'), await bench.meter('EM:2')];
  const made = [...(await bench.record(one, 3)), ...(await bench.record(two, 2))];
  await bench.submitAll();
  const hashes = made.map(({ hash }) => toHex(hash));
  t.same([...(await bench.anchored(one)).values()], hashes.slice(0, 3));
  t.same([...(await bench.anchored(two)).values()], hashes.slice(3));
  t.equal(await anchoredTo(bench, one), 3);
  for (const seq of [1, 2, 3])
    t.type((await bench.store.record(one.meter.number, seq))!.entryIndex, 'number');
  t.equal(bench.proxy.count(READINGS), 1, 'one transmission for all meters');
  t.equal(bench.submitter.sessions, 2);

  await bench.record(one);
  await bench.submitAll();
  t.equal(bench.proxy.count(SESSIONS), 2, 'a session is used again');
  t.equal(bench.proxy.count(READINGS), 2);
  await bench.submitAll();
  t.equal(bench.proxy.count(READINGS), 2, 'without news nothing is sent');
  await assertAgree(t, bench, one, two);
});

t.test('a lost reply after the commit does not append twice', async (t) => {
  const bench = await FieldBench.start(t);
  const meter = await bench.meter('EM:1');
  await bench.record(meter, 3);
  bench.proxy.lose('answer', READINGS);
  await t.rejects(bench.submitter.submit(), { code: 'unreachable' });
  t.equal(await anchoredTo(bench, meter), 0, 'nobody has told us');
  t.equal((await bench.anchored(meter)).size, 3);
  await bench.record(meter);
  await bench.submitAll();
  t.equal(await anchoredTo(bench, meter), 4);
  const entries = await bench.entries();
  t.equal(entries.filter(({ type }) => type === 'reading').length, 4);
  const receipts = await Promise.all([1, 2, 3].map((seq) => bench.store.record(meter.meter.number, seq)));
  for (const [i, record] of receipts.entries()) t.ok(record!.entryIndex! > 0, `receipt ${i + 1}`);
  t.same(await bench.events('conflict'), []);
  await assertAgree(t, bench, meter);
});

t.test('a lost reply before a restart does neither', async (t) => {
  const bench = await FieldBench.start(t);
  const meter = await bench.meter('EM:1');
  await bench.record(meter, 3);
  bench.proxy.lose('answer', READINGS);
  await t.rejects(bench.submitter.submit(), { code: 'unreachable' });
  await bench.restart();
  await bench.record(meter);
  await bench.submitAll();
  t.equal(await anchoredTo(bench, meter), 4);
  t.same(await bench.events('restored'), [], 'the end of the chain is our own reading: nothing was put back');
  await assertAgree(t, bench, meter);
});

t.test('whatever exchange is lost on the way, everything arrives once', async (t) => {
  const calls = ['POST /v1/challenges', 'POST /v1/authentications', SESSIONS, READINGS, 'POST /v1/receipts'];
  for (const call of calls) {
    for (const loss of ['request', 'answer'] as const) {
      const bench = await FieldBench.start(t);
      const meter = await bench.meter('EM:1');
      await bench.record(meter);
      await bench.submitAll();
      await bench.restart();
      await bench.record(meter, 2);
      bench.proxy.lose(loss, call);
      await t.rejects(bench.submitAll(), { code: 'unreachable' }, `${loss} of ${call}`);
      await bench.submitAll();
      t.equal(await anchoredTo(bench, meter), 3);
      await assertAgree(t, bench, meter);
    }
  }
});

t.test('a session that is used up or expired half-way is opened again, and the rest follows', async (t) => {
  const bench = await FieldBench.start(t, { chain: { session: { lifeMs: 60_000, readings: 4 } } });
  const meter = await bench.meter('EM:1');
  await bench.record(meter, 10);
  await bench.submitAll();
  t.equal(await anchoredTo(bench, meter), 10);
  t.equal(bench.proxy.count(SESSIONS), 3);
  await bench.box.clock.advance(60_000);
  await bench.record(meter, 2);
  await bench.submitAll();
  t.equal(await anchoredTo(bench, meter), 12);
  t.equal(bench.proxy.count(SESSIONS), 4);
  t.same(refusals(bench), []);
  await assertAgree(t, bench, meter);
});

t.test('a platform that was started anew knows no session, and is shown the last receipt', async (t) => {
  const bench = await FieldBench.start(t);
  const meter = await bench.meter('EM:1');
  await bench.record(meter);
  await bench.submitAll();
  await bench.box.restart();
  await bench.record(meter);
  await bench.submitAll();
  t.equal(await anchoredTo(bench, meter), 2);
  t.equal(bench.proxy.count(SESSIONS), 2);
  t.equal(bench.proxy.count('POST /v1/receipts'), 1);
});

t.test('per transmission means: every transmission is authenticated', async (t) => {
  const bench = await FieldBench.start(t, { sessionUse: 'per-transmission' });
  const meter = await bench.meter('EM:1');
  for (let i = 0; i < 3; i++) {
    await bench.record(meter, 2);
    await bench.submitAll();
  }
  t.equal(bench.submitter.sessions, 0);
  t.equal(bench.proxy.count(SESSIONS), 3);
  const kinds = (await bench.entries()).map(({ type }) => type).filter((type) => type !== 'event');
  const once = ['authentication', 'session', 'reading', 'reading'];
  t.same(kinds.slice(2), [...once, ...once, ...once]);
  const sessions = (await bench.entries()).flatMap((entry) =>
    entry.type === 'reading' ? [entry.session] : [],
  );
  t.same(sessions, [1, 1, 2, 2, 3, 3]);
});

t.test(
  'a reading that the platform refuses for good gets a void record, and the others follow',
  async (t) => {
    const bench = await FieldBench.start(t);
    const [meter, other] = [await bench.meter('EM:1'), await bench.meter('EM:2')];
    const { number } = meter.meter;
    await bench.record(meter, 2);
    // A record of another meter under this one's number, and one whose bytes were damaged: nothing that this field makes.
    const [foreign] = await bench.record(other);
    await bench.store.appendRecord(number, () => foreign!);
    const damaged = utf8('{"damaged"');
    await bench.store.appendRecord(number, () => ({ bytes: damaged, hash: engine.sha256(damaged) }));
    await bench.record(meter, 2);
    await bench.submitAll();
    t.equal(await anchoredTo(bench, meter), 6);
    t.equal(await anchoredTo(bench, other), 1);
    t.same(await bench.held(meter).catch(() => 'damaged'), 'damaged');
    for (const [seq, reason] of [
      [3, 'meter-mismatch'],
      [4, 'record-invalid'],
    ] as const) {
      const { version, bytes } = (await bench.store.record(number, seq))!;
      t.equal(version, 1);
      t.match(JSON.parse(Buffer.from(bytes).toString()), {
        meter: 'EM:1',
        seq,
        values: [],
        raw: [],
        void: { reason },
      });
    }
    const replaced = (await bench.store.record(number, 4))!;
    t.equal(JSON.parse(Buffer.from(replaced.bytes).toString()).void.replaces, toHex(engine.sha256(damaged)));
    t.equal((await bench.anchored(meter)).size, 6);
  },
);

t.test(
  'what is refused to one meter leaves the others running, and is asked again ever more seldom',
  async (t) => {
    const bench = await FieldBench.start(t);
    const [good, bad] = [await bench.meter('EM:1'), await bench.meter('EM:2')];
    bench.box.list('EM:2', 'code of EM:2', { revoked: true });
    await bench.record(good, 2);
    await bench.record(bad, 2);
    await bench.submitAll();
    t.equal(await anchoredTo(bench, good), 2);
    t.equal(await anchoredTo(bench, bad), 0);
    t.same(refusals(bench), ['revoked']);
    t.ok(bench.submitter.mayDeliver(bad.meter.number), 'its readings still go to collectors');
    for (let i = 0; i < 5; i++) {
      await bench.record(good);
      await bench.submitAll();
    }
    t.same(refusals(bench), ['revoked'], 'not at every transmission');
    await bench.box.clock.advance(5_000);
    await bench.submitAll();
    t.equal(refusals(bench).length, 2);
    await bench.box.clock.advance(5_000);
    await bench.submitAll();
    t.equal(refusals(bench).length, 2, 'the pause has doubled');
    await bench.box.clock.advance(5_000);
    await bench.submitAll();
    t.equal(refusals(bench).length, 3);
    t.equal(await anchoredTo(bench, good), 7);
    await assertAgree(t, bench, good, bad);
  },
);

t.test('more than one transmission can carry goes in several, all meters at once', async (t) => {
  const bench = await FieldBench.start(t);
  bench.box.checksEveryCall = false;
  const meters = [await bench.meter('EM:1'), await bench.meter('EM:2'), await bench.meter('EM:3')];
  await bench.record(meters[0]!, 700);
  await bench.record(meters[1]!, 5);
  await bench.record(meters[2]!, 340);
  await bench.submitAll();
  t.same(await Promise.all(meters.map((meter) => anchoredTo(bench, meter))), [700, 5, 340]);
  t.equal(bench.proxy.count(READINGS), 3);
  t.same(await bench.findings(), []);
});

t.test(
  'readings may be delivered once they were compared with the chain, or that could not be done',
  async (t) => {
    const bench = await FieldBench.start(t);
    const meter = await bench.meter('EM:1');
    const { number } = meter.meter;
    t.notOk(bench.submitter.mayDeliver(number));
    t.notOk(bench.submitter.mayDeliver(99), 'a meter that nobody knows');
    await bench.submitAll();
    t.ok(bench.submitter.mayDeliver(number), 'also without anything to send');

    await bench.restart();
    bench.proxy.isCut = true;
    t.notOk(bench.submitter.mayDeliver(number));
    await t.rejects(bench.submitter.submit(), { code: 'unreachable' });
    t.ok(bench.submitter.mayDeliver(number), 'a platform that is away does not hold up collection');
  },
);

t.test('events reach the chain before the readings, in order, also after a restart', async (t) => {
  const bench = await FieldBench.start(t);
  const meter = await bench.meter('EM:1');
  const { subject } = meter.ref;
  await bench.store.addEvent({ kind: 'clock-step', ms: -1_200 });
  await bench.restart();
  await bench.store.addEvent({ kind: 'meter-changed', subject });
  await bench.record(meter);
  bench.proxy.lose('request', 'POST /v1/events');
  await t.rejects(bench.submitter.submit(), { code: 'unreachable' });
  t.match(await bench.store.events(), { length: 2 });
  await bench.submitAll();
  t.same(await bench.store.events(), []);
  const told = (await bench.entries()).slice(-5);
  t.match(told, [
    { type: 'event', subject: 0, event: { kind: 'clock-step', ms: -1_200 } },
    { type: 'event', subject, event: { kind: 'meter-changed' } },
    { type: 'authentication' },
    { type: 'session' },
    { type: 'reading' },
  ]);
});

t.test('an event that the platform does not take holds up neither the others nor the readings', async (t) => {
  const bench = await FieldBench.start(t);
  bench.box.checksEveryCall = false;
  const meter = await bench.meter('EM:1');
  await bench.record(meter);
  // The platform takes sixty of a kind in an hour; a `conflict` is for it alone to tell.
  for (let ms = 0; ms < 62; ms++) await bench.store.addEvent({ kind: 'clock-step', ms });
  await bench.store.addEvent({ kind: 'conflict' });
  await bench.store.addEvent({ kind: 'disk-low' });
  await bench.submitAll();
  t.equal(await anchoredTo(bench, meter), 1);
  t.equal((await bench.events('clock-step')).length, 60);
  t.equal((await bench.events('disk-low')).length, 1);
  t.same(
    (await bench.store.events()).map(({ event }) => event),
    [
      { kind: 'clock-step', ms: 60 },
      { kind: 'clock-step', ms: 61 },
    ],
    'what is too much for this hour waits, what is wrong does not',
  );
  const asked = bench.proxy.count('POST /v1/events');
  await bench.submitAll();
  t.equal(bench.proxy.count('POST /v1/events'), asked, 'not asked again at once');
  await bench.box.clock.advance(3_600_000);
  await bench.submitAll();
  t.equal((await bench.events('clock-step')).length, 62);
});

t.test(
  'a chain that was put back to an earlier copy is found out by the receipt, and signs nothing',
  async (t) => {
    const bench = await FieldBench.start(t);
    const meter = await bench.meter('EM:1');
    await bench.record(meter);
    await bench.submitAll();
    const putBack = await bench.copyChain();
    await bench.record(meter, 2);
    await bench.submitAll();
    await putBack();
    const before = bench.box.role.status().size;
    await bench.restart();
    await bench.record(meter);
    await t.rejects(bench.submitter.submit(), { code: 'behind-witness', status: 503 });
    t.match(await bench.box.role.failed, { code: 'behind-witness' });
    t.equal(bench.box.role.status().size, before);
    t.ok(bench.submitter.mayDeliver(meter.meter.number), 'collection goes on');
  },
);

t.test(
  'a receipt that covers less than was seen is refused, and the platform is shown what was seen',
  async (t) => {
    const bench = await FieldBench.start(t);
    const [meter, other] = [await bench.meter('EM:1'), await bench.meter('EM:2')];
    await bench.record(meter);
    await bench.submitAll();
    const putBack = await bench.copyChain();
    await bench.record(other);
    await bench.record(meter, 2);
    await bench.submitAll();
    // It is put back while this field runs, and no exchange fails by which that could be noticed.
    await putBack();
    await bench.record(meter);
    await t.rejects(bench.submitter.submit(), {
      code: 'behind-witness',
      message: /entries were seen|entries, and/,
    });
    await t.rejects(bench.submitter.submit(), { code: 'behind-witness', status: 503 });
    t.match(await bench.box.role.failed, { code: 'behind-witness' });
  },
);
