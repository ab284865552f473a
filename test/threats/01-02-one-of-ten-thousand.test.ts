import t from 'tap';
import { editSpool, isAt, revalued } from '../collector/insider.js';
import { startBoth } from '../collector/sample-collector.js';
import { named } from '../collector/sample-line.js';
import { SampleMeter } from '../collector/sample-meter.js';

const READINGS = 10_000;
const BATCH = 1_000;

t.test('of ten thousand readings', async (t) => {
  const dir = t.testdir();
  const { chain, collector, reopen } = await startBoth(t, dir);
  const meter = new SampleMeter('EM-1', 1);
  const records = meter.records(1, READINGS);
  chain.enrol(meter);
  const session = chain.openSession(meter);
  for (const [i, record] of records.entries()) chain.anchor(session, i + 1, record);
  chain.close();
  await collector.receiver.openings([meter.opening()]);
  for (let to = BATCH; to <= READINGS; to += BATCH) {
    await collector.receiver.records(meter.delivery(1, records.slice(0, to), BATCH));
  }
  t.match(await collector.compare(), { outcome: 'judged', counts: { verified: READINGS, tampered: 0 } });
  await collector.close();
  const expected: string[] = [];
  for (const [what, finding, edit] of [
    [
      'the one that was changed is named',
      'EM-1 7001 hash-differs collector',
      () =>
        editSpool(dir, (record, frame) => [
          isAt(record, 'EM-1', 7_001) ? revalued(record, frame, '7001.6') : frame,
        ]),
    ],
    [
      'the one that was deleted is named',
      'EM-1 7777 missing-at-collector collector',
      () => editSpool(dir, (record, frame) => (isAt(record, 'EM-1', 7_777) ? [] : [frame])),
    ],
    [
      'the one that was inserted is named',
      'EM-1 10001 not-in-chain collector',
      () =>
        editSpool(dir, (record, frame) =>
          isAt(record, 'EM-1', READINGS)
            ? [frame, { ...frame, record: meter.record(READINGS + 1) }]
            : [frame],
        ),
    ],
  ] as const) {
    await t.test(what, async (t) => {
      edit();
      expected.push(finding);
      const opened = await reopen();
      const result = await opened.compare();
      t.strictSame(named(result), expected);
      t.equal(result.counts.verified + expected.length, result.readings, 'all others are verified');
      await opened.close();
    });
  }
});
