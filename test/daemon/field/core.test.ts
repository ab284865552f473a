import { renameSync } from 'node:fs';
import { join } from 'node:path';
import type { MeterAgent } from 'meterseal/internal/agent/meter-agent';
import { FieldCore } from 'meterseal/internal/field/core';
import { createBox } from 'meterseal/internal/host/box';
import type { Test } from 'tap';
import t from 'tap';
import { collector, engine, PLATFORM_ID } from '../chain/test-box.js';
import { DeliveryBench } from '../delivery/delivery-bench.js';
import { until } from '../gate/until.js';

const PROFILE = 'eastron/sdm630@0123456789abcdef';
const POLLED = {
  startedAt: 1,
  endedAt: 2,
  values: [{ obis: '1-0:1.8.0', unit: 'kWh', value: '7.5' }],
  raw: [],
};

type Running = {
  readonly bench: DeliveryBench;
  readonly core: FieldCore;
  readonly agents: readonly MeterAgent[];
};

/** A field with these meters before a real platform and a real collector; only its clock is turned by hand. */
async function running(
  t: Test,
  ids: readonly string[],
  before?: (bench: DeliveryBench) => Promise<unknown>,
): Promise<Running> {
  const bench = await DeliveryBench.start(t);
  await before?.(bench);
  const { field } = bench;
  const core = new FieldCore({
    store: field.store,
    keys: field.keys,
    platform: field.platform,
    engine,
    box: createBox(field.random),
    random: field.random,
    clock: field.box.clock,
    log: field.logger,
    platformId: PLATFORM_ID,
    software: 'meterseal/test 0123456789abcdef',
    synchronised: () => true,
    sessionUse: 'reused',
  });
  const agents = ids.map((id) => core.addMeter(field.data(id), PROFILE));
  core.addCollector(collector.publicKey, bench.client());
  await core.start();
  t.teardown(async () => {
    field.proxy.isCut = true;
    bench.proxy.isCut = true;
    await core.stop();
  });
  return { bench, core, agents };
}

/** Lets the workers' pauses pass until something has come about. */
async function comes(bench: DeliveryBench, what: string, holds: () => Promise<boolean>): Promise<void> {
  await until(what, async () => {
    await bench.field.box.clock.advance(500);
    return holds();
  });
}

const anchoredTo = async (bench: DeliveryBench, id: string): Promise<number> =>
  (await bench.field.store.findMeter(id))?.anchoredTo ?? 0;
const collected = (bench: DeliveryBench, id: string): number =>
  bench.collector.status().meters.find(({ meter }) => meter === id)?.seq ?? 0;

t.test('a reading goes both ways by itself, and what was acknowledged reaches the chain', async (t) => {
  const { bench, core, agents } = await running(t, ['EM:1'], async ({ field }) =>
    field.box.list('EM:1', 'code of EM:1'),
  );
  const [agent] = agents;
  t.notOk(await core.record(agent!, POLLED), 'before the enrolment there are no records');
  await comes(bench, 'it is enrolled', async () => agent!.enrolled !== undefined);
  t.ok(await core.record(agent!, POLLED));
  await comes(bench, 'it is anchored', async () => (await anchoredTo(bench, 'EM:1')) === 1);
  await comes(bench, 'it is collected', async () => collected(bench, 'EM:1') === 1);
  await comes(bench, 'the acknowledgement is on the chain', async () =>
    (await bench.field.entries()).some(({ type }) => type === 'acknowledgement'),
  );
  t.same(await core.acknowledgedTo(agent!.enrolled!.meter.number), [1]);
  t.ok(core.isPlatformReachable);
});

t.test('a meter that is refused leaves the others running, and enrols once it is listed', async (t) => {
  const { bench, core, agents } = await running(t, ['EM:1', 'EM:2'], async ({ field }) =>
    field.box.list('EM:2', 'code of EM:2'),
  );
  const [refused, good] = agents;
  await comes(bench, 'the other is enrolled', async () => good!.enrolled !== undefined);
  t.equal(refused!.problem, 'unknown-meter');
  await core.record(good!, POLLED);
  await comes(bench, 'its reading is anchored', async () => (await anchoredTo(bench, 'EM:2')) === 1);
  const told = bench.field.log.filter(({ msg }) => msg === 'meter not enrolled').length;
  await bench.field.box.clock.advance(20_000);
  t.equal(bench.field.log.filter(({ msg }) => msg === 'meter not enrolled').length, told, 'told once');
  bench.field.box.list('EM:1', 'code of EM:1');
  await comes(bench, 'it is enrolled', async () => refused!.enrolled !== undefined);
  t.equal(refused!.problem, undefined);
});

t.test('a platform that is away at the start does not hold up collection', async (t) => {
  const { bench, core, agents } = await running(t, ['EM:1'], async (bench) => {
    await bench.field.meter('EM:1');
    bench.field.proxy.isCut = true;
  });
  await core.record(agents[0]!, POLLED);
  await comes(bench, 'it is collected', async () => collected(bench, 'EM:1') === 1);
  t.notOk(core.isPlatformReachable);
  t.equal(await anchoredTo(bench, 'EM:1'), 0);
  bench.field.proxy.isCut = false;
  await comes(bench, 'it is anchored', async () => (await anchoredTo(bench, 'EM:1')) === 1);
});

t.test('a collector that is away does not hold up the chain', async (t) => {
  const { bench, core, agents } = await running(t, ['EM:1'], async (bench) => {
    await bench.field.meter('EM:1');
    bench.proxy.isCut = true;
  });
  await core.record(agents[0]!, POLLED);
  await comes(bench, 'it is anchored', async () => (await anchoredTo(bench, 'EM:1')) === 1);
  t.equal(collected(bench, 'EM:1'), 0);
  bench.proxy.isCut = false;
  await comes(bench, 'it is collected', async () => collected(bench, 'EM:1') === 1);
});

t.test('a key file that is missing at the start is one meter’s trouble, until it is back', async (t) => {
  let path = '';
  const { bench, core, agents } = await running(t, ['EM:1', 'EM:2'], async ({ field }) => {
    await field.meter('EM:2');
    const { meter } = await field.meter('EM:1');
    path = join(field.folder, 'keys', `${meter.number}.key`);
    renameSync(path, `${path}.away`);
  });
  const [missing, good] = agents;
  await core.record(good!, POLLED);
  await comes(bench, 'the other goes on', async () => (await anchoredTo(bench, 'EM:2')) === 1);
  t.equal(missing!.problem, 'file-missing');
  renameSync(`${path}.away`, path);
  await comes(bench, 'it is enrolled', async () => missing!.enrolled !== undefined);
});

t.test('another device at the address is told to the chain', async (t) => {
  const { bench, core, agents } = await running(t, ['EM:1'], ({ field }) => field.meter('EM:1'));
  await core.record(agents[0]!, { ...POLLED, serial: '1001' });
  await core.record(agents[0]!, { ...POLLED, serial: '2002' });
  await comes(
    bench,
    'the chain is told',
    async () => (await bench.field.events('meter-changed')).length === 1,
  );
});
