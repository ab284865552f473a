import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { javascriptEngine as engine } from '@meterseal/native';
import { toBase64 } from '@meterseal/protocol';
import { addToRoster } from 'meterseal/internal/commands/roster';
import { askStatus } from 'meterseal/internal/commands/status';
import type { FieldMeterStatus } from 'meterseal/internal/field/status';
import { stateFolder } from 'meterseal/internal/host/state-folder';
import t from 'tap';
import { stringify } from 'yaml';
import { assertRefused, cannotBeNobody, meterseal, metersealAsNobody } from '../../command-line.js';
import { RunningCommand } from '../../scenarios/running-command.js';
import { startSimulator } from '../../simulator/start.js';
import { until } from '../gate/until.js';
import { temporaryFolder } from '../host/temporary-folder.js';

const SITE = { operator: 'meterseal.example', box: 'test' };

type Meter = { readonly id: string; readonly unit: number; readonly holder?: string };

/** A state folder with a configuration in it; the port of the gate is free. */
function stateWith(folder: string, config: Record<string, unknown> = {}): string {
  const whole = { site: SITE, gate: { control: '127.0.0.1:0' }, ...config };
  writeFileSync(join(folder, 'meterseal.yaml'), stringify(whole), { mode: 0o644 });
  return folder;
}

function bus(address: string, folder: string, ...meters: readonly Meter[]): object {
  const configured = meters.map(({ id, unit, holder = `Holder of ${id}` }) => ({
    ...{ id, unit, profile: 'eastron/sdm120', holder: { name: holder } },
    'code-file': join(folder, `${id}.code`),
  }));
  return { address, meters: configured };
}

/** Puts a meter on the roster of a box, with its code in the place where its configuration looks for it. */
function list(folder: string, id: string): void {
  const holder = { name: `Holder of ${id}` };
  addToRoster(stateFolder(folder), { meter: id, holder }, join(folder, `${id}.code`));
}

/** What the log says of a meter that could not be enrolled. */
function enrolmentRefusals(output: string): Record<string, { code: string; hint?: string }> {
  const lines = output
    .split('\n')
    .filter((line) => line.includes('"meter not enrolled"'))
    .map((line) => JSON.parse(line) as { meter: string; err: { code: string; hint?: string } });
  return Object.fromEntries(lines.map(({ meter, err }) => [meter, err]));
}

t.test('an unknown profile is refused before anything is made', async (t) => {
  const folder = temporaryFolder(t);
  const meter = { id: 'A', unit: 1, profile: 'eastron/sdm999', holder: {}, 'code-file': 'code' };
  stateWith(folder, { field: { buses: [{ address: 'tcp://127.0.0.1:1', meters: [meter] }] } });
  assertRefused(t, await meterseal('run', '--state', folder), 2, 'unknown-profile', /"eastron\/sdm999"/);
  t.strictSame(readdirSync(folder), ['meterseal.yaml']);
});

t.test('a file of a collector that is missing is refused before anything is made', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'key.pub'), `${toBase64(engine.generateKey().publicKey)}\n`);
  const usual = { url: 'https://127.0.0.1:9', 'key-file': 'key.pub' };
  for (const [collector, words] of [
    [{ ...usual, 'key-file': 'none.pub' }, /collectors\[0\]\.key-file/],
    [{ ...usual, 'token-file': 'token' }, /collector token/],
    [{ ...usual, 'ca-file': 'ca.pem' }, /certificate authority/],
  ] as const) {
    stateWith(folder, { collectors: [collector] });
    assertRefused(t, await meterseal('run', '--state', folder), 2, 'file-missing', words);
  }
  t.strictSame(readdirSync(folder).sort(), ['key.pub', 'meterseal.yaml']);
});

t.test('a chain that was put back, or damaged, ends the daemon with its own exit code', async (t) => {
  const folder = stateWith(temporaryFolder(t));
  const { chainDatabase } = stateFolder(folder);
  const startAndStop = async (): Promise<void> => {
    const box = new RunningCommand(t, 'run', '--state', folder);
    await box.shows(/"msg":"running"/);
    box.signal('SIGTERM');
    t.equal(await box.end(), 0);
  };
  await startAndStop();
  const earlier = readFileSync(chainDatabase);
  await startAndStop();
  const newest = readFileSync(chainDatabase);
  writeFileSync(chainDatabase, earlier);
  assertRefused(t, await meterseal('run', '--state', folder), 12, 'behind-witness', /and it has 3/);
  const at = newest.lastIndexOf(Buffer.from('{"kind":"boot"}'));
  writeFileSync(chainDatabase, newest.fill('x', at, at + 1));
  assertRefused(t, await meterseal('run', '--state', folder), 11, 'chain-damaged', /chain/);
});

t.test('a state folder that is in use is refused, and the one that uses it goes on', async (t) => {
  const folder = stateWith(temporaryFolder(t));
  const first = new RunningCommand(t, 'run', '--state', folder);
  await first.shows(/"msg":"running"/);
  assertRefused(t, await meterseal('run', '--state', folder), 13, 'state-in-use', /another meterseal/);
  t.match(await askStatus(folder), { chain: { height: 1 }, gate: { state: 'isolated' } });
  first.signal('SIGTERM');
  t.equal(await first.end(), 0, 'a daemon that is asked to stop ends well');
});

t.test(
  'each role runs by itself, with a state folder of its own, and they meet at their sockets',
  async (t) => {
    const root = temporaryFolder(t);
    const sockets = join(root, 'sockets');
    mkdirSync(sockets);
    const config = join(stateWith(root), 'meterseal.yaml');
    const start = async (role: string): Promise<RunningCommand> => {
      const place = ['--state', join(root, role), '--sockets', sockets, '--config', config];
      const running = new RunningCommand(t, 'run', role, ...place);
      await running.shows(/"msg":"running"/);
      return running;
    };
    // In any order: whoever needs another waits for it.
    const running = [await start('gate'), await start('field'), await start('chain')];
    t.match(await askStatus(root, sockets), {
      chain: { height: 1 },
      field: { meters: [] },
      gate: { state: 'isolated', assured: true },
    });
    for (const [role, own] of [
      ['chain', ['chain', 'checkpoint', 'lock', 'policy']],
      ['field', ['field', 'lock']],
      ['gate', ['gate', 'lock']],
    ] as const) {
      const found = readdirSync(join(root, role)).filter((name) => name !== 'lock-journal');
      t.strictSame(found.sort(), own, role);
    }
    for (const one of running) {
      one.signal('SIGTERM');
      t.equal(await one.end(), 0);
    }
    const refused = await meterseal('run', 'collector');
    t.equal(refused.code, 2, 'no role');
  },
);

t.test('a control port that is taken is refused, and the state folder is free again', async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.teardown(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const folder = stateWith(temporaryFolder(t), { gate: { control: `127.0.0.1:${port}` } });
  for (const time of ['the first time', 'and again']) {
    const ran = await meterseal('run', '--state', folder);
    assertRefused(t, ran, 16, 'address-in-use', new RegExp(`control port 127\\.0\\.0\\.1:${port}`));
    t.match(ran.stderr, /"chain open"/, time);
  }
});

const skip = await cannotBeNobody();
t.test(
  'a meter on whose registers sources disagree altogether is read only if that is accepted',
  async (t) => {
    const folder = temporaryFolder(t);
    const meter = { id: 'A', unit: 1, profile: 'siemens/pac1600', holder: {}, 'code-file': 'code' };
    const buses = (address: string, more: object = {}): Record<string, unknown> => ({
      field: { buses: [{ address, meters: [{ ...meter, ...more }] }] },
    });
    stateWith(folder, buses('tcp://127.0.0.1:1'));
    const ran = await meterseal('run', '--state', folder);
    assertRefused(t, ran, 2, 'bad-config', /buses\[0\]\.meters\[0\]\.profile: its sources disagree/);
    t.match(ran.stderr, /hint: .*accept-unproven: true/);
    t.strictSame(readdirSync(folder), ['meterseal.yaml']);
    // Accepted, it comes to the next question: no source says how its line is set.
    stateWith(folder, buses('rtu:///dev/no-such-port', { 'accept-unproven': true }));
    assertRefused(t, await meterseal('run', '--state', folder), 2, 'bad-config', /address.*baud is missing/);
    t.strictSame(readdirSync(folder), ['meterseal.yaml']);
  },
);

t.test('a state folder that belongs to somebody else is refused', { skip }, async (t) => {
  const folder = stateWith(temporaryFolder(t));
  chmodSync(folder, 0o755);
  assertRefused(t, await metersealAsNobody('run', '--state', folder), 15, 'state-readonly', /EACCES/);
  t.strictSame(readdirSync(folder), ['meterseal.yaml']);
});

t.test('what is wrong with one meter leaves the rest running', async (t) => {
  const folder = temporaryFolder(t);
  const simulator = await startSimulator({ tcp: true, units: { 1: 'sdm120', 2: 'sdm120', 3: 'sdm120' } });
  t.teardown(() => simulator.stop());
  const good = bus(`tcp://127.0.0.1:${simulator.tcpPort}`, folder, { id: 'GOOD', unit: 1 });
  const refused = [
    { id: 'UNLISTED', unit: 2 },
    { id: 'WRONG-HOLDER', unit: 3, holder: 'Somebody else' },
    { id: 'WRONG-CODE', unit: 4 },
    { id: 'NO-CODE', unit: 5 },
    { id: 'OPEN-CODE', unit: 6 },
  ];
  const buses = [
    good,
    bus(`tcp://localhost:${simulator.tcpPort}`, folder, { id: 'SILENT', unit: 9 }, ...refused),
    bus('rtu:///dev/no-such-port', folder, { id: 'NO-PORT', unit: 1 }),
  ];
  stateWith(folder, { field: { interval: '500ms', timeout: '100ms', buses } });
  for (const id of ['GOOD', 'SILENT', 'NO-PORT', 'WRONG-HOLDER', 'WRONG-CODE', 'OPEN-CODE']) {
    list(folder, id);
  }
  writeFileSync(join(folder, 'UNLISTED.code'), 'x\n', { mode: 0o600 });
  writeFileSync(join(folder, 'WRONG-CODE.code'), 'not-the-code\n');
  chmodSync(join(folder, 'OPEN-CODE.code'), 0o644);

  let box = new RunningCommand(t, 'run', '--state', folder);
  const meters = async (): Promise<readonly FieldMeterStatus[]> =>
    (await askStatus(folder)).field?.meters ?? [];
  const meter = async (id: string): Promise<FieldMeterStatus | undefined> =>
    (await meters()).find((one) => one.id === id);
  const recorded = (...ids: readonly string[]): Promise<void> =>
    until(
      `${ids} are recorded`,
      async () =>
        (await meters()).filter(({ id, anchoredTo }) => ids.includes(id) && anchoredTo >= 2).length ===
        ids.length,
      20_000,
    );

  await t.test('a meter, or a port, that is not there is recorded as missing', async (t) => {
    await recorded('GOOD', 'SILENT', 'NO-PORT');
    t.match(await meter('GOOD'), { failure: null, last: { answered: true, summary: /kWh/ } });
    const last = { answered: false, summary: 'no answer' };
    t.match(await meter('SILENT'), { problem: null, failure: 'no-answer', last });
    t.match(await meter('NO-PORT'), { problem: null, failure: 'port-failed', last });
  });

  await t.test('a meter that cannot be read is told once, with its bus and why', async (t) => {
    const told = box.output.split('\n').filter((line) => line.includes('"meter not read"'));
    t.equal(told.filter((line) => line.includes('"SILENT"') && line.includes('"no-answer"')).length, 1);
    t.equal(
      told.filter((line) => line.includes('/dev/no-such-port') && line.includes('"port-failed"')).length,
      1,
    );
    t.notOk(told.some((line) => line.includes('"GOOD"')));
  });

  await t.test('each refusal to enrol is one line with its code and what to do', async (t) => {
    await until(
      'each refusal is told',
      () => Object.keys(enrolmentRefusals(box.output)).length === refused.length,
    );
    const told = enrolmentRefusals(box.output);
    for (const [id, code] of [
      ['UNLISTED', 'unknown-meter'],
      ['WRONG-HOLDER', 'wrong-holder'],
      ['WRONG-CODE', 'wrong-code'],
      ['NO-CODE', 'file-missing'],
      ['OPEN-CODE', 'file-unusable'],
    ] as const) {
      t.match(told[id], { code, hint: /./ }, id);
      t.match(await meter(id), { state: 'new', problem: code, recordedTo: 0 }, id);
    }
    t.notMatch(box.output, /\\n +at /, 'no stack trace');
  });

  await t.test('a code that was used enrols nobody; the others are enrolled beside it', async (t) => {
    box.signal('SIGTERM');
    t.equal(await box.end(), 0);
    rmSync(stateFolder(folder).field, { recursive: true });
    list(folder, 'UNLISTED');
    box = new RunningCommand(t, 'run', '--state', folder);
    await recorded('UNLISTED');
    t.match(await meter('GOOD'), { state: 'new', problem: 'code-used', recordedTo: 0 });
    t.match(enrolmentRefusals(box.output)['GOOD'], { code: 'code-used', hint: /roster/ });
  });
});
