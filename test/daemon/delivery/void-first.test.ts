import type { EnrolledMeter } from 'meterseal/internal/agent/enrolment';
import { RefusedRequest } from 'meterseal/internal/host/http-client';
import type { Test } from 'tap';
import t from 'tap';
import { DeliveryBench } from './delivery-bench.js';

const reasons = async (bench: DeliveryBench): Promise<string[]> =>
  (await bench.compare()).findings.map(({ seq, reason }) => `${seq} ${reason}`);

/** Three readings that the collector has, of which the chain has refused the second for good. */
async function withRefusedReading(
  t: Test,
): Promise<{ bench: DeliveryBench; meter: EnrolledMeter; anchored: () => Promise<number> }> {
  const bench = await DeliveryBench.start(t);
  const { field } = bench;
  field.undeliveredVoid = (number) => bench.deliverer.undeliveredVoid(number);
  const meter = await bench.meter('EM:1');
  const [, refused] = await field.record(meter, 3);
  await bench.deliverAll();
  const made = field.recorder.voidOf('EM:1', refused!, 'record-invalid', refused!.bytes);
  await field.store.addVoid(meter.meter.number, 2, made);
  const anchored = async (): Promise<number> => (await field.store.findMeter('EM:1'))!.anchoredTo;
  return { bench, meter, anchored };
}

t.test(
  'a void record reaches the collector before the chain, and at no time is the box accused',
  async (t) => {
    const { bench, meter, anchored } = await withRefusedReading(t);
    const told: number[] = [];
    bench.restart({ onVoidsDelivered: (number) => told.push(number) });
    bench.mayDeliver = () => false;
    await bench.deliverAll();
    await bench.field.submitAll();
    t.equal(await anchored(), 1, 'the collector is in reach, and has not got it yet');
    t.same(await reasons(bench), ['2 not-yet-anchored', '3 not-yet-anchored']);

    bench.mayDeliver = () => true;
    await bench.deliverAll();
    t.same(told, [meter.meter.number]);
    t.same(await reasons(bench), ['2 not-yet-anchored', '2 not-yet-anchored', '3 not-yet-anchored']);
    await bench.field.submitAll();
    t.equal(await anchored(), 3);
    t.same(await reasons(bench), ['2 refused-by-platform']);
  },
);

t.test('a collector that is away, or refuses the meter, does not hold up anchoring', async (t) => {
  for (const trouble of ['not asked yet', 'away', 'refuses'] as const) {
    const { bench, anchored } = await withRefusedReading(t);
    const refuse = async (): Promise<never> => {
      throw new RefusedRequest(403, 'statement-refused', "couldn't accept statement", '');
    };
    if (trouble === 'not asked yet') bench.restart();
    if (trouble === 'away') {
      bench.proxy.isCut = true;
      await t.rejects(bench.deliverer.deliver(), { code: 'unreachable' });
    }
    if (trouble === 'refuses') {
      bench.restart({ client: Object.assign(bench.client(), { deliver: refuse }) });
      await bench.deliverAll();
    }
    await bench.field.submitAll();
    t.equal(await anchored(), 3, trouble);
  }
});
