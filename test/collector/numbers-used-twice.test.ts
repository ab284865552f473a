import t from 'tap';
import { MemoryStorage } from './memory-storage.js';
import { SampleChain } from './sample-chain.js';
import { openSample } from './sample-collector.js';
import { named } from './sample-line.js';
import { collectorKey, SampleMeter } from './sample-meter.js';
import { SamplePlatform } from './sample-platform.js';

t.test(
  'a reading that was stored and never acknowledged, and whose number was used again, is the box’s',
  async (t) => {
    const storage = new MemoryStorage();
    const chain = new SampleChain();
    const platform = await SamplePlatform.start(chain, collectorKey.publicKey);
    t.teardown(() => platform.stop());
    const open = async () => {
      const { port } = platform;
      const collector = await openSample({ dir: '/c', storage, policy: SampleChain.policyOf(chain), port });
      t.teardown(() => collector.close());
      return collector;
    };
    const meter = new SampleMeter('EM-1', 1);
    const first = meter.records(1, 4);
    const collector = await open();
    await collector.receiver.openings([meter.opening()]);
    await collector.receiver.records(meter.delivery(1, first));
    // Statement and record are on the disk; the process ends before it has noted and acknowledged them.
    storage.failAt(4, 'not-applied');
    await t.rejects(collector.receiver.records(meter.delivery(1, [...first, meter.record(5, '5.5')], 1)), {
      code: 'commit-failed',
    });
    storage.heal();

    // The field was put back to an earlier copy, and knows of no number 5.
    const again = await open();
    const second = meter.record(5, '5.9');
    await again.receiver.records(meter.delivery(1, [...first, second], 1));
    chain.enrol(meter);
    const session = chain.openSession(meter);
    for (const [i, record] of [...first, second].entries()) chain.anchor(session, i + 1, record);
    chain.close();
    const result = await again.compare();
    t.strictSame(named(result), ['EM-1 5 equivocation box'], 'its own statements say so');
    t.equal(result.counts.verified, 5);
  },
);

t.test(
  'a reading that was stated and never stored does not hide that another was stated under its number',
  async (t) => {
    const storage = new MemoryStorage();
    const chain = new SampleChain();
    const platform = await SamplePlatform.start(chain, collectorKey.publicKey);
    t.teardown(() => platform.stop());
    const open = async () => {
      const { port } = platform;
      const collector = await openSample({ dir: '/c', storage, policy: SampleChain.policyOf(chain), port });
      t.teardown(() => collector.close());
      return collector;
    };
    const meter = new SampleMeter('EM-1', 1);
    const common = meter.records(1, 4);
    const collector = await open();
    await collector.receiver.openings([meter.opening()]);
    await collector.receiver.records(meter.delivery(1, common));
    // The statement over number 5 is on the disk; the process ends before the record is. The chain has it.
    storage.failAt(2, 'not-applied');
    const anchored = meter.record(5, '5.5');
    await t.rejects(collector.receiver.records(meter.delivery(1, [...common, anchored], 1)), {
      code: 'commit-failed',
    });
    storage.heal();
    chain.enrol(meter);
    const session = chain.openSession(meter);
    for (const [i, record] of [...common, anchored].entries()) chain.anchor(session, i + 1, record);
    chain.close();

    // The field was put back to an earlier copy, and delivers others under numbers 5 and 6 before it has asked the chain.
    const again = await open();
    const other = meter.record(5, '5.9');
    await again.receiver.records(meter.delivery(1, [...common, other, meter.record(6)], 2));
    const result = await again.compare();
    t.strictSame(named(result), ['EM-1 5 equivocation box', 'EM-1 6 not-yet-anchored']);
  },
);
