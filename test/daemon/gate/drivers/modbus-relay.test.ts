import { once } from 'node:events';
import { createServer, connect as dial } from 'node:net';
import type { ReadBack } from '@meterseal/protocol';
import type { SwitchDriver } from 'meterseal/internal/gate/driver';
import type { RelayOptions } from 'meterseal/internal/gate/drivers/open-driver';
import { openDriver } from 'meterseal/internal/gate/drivers/open-driver';
import { systemClock } from 'meterseal/internal/host/clock';
import { createLogger } from 'meterseal/internal/host/logger';
import type { Test } from 'tap';
import t from 'tap';
import type { RelaySimulator, RelaySimulatorOptions } from '../../../simulator/start-relay.js';
import { startRelaySimulator } from '../../../simulator/start-relay.js';
import { until } from '../until.js';

t.setTimeout(240_000);

const PROFILE = 'waveshare/modbus-rtu-relay-d-8ch';
const CONNECTED = 'listener connected, live-sockets connected, coil connected, contact connected';
const ISOLATED = 'listener isolated, live-sockets isolated, coil isolated, contact isolated';
const LONG_MS = 60_000;

const words = (readBacks: readonly ReadBack[]): string =>
  readBacks.map(({ witness, says }) => `${witness} ${says}`).join(', ');
const inMs = (ms: number): number => systemClock.monotonic() + ms;

type Bench = { readonly relay: RelaySimulator; readonly driver: SwitchDriver };

async function bench(
  t: Test,
  options: RelaySimulatorOptions = {},
  change: Partial<RelayOptions> = {},
): Promise<Bench> {
  const relay = await startRelaySimulator(options);
  const driver = openDriver({
    host: '127.0.0.1',
    port: 0,
    handler: { serve: (socket) => void socket.resume(), drop: () => {} },
    clock: systemClock,
    log: createLogger('silent'),
    relay: {
      address: relay.address,
      profile: PROFILE,
      channel: 1,
      contact: { profile: PROFILE, channel: 1 },
      pulseMs: 4_000,
      answerMs: 500,
      ...change,
    },
  });
  t.teardown(async () => {
    await driver.isolate().catch(() => {});
    await driver.close?.();
    await relay.stop();
  });
  return { relay, driver };
}

t.test('the contact is closed only while connected, whichever line leads to it', async (t) => {
  t.jobs = 3;
  const contact = { profile: 'lctech/modbus-relay-8ch', channel: 1, unit: 2 };
  const without = { profile: 'waveshare/modbus-rtu-relay-8ch', contact };
  for (const [what, options, change] of [
    ['TCP', {}, {}],
    ['serial', { serial: true }, {}],
    ['serial, with the inputs on a board of their own', { serial: true, contactUnit: 2 }, without],
  ] as const) {
    void t.test(what, { buffered: true }, async (t) => {
      const { relay, driver } = await bench(t, options, change);
      t.match(driver, { name: 'modbus-relay', grade: 2 });
      await driver.isolate();
      t.equal(words(await driver.readBacks()), ISOLATED);
      for (let round = 0; round < 2; round++) {
        const port = await driver.connect(inMs(LONG_MS));
        t.equal(words(await driver.readBacks()), CONNECTED);
        t.ok(await relay.isClosed());
        const client = dial(port, '127.0.0.1').on('error', () => {});
        await once(client, 'connect');
        const pulses = (): number => relay.requests().filter((pdu) => pdu.startsWith('0502')).length;
        const before = pulses();
        await until('pulses are renewed', () => pulses() > before + 1, 30_000);
        t.ok(await relay.isClosed());
        await driver.isolate();
        t.equal(words(await driver.readBacks()), ISOLATED);
        t.notOk(await relay.isClosed());
        await until('its connection is gone', () => client.destroyed);
      }
      t.strictSame(
        relay.moves().map(({ closed }) => closed),
        [true, false, true, false, true, false, true, false],
        'in each window twice: once to prove the timer, once to connect',
      );
    });
  }
});

t.test('only one relay, and never all boards at once, is written to', async (t) => {
  const { relay, driver } = await bench(t);
  await driver.isolate();
  await driver.connect(inMs(LONG_MS));
  await driver.isolate();
  for (const pdu of relay.requests()) {
    t.match(pdu, /^(?:0100000008|0200000008|0500000000|050200[0-9a-f]{4})$/);
  }
});

t.test('no pulse outlasts the lease, and the contact opens without the gate', async (t) => {
  const { relay, driver } = await bench(t, {}, { pulseMs: 60_000 });
  const started = Date.now();
  await driver.connect(inMs(4_000));
  t.ok(await relay.isClosed());
  await until('the contact opens by itself', async () => !(await relay.isClosed()), 20_000);
  const opened = relay.moves().at(-1)!;
  t.equal(opened.closed, false);
  t.ok(opened.time - started <= 4_000, `open after ${(opened.time - started).toFixed(0)} ms of 4,000`);
  t.equal(
    words(await driver.readBacks()),
    'listener connected, live-sockets connected, coil isolated, contact isolated',
    'and the witnesses say so',
  );
});

t.test('a contact that opened while the gate was stopped is not closed again in that window', async (t) => {
  const { relay, driver } = await bench(t, {}, { pulseMs: 1_000 });
  await driver.connect(inMs(LONG_MS));
  // As for a process that is stopped: nothing runs, nothing is sent, and then everything is late at once.
  const end = Date.now() + 2_500;
  while (Date.now() < end);
  await until('it would have been renewed', async () => {
    await systemClock.sleep(500);
    return true;
  });
  t.notOk(await relay.isClosed());
  t.notOk(relay.moves().at(-1)!.closed);
});

t.test('whatever a board has, the witnesses never all say connected where it is not', async (t) => {
  // They wait for relays, most of the time.
  t.jobs = 3;
  for (const [faults, before, after] of [
    [{ stuck: 'open' }, 'coil connected, contact isolated', 'coil isolated, contact isolated'],
    [{ coilSays: false }, 'coil isolated, contact connected', 'coil isolated, contact isolated'],
    [{ contactSays: false }, 'coil connected, contact isolated', 'coil isolated, contact isolated'],
    [{ stuck: 'closed' }, null, 'coil isolated, contact connected'],
    [{ coilSays: true }, null, 'coil connected, contact isolated'],
    [{ contactSays: true }, null, 'coil isolated, contact connected'],
    [{ timerLost: true }, null, 'coil isolated, contact isolated'],
    [{ deaf: true }, null, 'coil isolated, contact isolated'],
    [{ silent: true }, null, 'coil unknown, contact unknown'],
  ] as const) {
    void t.test(JSON.stringify(faults), { buffered: true }, async (t) => {
      const { relay, driver } = await bench(t);
      await driver.isolate();
      await relay.setFaults(faults);
      const connecting = driver.connect(inMs(LONG_MS));
      if (before === null) await t.rejects(connecting, 'it does not even come to the port');
      else {
        await connecting;
        t.equal(words(await driver.readBacks()), `listener connected, live-sockets connected, ${before}`);
      }
      await driver.isolate().catch(() => {});
      t.equal(words(await driver.readBacks()), `listener isolated, live-sockets isolated, ${after}`);
      t.equal(await relay.isClosed(), 'stuck' in faults && faults.stuck === 'closed');
    });
  }
});

t.test('a board that is unplugged: isolating fails, says so, and the contact opens by itself', async (t) => {
  for (const serial of [false, true]) {
    const { relay, driver } = await bench(t, { serial }, { pulseMs: 2_000 });
    await driver.connect(inMs(LONG_MS));
    await relay.plug(false);
    await t.rejects(driver.isolate(), { code: 'port-failed' });
    t.match(words(await driver.readBacks()), /coil unknown, contact unknown/);
    await until('the contact opens by itself', async () => !(await relay.isClosed()), 20_000);
    if (serial) continue;
    await relay.plug(true);
    await driver.isolate();
    t.equal(words(await driver.readBacks()), ISOLATED);
  }
});

t.test('an answer that is lost now and then costs nothing', async (t) => {
  const { relay, driver } = await bench(t, { serial: true }, { pulseMs: 4_000, answerMs: 300 });
  await relay.setFaults({ losesOneOf: 9 });
  await driver.connect(inMs(LONG_MS));
  await relay.setFaults({ losesOneOf: 4 });
  for (let i = 0; i < 4; i++) t.equal(words(await driver.readBacks()), CONNECTED);
  await driver.isolate();
  t.equal(words(await driver.readBacks()), ISOLATED);
});

t.test('isolating wins over a connect that is under way, whenever it comes', async (t) => {
  const { relay, driver } = await bench(t);
  for (const moves of [0, 1, 2, 3]) {
    const before = relay.moves().length;
    const connecting = driver.connect(inMs(LONG_MS)).then(
      () => 'connected',
      () => 'given up',
    );
    await until('it is so far', () => relay.moves().length >= before + moves, 20_000);
    await driver.isolate();
    await connecting;
    t.equal(words(await driver.readBacks()), ISOLATED);
    t.notOk(await relay.isClosed());
  }
});

t.test(
  'somebody who listens at the comparison port makes connecting fail, and the contact opens',
  async (t) => {
    const stranger = createServer().listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const { port } = stranger.address() as { port: number };
    t.teardown(() => stranger.close());
    const relay = await startRelaySimulator();
    t.teardown(() => relay.stop());
    const driver = openDriver({
      host: '127.0.0.1',
      port,
      handler: { serve: () => {}, drop: () => {} },
      clock: systemClock,
      log: createLogger('silent'),
      relay: {
        ...{ address: relay.address, profile: PROFILE, channel: 1, pulseMs: 1_000, answerMs: 500 },
        contact: { profile: PROFILE, channel: 1 },
      },
    });
    await t.rejects(driver.connect(inMs(LONG_MS)), { code: 'link-fault' });
    await driver.isolate();
    t.notOk(await relay.isClosed());
    await driver.close?.();
  },
);

t.test('a board that cannot do what the switch needs is refused before anything is opened', async (t) => {
  const open = (relay: Partial<RelayOptions>) => () =>
    openDriver({
      ...{ host: '127.0.0.1', port: 0, handler: { serve: () => {}, drop: () => {} } },
      ...{ clock: systemClock, log: createLogger('silent') },
      relay: {
        ...{ address: 'tcp://127.0.0.1:9', profile: PROFILE, channel: 1, pulseMs: 1_000, answerMs: 300 },
        contact: { profile: PROFILE, channel: 1 },
        ...relay,
      },
    });
  const noInputs = { profile: 'waveshare/modbus-rtu-relay-8ch', channel: 1 };
  for (const [relay, code, words] of [
    [{ profile: 'lctech/modbus-relay-8ch' }, 'bad-config', /no timed pulse/],
    [{ contact: noInputs }, 'bad-config', /no inputs/],
    [{ channel: 9 }, 'bad-config', /8 channels/],
    [{ contact: { profile: PROFILE, channel: 9 } }, 'bad-config', /8 inputs/],
    [{ profile: 'waveshare/none' }, 'unknown-profile', /relay profile/],
    [{ profile: '../eastron/sdm630' }, 'unknown-profile', /relay profile/],
    [{ address: '/dev/ttyUSB0' }, 'misuse', /address/],
  ] as const) {
    t.throws(open(relay), { code, message: words });
  }
});
