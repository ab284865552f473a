import type { Collector } from '@meterseal/node-red-meterseal/core';
import type { Test } from 'tap';
import t from 'tap';
import { MemoryStorage } from './memory-storage.js';
import { SampleChain } from './sample-chain.js';
import { openSample } from './sample-collector.js';
import { named } from './sample-line.js';
import { collectorKey, SampleMeter } from './sample-meter.js';
import { SamplePlatform } from './sample-platform.js';

/** Of the writes of one delivery: statement, its sync, record, its sync, height, its sync. */
const RECORD = 2;
const HEIGHT = 4;

/** A box whose field was put back to an earlier copy, before a collector that was just then ended in the middle of a delivery. */
class Line {
  readonly meter = new SampleMeter('EM-1', 1);
  /** Readings 1…4, as everybody has them. */
  readonly common = this.meter.records(1, 4);
  readonly #storage = new MemoryStorage();
  readonly #chain = new SampleChain();
  readonly #t: Test;
  readonly #port: number;
  collector!: Collector;

  private constructor(t: Test, port: number, chain: SampleChain) {
    this.#t = t;
    this.#port = port;
    this.#chain = chain;
  }

  static async start(t: Test): Promise<Line> {
    const chain = new SampleChain();
    const platform = await SamplePlatform.start(chain, collectorKey.publicKey);
    t.teardown(() => platform.stop());
    const line = new Line(t, platform.port, chain);
    await line.open();
    await line.collector.receiver.openings([line.meter.opening()]);
    await line.deliver([]);
    return line;
  }

  async open(): Promise<void> {
    const policy = SampleChain.policyOf(this.#chain);
    const options = { dir: '/c', storage: this.#storage, policy, port: this.#port };
    const collector = await openSample(options);
    this.#t.teardown(() => collector.close());
    this.collector = collector;
  }

  /** Delivers what follows the common readings, and those with it if there is nothing else. */
  async deliver(further: readonly Uint8Array[]): Promise<void> {
    const send = further.length === 0 ? this.common.length : further.length;
    await this.collector.receiver.records(this.meter.delivery(1, [...this.common, ...further], send));
  }

  /** The same, but the collector's process ends at one of its writes. */
  async deliverInPart(further: readonly Uint8Array[], write: number): Promise<void> {
    this.#storage.failAt(write, 'not-applied');
    await this.#t.rejects(this.deliver(further), { code: 'commit-failed' });
    this.#storage.heal();
    await this.open();
  }

  anchor(further: readonly Uint8Array[]): void {
    this.#chain.enrol(this.meter);
    const session = this.#chain.openSession(this.meter);
    for (const [i, record] of [...this.common, ...further].entries())
      this.#chain.anchor(session, i + 1, record);
    this.#chain.close();
  }
}

t.test('a reading that was stored and never acknowledged, its number used again, is the box’s', async (t) => {
  const line = await Line.start(t);
  const { meter } = line;
  await line.deliverInPart([meter.record(5, '5.5')], HEIGHT);
  const again = meter.record(5, '5.9');
  await line.deliver([again]);
  line.anchor([again]);
  const result = await line.collector.compare();
  t.strictSame(named(result), ['EM-1 5 equivocation box'], 'its own statements say so');
  t.equal(result.counts.verified, 5);
});

t.test('a reading that was stated and never stored does not hide that another was stated', async (t) => {
  const line = await Line.start(t);
  const { meter } = line;
  const anchored = meter.record(5, '5.5');
  await line.deliverInPart([anchored], RECORD);
  line.anchor([anchored]);
  await line.deliver([meter.record(5, '5.9'), meter.record(6)]);
  const result = await line.collector.compare();
  t.strictSame(named(result), ['EM-1 5 equivocation box', 'EM-1 6 not-yet-anchored']);
});

t.test('nor does one that was stored', async (t) => {
  const line = await Line.start(t);
  const { meter } = line;
  const anchored = meter.record(5, '5.5');
  await line.deliverInPart([anchored], HEIGHT);
  line.anchor([anchored, meter.record(6, '6.5')]);
  await line.deliver([meter.record(5, '5.9'), meter.record(6, '6.9')]);
  const result = await line.collector.compare();
  t.strictSame(named(result), ['EM-1 5 equivocation box', 'EM-1 6 equivocation box']);
});
