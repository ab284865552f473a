import t from 'tap';
import { LoadCurve } from './load-curve.js';
import { quantity } from './quantity.js';
import { RegisterImage } from './register-image.js';
import { startSimulator } from './start.js';

t.test(
  'in each phase and in total the active power is voltage times current times power factor',
  async (t) => {
    for (const seed of [1, 2, 3]) {
      const curve = new LoadCurve(seed, 3);
      for (let second = 0; second < 600; second += 7) {
        const load = curve.at(second);
        let total = 0;
        for (const { voltage, current, powerFactor, active } of load.phases) {
          if (Math.abs(voltage * current * powerFactor - active) > 1e-6) t.fail(`second ${second}`);
          if (voltage < 220 || voltage > 240) t.fail(`${voltage} V`);
          total += active;
        }
        if (Math.abs(quantity(load, '1-0:16.7.0') - total) > 1e-6) t.fail(`total at second ${second}`);
      }
    }
    t.pass();
  },
);

t.test('energy never falls, and rises by the integral of the power', async (t) => {
  const curve = new LoadCurve(4, 3);
  const codes = ['1-0:1.8.0', '1-0:2.8.0', '1-0:3.8.0', '1-0:15.8.0', '1-0:21.8.0', '1-0:62.8.0'];
  const at = (second: number): number[] => codes.map((code) => quantity(curve.at(second), code));
  let before = at(0);
  let integral = 0;
  for (let tick = 1; tick <= 6_000; tick++) {
    const now = at(tick / 10);
    if (now.some((energy, i) => energy < before[i]!)) t.fail(`energy falls at ${tick / 10} s`);
    integral += curve.at((tick - 0.5) / 10).phases[0]!.active / 10 / 3_600_000;
    before = now;
  }
  const rise = quantity(curve.at(600), '1-0:21.8.0') - quantity(curve.at(0), '1-0:21.8.0');
  t.ok(Math.abs(rise - integral) < 1e-6, `${rise} kWh, by steps ${integral} kWh`);
  t.ok(quantity(curve.at(0), '1-0:76.7.0') < 0, 'the third phase delivers');
});

t.test('the same seed and time make the same registers, others make others', async (t) => {
  const words = (seed: number, second: number): string =>
    new RegisterImage('sdm630', seed, 1).words(4, 0, 36, second)!.join(' ');
  t.equal(words(1, 10), words(1, 10));
  t.not(words(1, 10), words(2, 10));
  t.not(words(1, 10), words(1, 11));
});

t.test('registers that the meter does not have are refused, those between its own are 0', async (t) => {
  const image = new RegisterImage('eastron/sdm120', 1, 4_711);
  t.same(image.words(4, 2, 4, 0), [0, 0, 0, 0]);
  t.same(image.words(3, 0xfc00, 2, 0), [0, 4_711]);
  t.equal(image.words(4, 344, 3, 0), undefined);
  t.equal(image.words(3, 0, 2, 0), undefined);
  t.throws(() => new RegisterImage('sdm999', 1, 1));
});

t.test('the simulator ends with its standard input', async (t) => {
  const simulator = await startSimulator({ tcp: true, serial: true, units: { 1: 'sdm120' } });
  t.type(simulator.tcpPort, 'number');
  t.match(simulator.serialPath, /^\/dev\//);
  await simulator.stop();
});
