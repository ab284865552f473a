import { toHex } from '@meterseal/protocol';
import t from 'tap';
import { FieldBench } from './field-bench.js';

t.test('what is recorded reaches the chain in order, and its receipts are kept', async (t) => {
  const bench = await FieldBench.start(t);
  const [one, two] = [await bench.meter('EM:1'), await bench.meter('EM:2')];
  const made = [...(await bench.record(one, 3)), ...(await bench.record(two, 2))];
  await bench.submitAll();
  t.same(
    [...(await bench.anchored(one)).values()],
    made.slice(0, 3).map(({ hash }) => toHex(hash)),
  );
  t.same(
    [...(await bench.anchored(two)).values()],
    made.slice(3).map(({ hash }) => toHex(hash)),
  );
  t.equal((await bench.store.findMeter('EM:1'))!.anchoredTo, 3);
  for (const seq of [1, 2, 3])
    t.type((await bench.store.record(one.meter.number, seq))!.entryIndex, 'number');
  t.equal(bench.proxy.count('POST /v1/readings'), 1, 'one transmission for all meters');
  t.equal(bench.proxy.count('POST /v1/sessions'), 2);
  t.equal(bench.submitter.sessions, 2);

  await bench.record(one);
  await bench.submitAll();
  t.equal(bench.proxy.count('POST /v1/sessions'), 2, 'a session is used again');
  t.equal(bench.proxy.count('POST /v1/readings'), 2);
  await bench.submitAll();
  t.equal(bench.proxy.count('POST /v1/readings'), 2, 'without news nothing is sent');
  t.same(await bench.findings(), []);
});
