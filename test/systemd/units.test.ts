import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { BoxStatus } from 'meterseal/internal/commands/status';
import t from 'tap';
import { until } from '../daemon/gate/until.js';
import { Container, cannotBoot } from './container.js';
import { documented, stalePlaces, UNITS_AND_TARGETS } from './install-page.js';

/*
 * The units of daemon/systemd in a booted container, set up by the very commands of docs/install.md: a user for each role,
 * sockets that systemd makes between them, and the kernel keeping them apart.
 */

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const NODE = '/usr/bin/node';
const MAIN = '/opt/meterseal/daemon/bin/meterseal.js';
const ROLES = ['chain', 'field', 'gate'] as const;
const STATES = ['--state', '/var/lib/meterseal/chain', '--field-state', '/var/lib/meterseal/field'];
/** The collector's folder: on another machine, as a rule. */
const COLLECTOR = '/root/collector';
const PATIENCE_MS = 90_000;
t.setTimeout(280_000);

/** As whoever runs it, what a connect to the socket gives. */
const CONNECT = `const s = require('node:net').connect(process.argv[1]);
s.on('connect', () => { console.log('connected'); process.exit(); });
s.on('error', (e) => console.log(e.code));`;

/** Node-RED as node-red-nodes/runtime has it, with its own Node; undefined where it is not installed. */
const nodeRed = (() => {
  const runtime = `${ROOT}node-red-nodes/runtime`;
  const modules = `${runtime}/node_modules`;
  const node = existsSync(`${modules}/node-red/red.js`)
    ? readdirSync(modules).find((name) => name.startsWith('node-linux-'))
    : undefined;
  if (node === undefined) return undefined;
  const { 1: start = '' } = /^ExecStart=\S+ (.*)$/m.exec(
    readFileSync(`${ROOT}daemon/systemd/node-red.service`, 'utf8'),
  )!;
  const dropIn = `[Service]\nExecStart=\nExecStart=/opt/node-red/node_modules/${node}/bin/node ${start}\n`;
  return {
    binds: { '/opt/node-red': runtime },
    files: { '/etc/systemd/system/node-red.service.d/node.conf': dropIn },
  };
})();

const why = cannotBoot();

t.test('the roles as services of their own, in a booted container', { skip: why }, async (t) => {
  const box = await Container.boot(t, nodeRed?.files ?? {}, {
    ...{ '/opt/meterseal': ROOT, [NODE]: process.execPath },
    ...nodeRed?.binds,
  });
  const meterseal = (...args: readonly string[]): Promise<string> => box.must(NODE, MAIN, ...args);
  const status = async (): Promise<BoxStatus> =>
    JSON.parse((await box.run('meterseal', 'status', '--sockets', '/run/meterseal', '--json')).stdout);
  const readings = async () => {
    const [meter] = (await status()).field?.meters ?? [];
    const { recordedTo = 0, anchoredTo = 0, acknowledgedTo = [] } = meter ?? {};
    return { recordedTo, anchoredTo, acknowledgedTo: acknowledgedTo[0] ?? 0 };
  };
  t.teardown(async () => {
    if (t.passing()) return;
    for (const role of ROLES) t.comment(`${role}: ${await box.journal(`meterseal-${role}`)}`);
  });

  await t.test('set up by the commands of install.md, they run', async (t) => {
    // In the place of a meter on a serial bus, and of the collector's machine.
    await box.start(
      ...[
        NODE,
        '/opt/meterseal/test/dist/simulator/main.js',
        '--tcp',
        '127.0.0.1:5020',
        '--unit',
        '1=sdm120',
      ],
    );
    await meterseal('collector', 'init', '--dir', COLLECTOR);
    await box.must('install', '-D', `${COLLECTOR}/collector.pub`, '/tmp/collector.pub');
    for (const script of documented('box')) await box.must('sh', '-euc', script);
    await until(
      'all three run',
      async () => Object.values(await status()).every((role) => role !== null),
      PATIENCE_MS,
    );
    await box.must('install', '-m', '600', '/etc/meterseal/collector.token', `${COLLECTOR}/token`);
    await box.start(
      ...[
        NODE,
        MAIN,
        'collector',
        '--dir',
        COLLECTOR,
        '--platform-id',
        'grid.example/meterseal/substation-7',
      ],
      ...['--policy', '/var/lib/meterseal/chain/policy', '--control', '127.0.0.1:7411'],
      ...['--listen', '127.0.0.1:7421', '--token-file', `${COLLECTOR}/token`],
    );
    await until(
      'readings are anchored and acknowledged',
      async () => {
        const { anchoredTo, acknowledgedTo } = await readings();
        return anchoredTo >= 3 && acknowledgedTo >= 3;
      },
      PATIENCE_MS,
    );
    t.match((await status()).gate, { state: 'isolated', assured: true });
    const { stdout } = await box.run(NODE, MAIN, 'collector', 'compare', '--dir', COLLECTOR, '--json');
    const report = JSON.parse(stdout) as { outcome: string; verified: number; tampered: unknown[] };
    t.match(report, { outcome: 'judged', tampered: [] });
    t.ok(report.verified >= 3, `${report.verified} verified`);
  });

  await t.test('systemd has nothing to say about the units', async (t) => {
    const names = UNITS_AND_TARGETS.filter((name) => name !== 'node-red.service');
    const { code, stdout, stderr } = await box.run('systemd-analyze', 'verify', '--man=no', ...names);
    t.strictSame({ code, said: stdout + stderr }, { code: 0, said: '' });
  });

  await t.test('each role is a user of its own, and the kernel keeps them apart', async (t) => {
    for (const role of ROLES) {
      const pid = await box.property(`meterseal-${role}.service`, 'MainPID');
      const user = (await box.must('ps', '-o', 'user:32=', '-p', pid)).trim();
      t.equal(user, `meterseal-${role}`);
      const told = await box.must('cat', `/proc/${pid}/status`);
      t.equal(/^CapEff:\s*(\w+)$/m.exec(told)?.[1], '0000000000000000', `${role} has no capability`);
    }
    const chain = await box.property('meterseal-chain.service', 'MainPID');
    const linesOf = async (table: string, heads: number): Promise<string[]> =>
      (await box.must('cat', `/proc/${chain}/net/${table}`)).trim().split('\n').slice(heads);
    t.equal((await linesOf('dev', 2)).length, 1, 'the chain has a loopback of its own, and no other device');
    t.strictSame([...(await linesOf('route', 1)), ...(await linesOf('tcp', 1))], []);

    for (const [user, may] of [
      ['meterseal-field', ['platform']],
      ['meterseal-gate', ['proof', 'switch']],
      ['meterseal-chain', []],
      ['nobody', []],
    ] as const) {
      const as = ['setpriv', '--reuid', user, '--clear-groups'];
      for (const socket of ['platform', 'proof', 'switch', 'field', 'gate']) {
        const { stdout } = await box.run(...as, NODE, '-e', CONNECT, `/run/meterseal/${socket}.sock`);
        const expected = (may as readonly string[]).includes(socket) ? 'connected' : 'EACCES';
        t.equal(stdout.trim(), expected, `${user} at ${socket}`);
      }
      for (const role of ROLES) {
        const { code } = await box.run(...as, 'ls', `/var/lib/meterseal/${role}`);
        t.equal(code === 0, user === `meterseal-${role}`, `${user} in the folder of ${role}`);
      }
      const token = await box.run(...as, 'cat', '/etc/meterseal/collector.token');
      t.equal(token.code === 0, user === 'meterseal-field', `${user} and the token`);
    }
  });

  await t.test('a chain that is killed is started again, and polling goes on meanwhile', async (t) => {
    const before = await readings();
    const pid = await box.property('meterseal-chain.service', 'MainPID');
    const field = await box.property('meterseal-field.service', 'MainPID');
    await box.must('kill', '-KILL', pid);
    await until(
      'it is another one',
      async () => {
        const now = await box.property('meterseal-chain.service', 'MainPID');
        return now !== '0' && now !== pid;
      },
      PATIENCE_MS,
    );
    await until(
      'what was read meanwhile is anchored',
      async () => {
        const { recordedTo, anchoredTo } = await readings();
        return recordedTo > before.recordedTo + 2 && anchoredTo >= recordedTo - 1;
      },
      PATIENCE_MS,
    );
    t.equal(await box.property('meterseal-field.service', 'MainPID'), field, 'the field went on');
    const { code, stdout } = await box.run('meterseal', 'fsck', ...STATES);
    t.equal(code, 0, stdout);
    const proof = '/root/proof';
    await box.must('meterseal', 'prove', ...STATES, '--meter', 'EM-0001', '--seq', '2', '-o', proof);
    await box.must('meterseal', 'verify', proof, '--policy', '/var/lib/meterseal/chain/policy');
  });

  await t.test('with the relay of install.md in its configuration the switch is of grade G2', async (t) => {
    const board = ['/opt/meterseal/test/dist/simulator/relay-main.js', '--tcp', '127.0.0.1:5021'];
    await box.start(NODE, ...board);
    const file = '/etc/meterseal/meterseal.yaml';
    const config = (await box.must('cat', file)).replace(/^gate:\n(?: .*\n)+/m, documented('relay')[0]!);
    t.match(config, /relay:/);
    await box.must(
      'sh',
      '-euc',
      `cat > ${file} <<'END'\n${config}END\nsystemctl restart meterseal-gate.service`,
    );
    await until(
      'the gate has its relay',
      async () => (await status()).gate?.driver === 'modbus-relay',
      PATIENCE_MS,
    );
    t.match((await status()).gate, { state: 'isolated', assured: true, grade: 2 });
  });

  const noNodeRed = nodeRed === undefined ? 'Node-RED is not installed in node-red-nodes/runtime' : false;
  await t.test('Node-RED runs beside them', { skip: noNodeRed }, async (t) => {
    for (const script of documented('node-red')) await box.must('sh', '-euc', script);
    const ask =
      "fetch('http://127.0.0.1:1880/settings').then(async (a) => console.log(a.status, (await a.json()).version))";
    await until(
      'it answers',
      async () => /^200 5\./.test((await box.run(NODE, '-e', ask)).stdout),
      PATIENCE_MS,
    );
    const pid = await box.property('node-red.service', 'MainPID');
    t.equal((await box.must('ps', '-o', 'user:32=', '-p', pid)).trim(), 'node-red');
    const { code } = await box.run(
      'setpriv',
      '--reuid',
      'node-red',
      '--clear-groups',
      'ls',
      '/var/lib/meterseal/field',
    );
    t.not(code, 0);
    await box.must('systemctl', 'stop', 'node-red.service');
    t.equal(await box.property('node-red.service', 'Result'), 'success');
  });

  await t.test('stopping ends them in order', async (t) => {
    await box.must('systemctl', 'stop', 'meterseal.target');
    for (const role of ROLES) {
      const unit = `meterseal-${role}.service`;
      await until(
        'it has ended',
        async () => (await box.property(unit, 'ActiveState')) === 'inactive',
        PATIENCE_MS,
      );
      t.equal(await box.property(unit, 'Result'), 'success', role);
      const told = await box.run('systemd-analyze', 'security', '--no-pager', unit);
      const exposure = Number(/level for [^:]+: ([\d.]+)/.exec(told.stdout)?.[1]);
      t.ok(exposure < 2, `${role}: an exposure of ${exposure} of 10`);
    }
  });
});

t.test('install.md tells of every file of daemon/systemd', async (t) => {
  t.ok(documented('box').length >= 5);
  t.strictSame(stalePlaces(), []);
  const page = readFileSync(`${ROOT}docs/install.md`, 'utf8');
  for (const name of readdirSync(`${ROOT}daemon/systemd`)) {
    t.ok(page.includes(name) || page.includes(name.replace(/^meterseal-\w+\./, 'meterseal-*.')), name);
  }
});
