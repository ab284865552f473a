import t from 'tap';
import type { Fault } from '../../simulator/fault.js';
import { startSimulator } from '../../simulator/start.js';
import { busTo, readManyTimes } from './simulated-bus.js';

const RESPONSE_MS = 100;
const EACH = 16;

const FAULTS: readonly Omit<Fault, 'probability'>[] = [
  { kind: 'silent' },
  { kind: 'late', ms: 140 },
  { kind: 'late' },
  { kind: 'doubled' },
  { kind: 'doubled', ms: 40 },
  { kind: 'torn' },
  { kind: 'torn', ms: 120 },
  { kind: 'exception', code: 4 },
  { kind: 'exception', code: 11 },
  { kind: 'wrong-unit' },
  { kind: 'wrong-function' },
  { kind: 'wrong-length' },
  { kind: 'garbage' },
  { kind: 'noise' },
];

for (const kind of ['rtu', 'tcp'] as const) {
  t.test(`over ${kind}, no fault of a meter makes a wrong value`, async (t) => {
    const simulator = await startSimulator({
      serial: kind === 'rtu',
      tcp: kind === 'tcp',
      units: { 1: 'sdm630', 2: 'sdm630' },
      seed: 7,
      // The load turns so fast that no two readings have the same words.
      speed: 1_000,
    });
    const bus = busTo(simulator, kind, RESPONSE_MS);
    try {
      t.same(
        await readManyTimes(bus, simulator, EACH, [1, 2]),
        { right: EACH, wrong: 0, failed: {} },
        'without faults',
      );
      for (const fault of [...FAULTS, ...(kind === 'tcp' ? [{ kind: 'reset' } as const] : [])]) {
        await simulator.setFault({ ...fault, probability: 0.3 });
        const { right, wrong, failed } = await readManyTimes(bus, simulator, EACH, [1, 2]);
        await simulator.clearFaults();
        t.equal(wrong, 0, `${JSON.stringify(fault)}: ${right} right, ${JSON.stringify(failed)}`);
        t.ok(right > 0, 'some are read');
        // What was held back comes out, and the meters are themselves again.
        await readManyTimes(bus, simulator, 4, [1, 2]);
      }
      const { right, wrong } = await readManyTimes(bus, simulator, EACH, [1, 2]);
      t.equal(wrong, 0);
      t.ok(right >= EACH - 4, `after the faults: ${right} of ${EACH} right`);
    } finally {
      await bus.close();
      await simulator.stop();
    }
  });
}
