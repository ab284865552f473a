import { replay, replayQuery } from '@meterseal/node-red-meterseal/internal/controllers/replay';
import t from 'tap';
import { openSample } from '../collector/sample-collector.js';
import { SampleMeter } from '../collector/sample-meter.js';

const STANDARD = { meter: undefined, last: 0, most: 1_000 };
const NOW = Date.UTC(2026, 0, 1, 0, 0, 10);
const meters = [new SampleMeter('EM-2', 2), new SampleMeter('EM-1', 1)] as const;

t.test('stored readings come again by meter, number and time', async (t) => {
  const collector = await openSample({ dir: t.testdir() });
  t.teardown(() => collector.close());
  await collector.receiver.openings(meters.map((meter) => meter.opening()));
  for (const meter of meters) await collector.receiver.records(meter.delivery(1, meter.records(1, 5)));

  const ask = async (asked: unknown, standard = STANDARD): Promise<string[]> => {
    const found: string[] = [];
    for await (const { topic, reading } of replay(collector.held, replayQuery(asked, standard, NOW))) {
      found.push(`${topic} ${reading.seq}`);
    }
    return found;
  };
  t.same(await ask({ to: 2 }), ['EM-1 1', 'EM-1 2', 'EM-2 1', 'EM-2 2']);
  t.same(await ask({ meter: 'EM-2', from: 4 }), ['EM-2 4', 'EM-2 5']);
  t.same(
    await ask({ meter: 'EM-1', since: '2026-01-01T00:00:02.000Z', until: Date.UTC(2026, 0, 1, 0, 0, 3) }),
    ['EM-1 2', 'EM-1 3'],
  );
  t.same(await ask({ most: 1 }), ['EM-1 1']);
  t.same(await ask(undefined, { meter: 'EM-1' as never, last: 6_000, most: 10 }), ['EM-1 4', 'EM-1 5']);
  t.same(await ask({ meter: 'EM-9' }), []);
});

t.test('a second version of a number comes behind the first, and both say so', async (t) => {
  const collector = await openSample({ dir: t.testdir() });
  t.teardown(() => collector.close());
  const [meter] = meters;
  await collector.receiver.openings([meter.opening()]);
  const records = meter.records(1, 2);
  await collector.receiver.records(meter.delivery(1, records));
  await collector.receiver.records(meter.delivery(1, records, 0, [meter.voidRecord(1, records[0])]));
  const found = [];
  for await (const { reading, collector: by } of replay(collector.held, replayQuery({}, STANDARD, NOW))) {
    found.push([reading.seq, reading.void !== undefined, by.conflict]);
  }
  t.same(found, [
    [1, false, true],
    [1, true, true],
    [2, false, false],
  ]);
});

t.test('what makes no sense is refused', async (t) => {
  for (const asked of [
    { meter: 'no id!' },
    { from: -1 },
    { to: 'two' },
    { since: 'yesterday' },
    { most: 0.5 },
  ]) {
    t.throws(() => replayQuery(asked, STANDARD, NOW), { code: 'misuse' });
  }
});
