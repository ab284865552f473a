import { isMetersealError } from '@meterseal/protocol';
import { systemClock } from 'meterseal/internal/host/clock';
import { planReads } from 'meterseal/internal/meters/plan';
import type { Sample } from 'meterseal/internal/meters/poll';
import { loadProfile } from 'meterseal/internal/meters/profile-file';
import type { ScheduledMeter } from 'meterseal/internal/meters/scheduler';
import { Scheduler } from 'meterseal/internal/meters/scheduler';
import { parseAddress } from 'meterseal/internal/modbus/address';
import { Bus } from 'meterseal/internal/modbus/bus';
import { dataRead } from 'meterseal/internal/modbus/register-read';
import t from 'tap';
import type { Simulator } from '../../simulator/start.js';
import { startSimulator } from '../../simulator/start.js';

const DLT = loadProfile('unbranded/dlt645-2007-3p');
const SDM = loadProfile('eastron/sdm120');
const ADDRESS = 112_233_445_566;
const READ_DATA = 0x11;

const meters: readonly ScheduledMeter[] = [
  { unit: ADDRESS, profile: DLT, plan: planReads(DLT) },
  { unit: 1, profile: SDM, plan: planReads(SDM) },
  { unit: 161, profile: DLT, plan: planReads(DLT) },
];

const busTo = (simulator: Simulator, responseMs: number): Bus =>
  new Bus({
    address: parseAddress(`rtu://${simulator.serialPath}?baud=115200&parity=even`),
    clock: systemClock,
    responseMs,
  });

const start = (speed = 1): Promise<Simulator> =>
  startSimulator({
    speed,
    serial: true,
    units: { 1: 'sdm120', 161: 'dlt645-2007-3p', [ADDRESS]: 'dlt645-2007-3p' },
  });

/** Every block of a sample has to be what the simulator's log says that this meter was asked for and had. */
function wrongBlocks(simulator: Simulator, unit: number, { raw, startedAt }: Sample): unknown[] {
  const asked = simulator
    .requests()
    .filter((request) => request.unit === unit && request.time >= startedAt - 2);
  return raw.filter(({ words }) => !asked.some((request) => request.words === words));
}

/** Runs the scheduler until every meter has been sampled so many times. */
async function sampleAll(
  bus: Bus,
  times: number,
  onSample: (meter: ScheduledMeter, sample: Sample) => void,
): Promise<void> {
  const left = new Map(meters.map(({ unit }) => [unit, times]));
  await new Promise<void>((resolve, reject) => {
    const scheduler = new Scheduler({
      bus,
      clock: systemClock,
      meters,
      intervalMs: 1_000,
      responseMs: 300,
      onSample: async (meter, sample) => {
        onSample(meter, sample);
        left.set(meter.unit, left.get(meter.unit)! - 1);
        if ([...left.values()].every((count) => count <= 0)) void scheduler.stop().then(resolve);
      },
    });
    scheduler.start().catch(reject);
  });
}

t.test('DL/T 645 and Modbus meters are polled side by side on one serial line', async (t) => {
  const simulator = await start();
  const bus = busTo(simulator, 1_000);
  await sampleAll(bus, 2, ({ unit, profile }, sample) => {
    t.same(
      sample.values.filter(({ quality }) => quality !== undefined),
      [],
      `all values of ${profile.name}`,
    );
    t.same(wrongBlocks(simulator, unit, sample), []);
  });
  const dlt = simulator.requests().filter(({ unit }) => unit !== 1);
  t.same([...new Set(dlt.map(({ fc }) => fc))], [READ_DATA], 'nothing but reads was sent');
  await bus.close();
  await simulator.stop();
});

t.test('DL/T 645 meters that go wrong never give a wrong value, and do not harm the others', async (t) => {
  const simulator = await start();
  const bus = busTo(simulator, 250);
  const kinds = ['late', 'doubled', 'torn', 'wrong-unit', 'garbage', 'noise', 'exception', 'silent'] as const;
  for (const kind of kinds) {
    await simulator.setFault({ unit: 161, kind, probability: 0.06, ms: 400 });
  }
  const read = { dlt: 0, modbus: 0 };
  const wrong: unknown[] = [];
  await sampleAll(bus, 4, ({ unit }, sample) => {
    if (unit === 161) read.dlt += sample.raw.length;
    if (unit === 1) read.modbus += sample.raw.length;
    wrong.push(...wrongBlocks(simulator, unit, sample));
  });
  t.same(wrong, []);
  t.ok(read.dlt > 0, `${read.dlt} values of the meter that goes wrong`);
  t.ok(read.modbus > 0, `${read.modbus} reads of its neighbour`);
  await bus.close();
  await simulator.stop();
});

t.test('a late value is not taken for the next one of the same identifier', async (t) => {
  // So fast that no two answers have one energy.
  const simulator = await start(36_000);
  const bus = busTo(simulator, 200);
  const read = { unit: 161, ...dataRead({ identifier: '00010000', bytes: 4 }) };
  const ask = async (): Promise<string> => {
    try {
      const words = await bus.readRegisters({ ...read, deadlineMs: systemClock.monotonic() + 3_000 });
      return Array.from(words, (word) => word.toString(16).padStart(4, '0')).join('');
    } catch (error) {
      return isMetersealError(error) ? error.code : String(error);
    }
  };
  t.match(await ask(), /^00010000/);
  await simulator.setFault({ unit: 161, kind: 'late', ms: 260, times: 1 });
  const late = await ask();
  t.equal(late, 'no-answer');
  const next = await ask();
  const lastAsked = simulator.requests().findLast(({ identifier }) => identifier === '00010000');
  t.equal(next, lastAsked?.words);
  await bus.close();
  await simulator.stop();
});

t.test('a value that the meter does not have is refused by it', async (t) => {
  const simulator = await start();
  const bus = busTo(simulator, 1_000);
  const read = { unit: 161, ...dataRead({ identifier: '05060101', bytes: 4 }) };
  await t.rejects(bus.readRegisters({ ...read, deadlineMs: systemClock.monotonic() + 5_000 }), {
    code: 'meter-exception',
    message: /data 05060101 of meter 000000000161 .*error 2/,
  });
  await bus.close();
  await simulator.stop();
});

t.test('Modbus TCP carries no DL/T 645', async (t) => {
  const bus = new Bus({ address: parseAddress('tcp://127.0.0.1:1'), clock: systemClock });
  const read = { unit: 161, ...dataRead({ identifier: '00010000', bytes: 4 }) };
  await t.rejects(bus.readRegisters({ ...read, deadlineMs: systemClock.monotonic() + 1_000 }), {
    code: 'bad-argument',
  });
  await bus.close();
});
