import { join } from 'node:path';
import type { EventBody } from '@meterseal/protocol';
import { decodeRecord } from '@meterseal/protocol';
import { FieldStore } from 'meterseal/internal/agent/field-store';
import { MeterAgent } from 'meterseal/internal/agent/meter-agent';
import { Recorder } from 'meterseal/internal/agent/recorder';
import { ClockWatch } from 'meterseal/internal/host/clock-state';
import { createLogger } from 'meterseal/internal/host/logger';
import type { Test } from 'tap';
import t from 'tap';
import { engine, seededRandom } from '../chain/test-box.js';
import { ManualClock } from '../gate/manual-clock.js';
import { temporaryFolder } from '../host/temporary-folder.js';

const PROFILE = 'eastron/sdm630@0123456789abcdef';

class Bench {
  readonly events: EventBody[] = [];
  readonly #store: FieldStore;

  private constructor(store: FieldStore) {
    this.#store = store;
  }

  static async start(t: Test): Promise<Bench> {
    const store = await FieldStore.open(join(temporaryFolder(t), 'field.db'));
    t.teardown(() => store.close());
    const { number } = await store.meter('EM:1');
    const key = new Uint8Array(32);
    await store.saveOffer(number, { subject: 4, salt: new Uint8Array(16), identityKey: key, nonce: key });
    await store.confirmEnrolment(number, 1);
    return new Bench(store);
  }

  /** An agent of a process that begins now; enrolled unless it is not said. */
  async agent(options: { enrolled: boolean } = { enrolled: true }): Promise<MeterAgent> {
    const data = { meter: 'EM:1', holder: {}, code: () => '', keyOrigin: 'issued' } as const;
    const agent = new MeterAgent(data, PROFILE, {
      store: this.#store,
      recorder: new Recorder(this.#store, engine, seededRandom('salt'), 'meterseal/test 0123456789abcdef'),
      clock: new ClockWatch(
        new ManualClock(),
        () => true,
        () => {},
      ),
      log: createLogger('silent'),
      event: (event) => this.events.push(event),
    });
    if (options.enrolled) {
      const meter = (await this.#store.findMeter('EM:1'))!;
      const ref = { subject: 4, commitment: new Uint8Array(32) };
      agent.become({ meter, identity: engine.generateKey(), ref });
    }
    return agent;
  }
}

/** The identity that a record of this poll carries. */
async function identityOf(agent: MeterAgent, serial?: string): Promise<string> {
  const polled = {
    startedAt: 1,
    endedAt: 2,
    values: [],
    raw: [],
    ...(serial === undefined ? {} : { serial }),
  };
  return decodeRecord((await agent.record(polled))!.bytes).identity;
}

t.test('before its enrolment a meter has no numbers, and so no records', async (t) => {
  const bench = await Bench.start(t);
  const agent = await bench.agent({ enrolled: false });
  agent.problem = 'wrong-code';
  t.equal(await agent.record({ startedAt: 1, endedAt: 2, values: [], raw: [] }), undefined);
  t.equal(agent.last, undefined);
  const enrolled = (await bench.agent()).enrolled!;
  agent.become(enrolled);
  t.equal(agent.problem, undefined);
  t.equal((await agent.record({ startedAt: 1, endedAt: 2, values: [], raw: [] }))?.seq, 1);
  t.equal(agent.last?.seq, 1);
});

t.test('a record names its meter, profile and clock', async (t) => {
  const agent = await (await Bench.start(t)).agent();
  const { bytes } = (await agent.record({ startedAt: 1, endedAt: 2, values: [], raw: [] }))!;
  t.match(decodeRecord(bytes), { meter: 'EM:1', profile: PROFILE, clock: 'synchronised', identity: 'none' });
});

t.test('the serial number that is read first is the meter’s, and is confirmed from then on', async (t) => {
  const bench = await Bench.start(t);
  const agent = await bench.agent();
  t.equal(await identityOf(agent), 'none', 'nothing was read yet');
  t.equal(await identityOf(agent, '1001'), 'confirmed');
  t.equal(await identityOf(agent), 'confirmed', 'as last checked');
  t.equal(await identityOf(await bench.agent(), '1001'), 'confirmed', 'also after a restart');
  t.same(bench.events, []);
});

t.test('another device behind the address is told of once; readings go on and say so', async (t) => {
  const bench = await Bench.start(t);
  const agent = await bench.agent();
  await identityOf(agent, '1001');
  t.equal(await identityOf(agent, '2002'), 'changed');
  t.equal(await identityOf(agent), 'changed');
  t.equal(await identityOf(agent, '2002'), 'changed');
  t.same(bench.events, [{ kind: 'meter-changed', subject: 4 }]);
  t.equal(await identityOf(agent, '1001'), 'confirmed', 'the first one is back');
  t.equal(await identityOf(agent, '2002'), 'changed');
  t.equal(bench.events.length, 1, 'two devices that take turns do not fill the chain');
  t.equal(await identityOf(agent, '3003'), 'changed');
  t.equal(bench.events.length, 2, 'yet another is told of');
});

t.test('a device that was exchanged while nobody looked is found at the start', async (t) => {
  const bench = await Bench.start(t);
  await identityOf(await bench.agent(), '1001');
  t.equal(await identityOf(await bench.agent(), '2002'), 'changed');
  t.same(bench.events, [{ kind: 'meter-changed', subject: 4 }]);
  t.equal(await identityOf(await bench.agent(), '2002'), 'changed', 'a restart is no acceptance');
});
