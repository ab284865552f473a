import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseConfig } from 'meterseal/internal/config/config';
import t from 'tap';
import { temporaryFolder } from '../host/temporary-folder.js';

const RELAY = {
  address: 'tcp://192.0.2.8:502',
  profile: 'waveshare/modbus-rtu-relay-d-8ch',
  channel: 1,
  contact: { input: 2 },
};
const METER = {
  ...{ id: 'EM-0001', unit: 1, profile: 'eastron/sdm630', holder: {} },
  'code-file': 'codes/EM-0001',
};
const GATE = { control: '192.0.2.10:7411', 'comparison-host': '198.51.100.1' };

const parse = (gate: unknown, buses: unknown = []) =>
  parseConfig(JSON.stringify({ site: { operator: 'grid.example', box: 'b' }, field: { buses }, gate }), '/')
    .gate;

t.test('a relay, with what is left out', async (t) => {
  t.strictSame(parse({ ...GATE, 'comparison-port': 7412, relay: RELAY }), {
    control: { host: '192.0.2.10', port: 7411 },
    comparison: { host: '198.51.100.1', port: 7412 },
    maxLeaseMs: 60_000,
    relay: {
      ...{ address: RELAY.address, profile: RELAY.profile, channel: 1 },
      contact: { profile: RELAY.profile, channel: 2 },
      ...{ pulseMs: 3_000, answerMs: 300 },
    },
  });
});

t.test('the contact is at the same unit as the relay, unless it is another board', async (t) => {
  const contactOf = (relay: object) => parse({ ...GATE, relay: { ...RELAY, ...relay } }).relay?.contact;
  const lctech = 'lctech/modbus-relay-8ch';
  t.strictSame(contactOf({ unit: 7 }), { profile: RELAY.profile, channel: 2, unit: 7 });
  t.strictSame(contactOf({ unit: 7, contact: { input: 2, unit: 8 } }), {
    ...{ profile: RELAY.profile, channel: 2, unit: 8 },
  });
  t.strictSame(contactOf({ unit: 7, contact: { input: 2, profile: lctech } }), {
    ...{ profile: lctech, channel: 2 },
  });
});

t.test('a relay is on a line that no meter is on, whatever the line is called', async (t) => {
  const folder = temporaryFolder(t);
  const device = join(folder, 'ttyUSB0');
  const link = join(folder, 'by-id');
  writeFileSync(device, '');
  symlinkSync(device, link);
  for (const [bus, relay] of [
    ['tcp://192.0.2.8:502', 'tcp://192.0.2.8:502'],
    ['tcp://gateway.example:502', 'tcp://Gateway.example:502'],
    [`rtu://${device}`, `rtu://${device}?baud=19200`],
    [`rtu://${device}`, `rtu://${link}`],
    [`rtu://${link}?baud=2400`, `rtu://${device}`],
  ] as const) {
    t.throws(
      () => parse({ ...GATE, relay: { ...RELAY, address: relay } }, [{ address: bus, meters: [METER] }]),
      {
        code: 'bad-config',
        message: /gate\.relay\.address: field\.buses\[0\] has meters/,
        hint: /of its own/,
      },
      `${bus} and ${relay}`,
    );
  }
  t.ok(parse({ ...GATE, relay: RELAY }, [{ address: 'tcp://192.0.2.8:503', meters: [METER] }]).relay);
});

t.test('with a relay the comparison has an address that the control port has not', async (t) => {
  for (const gate of [
    { control: '192.0.2.10:7411', relay: RELAY },
    { control: '192.0.2.10:7411', 'comparison-host': '192.0.2.10', relay: RELAY },
    { control: '0.0.0.0:7411', 'comparison-host': '198.51.100.1', relay: RELAY },
    { control: '[::]:7411', 'comparison-host': '198.51.100.1', relay: RELAY },
    { control: '192.0.2.10:7411', 'comparison-host': '0.0.0.0', relay: RELAY },
  ]) {
    t.throws(() => parse(gate), { code: 'bad-config', message: /gate\.comparison-host: with a relay/ });
  }
});

t.test('what is no relay is refused with its place', async (t) => {
  for (const [change, message] of [
    [{ unit: 0 }, /gate\.relay\.unit/],
    [{ channel: 0 }, /gate\.relay\.channel/],
    [{ contact: {} }, /gate\.relay\.contact\.?: input is missing|gate\.relay\.contact: input/],
    [{ profile: '../x' }, /gate\.relay\.profile/],
    [{ address: '/dev/ttyUSB0' }, /gate\.relay\.address/],
    [{ pulse: '100ms' }, /gate\.relay\.pulse/],
    [{ pulse: '2m' }, /gate\.relay\.pulse/],
    [{ timeout: '2s' }, /gate\.relay\.timeout/],
    [{ coil: 1 }, /unknown key "coil"/],
  ] as const) {
    t.throws(() => parse({ ...GATE, relay: { ...RELAY, ...change } }), { code: 'bad-config', message });
  }
});
