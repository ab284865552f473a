import { isMetersealError } from '@meterseal/protocol';
import t from 'tap';
import { assertAgree } from '../agent/agree.js';
import { DeliveryBench } from './delivery-bench.js';

/** Numbers that look thrown, the same for the same seed. */
function dice(seed: number): (sides: number) => number {
  let state = Math.imul(seed, 2_654_435_761);
  return (sides) => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 374_761_393) >>> 0;
    return (state >>> 8) % sides;
  };
}

const TO_PLATFORM = ['POST /v1/readings', 'POST /v1/sessions', 'POST /v1/events'];
const TO_COLLECTOR = ['POST /v1/records', 'POST /v1/gaps', 'GET /v1/state'];
const STEPS = 40;

/** What is lost on the way is not what this is about: it is sent again later. */
async function unlessLost(exchange: Promise<void>): Promise<void> {
  await exchange.catch((error: unknown) => {
    if (!isMetersealError(error, 'unreachable')) throw error;
  });
}

// Each of these accused the box while it anchored new readings before it had asked the collector.
for (const seed of [72, 73, 97, 162]) {
  t.test(`whatever is lost or put back on the way, a comparison accuses nobody (seed ${seed})`, async (t) => {
    const bench = await DeliveryBench.start(t);
    const { field } = bench;
    field.mayAnchor = (number) => bench.deliverer.mayAnchor(number);
    bench.mayDeliver = (number) => field.submitter.mayDeliver(number);
    const meters = [await bench.meter('EM:1'), await bench.meter('EM:2')];
    const throws = dice(seed);
    const loss = (): 'answer' | 'request' => (throws(2) === 0 ? 'request' : 'answer');
    let copyOfField: string | undefined;
    let putBackCollector: (() => Promise<void>) | undefined;

    for (let step = 0; step < STEPS; step++) {
      const event = throws(12);
      if (event < 4) for (const meter of meters) await field.record(meter, throws(3));
      else if (event < 6) {
        if (throws(4) === 0) field.proxy.lose(loss(), TO_PLATFORM[throws(3)]!);
        await unlessLost(field.submitAll());
      } else if (event < 8) {
        if (throws(4) === 0) bench.proxy.lose(loss(), TO_COLLECTOR[throws(3)]!);
        await unlessLost(bench.deliverAll());
      } else if (event === 8) {
        copyOfField = await field.backUp();
        bench.restart();
      } else if (event === 9 && copyOfField !== undefined) {
        await bench.putBackField(copyOfField);
        copyOfField = undefined;
        // Both peers can be asked. While one of them is away the other gets new readings all the same.
        field.proxy.heal();
        bench.proxy.heal();
        if (throws(2) === 0) await field.record(meters[0]!, throws(3));
        if (throws(2) === 0) await bench.deliverAll();
        for (let round = 0; round < 3; round++) {
          await field.submitAll();
          await bench.deliverAll();
        }
      } else if (event === 10) putBackCollector = await bench.copyCollector();
      else if (event === 11 && putBackCollector !== undefined) {
        await putBackCollector();
        putBackCollector = undefined;
      }
    }

    field.proxy.heal();
    bench.proxy.heal();
    for (const meter of meters) await field.record(meter, 1);
    for (let round = 0; round < 4; round++) {
      await field.box.clock.advance(600_000);
      await field.submitAll();
      await bench.deliverAll();
    }
    await assertAgree(t, field, ...meters);
    for (const meter of meters) {
      const { anchoredTo, nextSeq } = (await field.store.findMeter(meter.meter.id))!;
      t.equal(anchoredTo, nextSeq - 1, 'everything is anchored');
      t.equal((await bench.height(meter)).seq, nextSeq - 1, 'and delivered');
      t.ok(await bench.agrees(meter));
    }
    const { outcome, counts, findings } = await bench.compare();
    t.equal(outcome, 'judged');
    t.equal(counts.tampered, 0);
    t.same(
      findings.filter(({ reason }) => reason !== 'lost-by-field'),
      [],
    );
  });
}
