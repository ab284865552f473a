import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { assertRefused, meterseal } from '../../command-line.js';
import { startSimulator } from '../../simulator/start.js';
import { BAD, GOOD } from '../meters/profile-corpus.js';

type Lint = { readonly profiles: number; readonly refused: readonly { file: string; refused: string }[] };

t.test('the profiles that come along pass the lint', async (t) => {
  const ran = await meterseal('profile', 'lint');
  t.equal(ran.code, 0);
  t.match(ran.stdout, /^\d+ profiles, 0 refused\n$/);
});

t.test('each bad profile is refused with its file, its register and the reason', async (t) => {
  t.ok(BAD.length >= 40, `${BAD.length} bad profiles`);
  const root = t.testdir({});
  const files = BAD.map(({ text }, i) => {
    const folder = join(root, String(i), 'example');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'meter.json5'), text);
    return join(folder, 'meter.json5');
  });
  const ran = await meterseal('profile', 'lint', '--json', ...files);
  t.equal(ran.code, 1);
  const { profiles, refused } = JSON.parse(ran.stdout) as Lint;
  t.equal(profiles, BAD.length);
  for (const [i, { what, path, why }] of BAD.entries()) {
    const found = refused.find(({ file }) => file === files[i])?.refused ?? '';
    t.ok(found.includes(path) && found.includes(why), `${what}: ${found}`);
  }
});

t.test('the lint tells people which register it means', async (t) => {
  const registers = [{ ...GOOD.registers[0], unit: 'V' }];
  const folder = t.testdir({ example: { 'meter.json5': JSON.stringify({ ...GOOD, registers }) } });
  const file = join(folder, 'example', 'meter.json5');
  const ran = await meterseal('profile', 'lint', file);
  t.equal(ran.code, 1);
  t.equal(
    ran.stdout,
    `${file}: registers[0].unit (1-0:1.8.0): V under 1-0:1.8.0, which is in Wh or kWh\n1 profile, 1 refused\n`,
  );
});

t.test('a file of another name, or of another model, is refused', async (t) => {
  const text = JSON.stringify(GOOD);
  const folder = t.testdir({ example: { 'meter.json': text, 'other.json5': text, 'Meter.json5': text } });
  const lint = async (file: string): Promise<string> =>
    (await meterseal('profile', 'lint', join(folder, 'example', file))).stdout;
  t.match(await lint('meter.json'), /does not end in \.json5/);
  t.match(await lint('other.json5'), /name: not example\/other/);
  t.match(await lint('Meter.json5'), /name: not manufacturer\/model/);
  assertRefused(
    t,
    await meterseal('profile', 'lint', join(folder, 'no.json5')),
    2,
    'file-missing',
    /no\.json5/,
  );
});

t.test('the list has each model with how sure its registers are', async (t) => {
  const ran = await meterseal('profile', 'list');
  t.match(ran.stdout, /^eastron\/sdm630 +3 +44 +0 +8 +Eastron SDM630-Modbus$/m);
  t.match(ran.stdout, /^profile +phases +proven +single-source +unproven +meter$/m);
  const { profiles } = JSON.parse((await meterseal('profile', 'list', '--json')).stdout);
  t.ok(profiles.length >= 52);
  t.match(
    profiles.find(({ name }: { name: string }) => name === 'eastron/sdm120'),
    { id: /^eastron\/sdm120@[0-9a-f]{16}$/, registers: { proven: 13, unproven: 0 } },
  );
});

t.test('a profile is shown with its registers, their sources and its requests', async (t) => {
  const { stdout } = await meterseal('profile', 'show', 'eastron/sdm630');
  t.match(stdout, /^ +1-0:1\.8\.0 +kWh +3 +fc4 72 +float32 big +1 +proven +mbmd, sdm_modbus$/m);
  t.match(stdout, /^ +line +9600 baud, parity none, 1 stop bit$/m);
  t.match(stdout, /^ +reads +fc4 0\+36, fc4 52\+28, /m);
  t.match((await meterseal('profile', 'show', 'siemens/pac1600')).stdout, /reads +none unless/);
  const accepted = await meterseal('profile', 'show', 'siemens/pac1600', '--accept-unproven', '--json');
  t.ok(JSON.parse(accepted.stdout).reads.length > 0);
  assertRefused(t, await meterseal('profile', 'show', 'eastron/sdm999'), 2, 'unknown-profile', /sdm999/);
});

t.test('registers on which sources disagree are polled only if they are accepted', async (t) => {
  const simulator = await startSimulator({ tcp: true, units: { 1: 'sdm630', 2: 'siemens/pac1600' } });
  t.teardown(() => simulator.stop());
  const poll = (unit: number, profile: string, ...more: string[]): ReturnType<typeof meterseal> => {
    const address = `tcp://127.0.0.1:${simulator.tcpPort}`;
    return meterseal('poll', address, '--unit', String(unit), '--profile', profile, '--json', ...more);
  };
  const codes = async (...more: string[]): Promise<string[]> =>
    JSON.parse((await poll(1, 'eastron/sdm630', ...more)).stdout).values.map(
      ({ obis }: { obis: string }) => obis,
    );
  t.notOk((await codes()).includes('1-0:14.7.0'));
  t.ok((await codes('--accept-unproven')).includes('1-0:14.7.0'));
  assertRefused(t, await poll(2, 'siemens/pac1600'), 2, 'misuse', /its sources disagree on every register/);
  const accepted = await poll(2, 'siemens/pac1600', '--accept-unproven');
  t.equal(JSON.parse(accepted.stdout).values.length, 17);
});
