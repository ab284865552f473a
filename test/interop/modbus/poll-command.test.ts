import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import t from 'tap';
import { startSimulator } from '../../simulator/start.js';
import { poll } from './poll-process.js';

const SDM630 = ['--profile', 'eastron/sdm630'];

t.test('a meter that answers nothing is said so in one line, with exit code 1', async (t) => {
  const simulator = await startSimulator({ tcp: true, serial: true, units: { 1: 'sdm630' } });
  const silent = [`tcp://127.0.0.1:${simulator.tcpPort}`, `rtu://${simulator.serialPath}?baud=115200`];
  for (const address of silent) {
    const { code, stdout, stderr } = await poll(
      address,
      '--unit',
      '9',
      ...SDM630,
      '--timeout',
      '100ms',
      '--json',
    );
    t.equal(code, 1);
    t.equal(stdout, '');
    t.match(stderr, /^meterseal: couldn't read [^\n]* of unit 9 on [^\n]*: no answer\n {2}hint: [^\n]+\n$/);
  }
  await simulator.stop();
});

t.test('a port that is not there is said so in one line, with exit code 1', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  for (const address of [`tcp://127.0.0.1:${port}`, 'rtu:///dev/no-such-port']) {
    const { code, stdout, stderr } = await poll(address, '--unit', '1', ...SDM630);
    t.equal(code, 1);
    t.equal(stdout, '');
    t.match(stderr, /^meterseal: [^\n]+\n {2}hint: [^\n]+\n$/);
  }
});

t.test('a meter that refuses some registers is read, with those missing', async (t) => {
  const simulator = await startSimulator({ tcp: true, units: { 1: 'sdm120' } });
  const address = `tcp://127.0.0.1:${simulator.tcpPort}`;
  const { code, stdout } = await poll(address, '--unit', '1', ...SDM630, '--json');
  t.equal(code, 0);
  const { values, raw } = JSON.parse(stdout);
  t.ok(raw.length > 0 && raw.every(({ at }: { at: number }) => at !== 358));
  t.match(
    values.find(({ obis }: { obis: string }) => obis === '1-0:35.8.0'),
    { quality: 'missing' },
  );
  await simulator.stop();
});

t.test('misuse ends with exit code 2 and a hint', async (t) => {
  const cases: [string, ...string[]][] = [
    ['gateway:502', '--unit', '1', ...SDM630],
    ['rtu:///dev/ttyS0?speed=9600', '--unit', '1', ...SDM630],
    ['tcp://127.0.0.1:1', ...SDM630],
    ['tcp://127.0.0.1:1', '--unit', '1'],
    ['tcp://127.0.0.1:1', '--unit', '256', ...SDM630],
    ['tcp://127.0.0.1:1', '--unit', '1e1', ...SDM630],
    ['rtu:///dev/ttyS0', '--unit', '248', ...SDM630],
    ['tcp://127.0.0.1:1', '--unit', '1', '--profile', 'eastron/sdm999'],
    ['tcp://127.0.0.1:1', '--unit', '1', '--profile', '../../etc/passwd'],
    ['tcp://127.0.0.1:1', '--unit', '1', ...SDM630, '--timeout', '5'],
  ];
  for (const args of cases) {
    const { code, stdout, stderr } = await poll(...args);
    t.equal(code, 2, args.join(' '));
    t.equal(stdout, '');
    t.match(stderr, /^meterseal: .*\n +hint: /);
  }
  t.equal((await poll('tcp://127.0.0.1:1', '--factor', '10')).code, 2, 'an unknown option');
});
