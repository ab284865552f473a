import { join } from 'node:path';
import { concat, encodeDeliveryGroup } from '@meterseal/protocol';
import t from 'tap';
import { SampleChain } from './sample-chain.js';
import { openSample, SampleClock, startBoth } from './sample-collector.js';
import { line, named } from './sample-line.js';
import { collectorKey, keyOf, SampleMeter } from './sample-meter.js';
import { SamplePlatform } from './sample-platform.js';

t.test('a reading that the platform refused is told with its void record', async (t) => {
  const { chain, collector, meters, sessions, clock } = await line(t);
  const [meter] = meters;
  const refused = meter.record(21);
  const stood = meter.voidRecord(21, refused);
  await collector.receiver.records(meter.delivery(1, meter.records(1, 21), 1));
  chain.anchor(sessions[0]!, 21, stood);
  chain.close();
  const answer = await collector.receiver.records(
    encodeDeliveryGroup(meter.statement(1, meter.records(1, 21)), [stood]),
  );
  t.strictSame(answer.conflicts, [{ meter: 'EM-1', seq: 21 }]);
  clock.wall += 1;
  const result = await collector.compare();
  t.strictSame(named(result), ['EM-1 21 refused-by-platform']);
  t.strictSame(result.counts, { verified: 41, tampered: 0, unverifiable: 1 });
});

t.test('a reading that the field has lost is told with its void record', async (t) => {
  const { chain, collector, meters, sessions } = await line(t);
  const [meter] = meters;
  await collector.receiver.records(meter.delivery(1, meter.records(1, 21), 1, [meter.voidRecord(21)]));
  chain.anchor(sessions[0]!, 21, meter.voidRecord(21));
  chain.close();
  t.strictSame(named(await collector.compare()), ['EM-1 21 lost-by-field']);
});

t.test('of several versions the one on the chain is verified, the others differ', async (t) => {
  const { collector, meters } = await line(t);
  const [meter] = meters;
  await collector.receiver.records(meter.delivery(1, meter.records(1, 20), 1, [meter.record(20, '0.1')]));
  const result = await collector.compare();
  t.strictSame(named(result), ['EM-1 20 hash-differs collector']);
  t.equal(result.counts.verified, 40);
});

t.test('what is delivered and not on the chain waits, and is overdue after a while', async (t) => {
  const { collector, meters, clock } = await line(t);
  await collector.receiver.records(meters[0].delivery(1, meters[0].records(1, 22), 2));
  t.strictSame(named(await collector.compare()), ['EM-1 21 not-yet-anchored', 'EM-1 22 not-yet-anchored']);
  clock.wall += 3_600_001;
  t.strictSame(named(await collector.compare()), ['EM-1 21 anchoring-overdue', 'EM-1 22 anchoring-overdue']);
});

t.test('numbers behind a gap statement are told with its reason', async (t) => {
  const { chain, collector, meters, sessions } = await line(t);
  const [meter, other] = meters;
  chain.anchorAll(sessions[0]!, 21, 25);
  chain.anchorAll(sessions[1]!, 21, 22);
  chain.close();
  await collector.receiver.gaps(concat(meter.gap(21, 23), other.gap(21, 22, 'dropped-by-policy')));
  await collector.receiver.records(meter.delivery(24, meter.records(24, 25)));
  t.strictSame(named(await collector.compare()), [
    'EM-1 21 lost-by-field',
    'EM-1 22 lost-by-field',
    'EM-1 23 lost-by-field',
    'EM-2 21 dropped-by-policy',
    'EM-2 22 dropped-by-policy',
  ]);
});

t.test('meters of other collectors are none of this one’s business', async (t) => {
  const { chain, collector } = await line(t);
  const foreign = new SampleMeter('EM-8', 8);
  chain.enrol(foreign);
  chain.anchorAll(chain.openSession(foreign), 1, 5);
  chain.close();
  const result = await collector.compare();
  t.strictSame(result.findings, []);
  t.equal(result.readings, 40);
});

t.test(
  'an identity key that the meter has not named yet vouches for nothing, and accuses nobody',
  async (t) => {
    const { chain, collector, meters } = await line(t);
    const [meter] = meters;
    await collector.receiver.records(meter.delivery(1, meter.records(1, 22), 2));
    const old = meter.identity;
    meter.identity = keyOf('re-enrolled');
    chain.enrol(meter, 21);
    chain.anchorAll(chain.openSession(meter), 21, 22);
    chain.close();
    t.strictSame(named(await collector.compare()), ['EM-1 21 not-yet-anchored', 'EM-1 22 not-yet-anchored']);
    await collector.receiver.openings([meter.opening()]);
    t.strictSame(named(await collector.compare()), []);
    t.not(old, meter.identity);
  },
);

t.test('the next epoch goes on where the last one ended; what lies between is told', async (t) => {
  const dir = t.testdir();
  const first = new SampleChain(1);
  const second = new SampleChain(2, first.origin);
  const { platform } = await startBoth(t, t.testdir({}), first);
  await platform.stop();
  const meter = new SampleMeter('EM-1', 1);
  first.enrol(meter);
  first.anchorAll(first.openSession(meter), 1, 5);
  first.close();
  second.enrol(meter, 8);
  second.anchorAll(second.openSession(meter), 8, 10);
  second.close();

  const running = await SamplePlatform.start(first, collectorKey.publicKey);
  t.teardown(() => running.stop());
  const collector = await openSample({
    dir: join(dir, 'c'),
    policy: SampleChain.policyOf(first, second),
    port: running.port,
  });
  t.teardown(() => collector.close());
  await collector.receiver.openings([meter.opening()]);
  await collector.receiver.records(meter.delivery(1, meter.records(1, 10)));
  const before = await collector.compare();
  t.equal(before.counts.verified, 5);
  running.chain.current = second;
  const after = await collector.compare();
  t.equal(after.outcome, 'judged', `${after.why}`);
  t.strictSame(named(after), ['EM-1 6 anchor-lost', 'EM-1 7 anchor-lost']);
  t.equal(after.counts.verified, 8);
  running.chain.current = first;
  t.equal(
    (await collector.compare()).outcome,
    'stale-checkpoint',
    'an epoch that has ended does not come back',
  );

  // The gate has seen lease counters of this key.
  const later = new SampleClock();
  later.wall += 60_000;
  const late = await openSample({
    dir: join(dir, 'late'),
    clock: later,
    policy: SampleChain.policyOf(second),
    port: running.port,
  });
  t.teardown(() => late.close());
  running.chain.current = second;
  await late.receiver.openings([meter.opening()]);
  await late.receiver.records(meter.delivery(1, meter.records(1, 10)));
  t.strictSame(
    named(await late.compare()),
    [1, 2, 3, 4, 5, 6, 7].map((seq) => `EM-1 ${seq} before-mirror`),
  );
});
