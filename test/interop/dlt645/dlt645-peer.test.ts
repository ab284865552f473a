import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { RecordValue } from '@meterseal/protocol';
import t from 'tap';
import type { Pty } from '../../simulator/serial-side.js';
import { openPty } from '../../simulator/serial-side.js';
import { ensureHelpers } from '../../simulator/start.js';
import { poll } from '../modbus/poll-process.js';

/*
 * Against an independent program: `pip install dlt645` for the Python that PYTHON names, or `python3`. Two pseudo-terminals, tied
 * together, are the line.
 */

const SERVER = fileURLToPath(new URL('../../../interop/dlt645/dlt645-server.py', import.meta.url));
const PYTHON = process.env['PYTHON'] ?? 'python3';
const ADDRESS = '112233445566';

const { status } = spawnSync(PYTHON, ['-c', 'import dlt645'], { stdio: 'ignore' });
const skip = status === 0 ? false : `${PYTHON} has no dlt645 (pip install dlt645)`;

/** A line with the peer's meter on it: the path of our end, and what ends both. */
async function line(): Promise<{ path: string; stop: () => Promise<void> }> {
  ensureHelpers();
  const [ours, theirs] = [await openPty(), await openPty()];
  const tie = (from: Pty, to: Pty): void => {
    from.stdout.on('data', (bytes: Buffer) => to.stdin.write(bytes));
  };
  tie(ours.pty, theirs.pty);
  tie(theirs.pty, ours.pty);
  const server = spawn(PYTHON, [SERVER, theirs.path, ADDRESS], { stdio: ['pipe', 'pipe', 'ignore'] });
  const ended = once(server, 'exit');
  const lines: string[] = [];
  for await (const bytes of server.stdout) {
    lines.push(String(bytes));
    if (lines.join('').includes('ready')) break;
  }
  const stop = async (): Promise<void> => {
    server.stdin.end();
    await ended;
    for (const { pty } of [ours, theirs]) {
      const gone = once(pty, 'exit');
      pty.stdin.end();
      await gone;
    }
  };
  return { path: ours.path, stop };
}

t.test('poll reads the values of an independent DL/T 645 meter', { skip }, async (t) => {
  const { path, stop } = await line();
  const { code, stdout, stderr } = await poll(
    `rtu://${path}?baud=9600&parity=none`,
    ...['--unit', ADDRESS, '--profile', 'unbranded/dlt645-2007-3p', '--timeout', '3s', '--json'],
  );
  t.equal(code, 0, stderr);
  const { values } = JSON.parse(stdout) as { values: RecordValue[] };
  t.same(Object.fromEntries(values.map(({ obis, value, quality }) => [obis, value ?? quality])), {
    '1-0:1.8.0': '12345.67',
    '1-0:2.8.0': '0.26',
    '1-0:13.7.0': '-0.987',
    '1-0:14.7.0': '50.01',
    '1-0:16.7.0': '-1.2345',
    '1-0:31.7.0': '5.721',
    '1-0:32.7.0': '230.1',
    '1-0:36.7.0': '1.1938',
    '1-0:51.7.0': '0.000',
    '1-0:52.7.0': '229.9',
    '1-0:56.7.0': '0.4168',
    '1-0:71.7.0': '-7.140',
    '1-0:72.7.0': '231.0',
    '1-0:76.7.0': '-2.8451',
    '1-0:131.7.0': '0.5000',
  });
  await stop();
});
