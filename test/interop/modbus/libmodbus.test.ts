import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { openPty } from '../../simulator/serial-side.js';
import { ensureHelpers, startSimulator } from '../../simulator/start.js';
import { expectContents } from './expect-contents.js';
import { poll } from './poll-process.js';
import { registerBytes } from './register-contents.js';

const SOURCE = fileURLToPath(new URL('../../../interop/modbus/libmodbus-server.c', import.meta.url));

/** Compiles the server into `folder`; undefined if there is no libmodbus to compile it with. */
function buildServer(folder: string): string | undefined {
  const { status, stdout } = spawnSync('pkg-config', ['--cflags', '--libs', 'libmodbus'], {
    encoding: 'utf8',
  });
  if (status !== 0) return undefined;
  const server = join(folder, 'libmodbus-server');
  const flags = stdout.trim().split(/\s+/);
  const compiled = spawnSync('cc', ['-Wall', '-o', server, SOURCE, ...flags], { encoding: 'utf8' });
  if (compiled.status !== 0) throw new Error(compiled.stderr);
  return server;
}

const folder = t.testdir({});
const registers = join(folder, 'registers');
writeFileSync(registers, registerBytes());
const server = buildServer(folder);
const skip = server === undefined ? 'libmodbus is not installed' : false;

/** Starts the server and waits for its first line. */
async function serve(...args: readonly string[]): Promise<{ line: string; stop: () => Promise<void> }> {
  const child = spawn(server!, [registers, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const [bytes] = await once(child.stdout, 'data');
  const stop = async (): Promise<void> => {
    child.kill();
    await ended;
  };
  return { line: String(bytes).trim(), stop };
}

t.test('poll reads right values from a libmodbus server over TCP', { skip }, async (t) => {
  const { line: port, stop } = await serve('tcp');
  for (let again = 0; again < 2; again++) {
    const result = await poll(
      `tcp://127.0.0.1:${port}`,
      '--unit',
      '1',
      '--profile',
      'eastron/sdm630',
      '--json',
    );
    expectContents(t, result, 1);
  }
  await stop();
});

t.test('poll reads right values from a libmodbus server over a serial line', { skip }, async (t) => {
  ensureHelpers();
  // Two terminals, each the other's far end: libmodbus opens one as its port, poll the other.
  const [near, far] = [await openPty(), await openPty()];
  near.pty.stdout.pipe(far.pty.stdin);
  far.pty.stdout.pipe(near.pty.stdin);
  const { stop } = await serve('rtu', far.path, '5');
  const address = `rtu://${near.path}?baud=9600&parity=none&stop=1`;
  expectContents(t, await poll(address, '--unit', '5', '--profile', 'eastron/sdm630', '--json'), 5);
  const other = await poll(address, '--unit', '6', '--profile', 'eastron/sdm630', '--timeout', '200ms');
  t.match(other, { code: 1, stderr: /no answer/ }, 'it answers for its own unit only');
  await stop();
  const gone = Promise.all([once(near.pty, 'exit'), once(far.pty, 'exit')]);
  near.pty.stdin.end();
  far.pty.stdin.end();
  await gone;
});

const hasMbpoll = spawnSync('mbpoll', ['-V']).error === undefined;

t.test('mbpoll reads the simulator', { skip: hasMbpoll ? false : 'mbpoll is not installed' }, async (t) => {
  const simulator = await startSimulator({
    tcp: true,
    serial: true,
    units: { 1: 'sdm630' },
    speed: 0,
    epoch: 0,
  });
  const common = ['-a', '1', '-t', '3:float', '-B', '-0', '-r', '0', '-c', '3', '-1'];
  const runs = [
    ['-m', 'tcp', '-p', String(simulator.tcpPort), ...common, '127.0.0.1'],
    ['-m', 'rtu', '-b', '9600', '-P', 'none', ...common, simulator.serialPath!],
  ];
  for (const args of runs) {
    const { stdout, stderr } = spawnSync('mbpoll', args, { encoding: 'utf8' });
    const volts = [...stdout.matchAll(/^\[\d+\]:\s+([\d.]+)/gm)].map(([, value]) => Number(value));
    t.equal(volts.length, 3, stderr);
    t.ok(
      volts.every((value) => value > 225 && value < 235),
      volts.join(' '),
    );
  }
  await simulator.stop();
});
