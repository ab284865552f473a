import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import { Duplex } from 'node:stream';
import { server as servers } from 'jsmodbus';
import t from 'tap';
import { openPty } from '../../simulator/serial-side.js';
import { ensureHelpers } from '../../simulator/start.js';
import { expectContents } from './expect-contents.js';
import { poll } from './poll-process.js';
import { registerBytes } from './register-contents.js';

const input = registerBytes();

t.test('poll reads right values from a jsmodbus server over TCP', async (t) => {
  const listener = createServer();
  const sockets: Socket[] = [];
  listener.on('connection', (socket) => sockets.push(socket));
  new servers.TCP(listener, { input });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  try {
    const address = `tcp://127.0.0.1:${port}`;
    expectContents(t, await poll(address, '--unit', '3', '--profile', 'eastron/sdm630', '--json'), 3);
    const table = await poll(address, '--unit', '3', '--profile', 'eastron/sdm630');
    t.equal(table.code, 0);
    t.match(table.stdout, /1-0:36\.7\.0 +-1234\.2 W\n/);
    t.match(table.stdout, /1-0:72\.7\.0 +– \(missing\)\n/);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => listener.close(resolve));
  }
});

t.test('poll reads right values from a jsmodbus server over a serial line', async (t) => {
  ensureHelpers();
  const { pty, path } = await openPty();
  const gone = new Promise((resolve) => pty.once('exit', resolve));
  const line = Duplex.from({ readable: pty.stdout, writable: pty.stdin });
  // All that the server needs of a serial port is a stream.
  new servers.RTU(line as unknown as ConstructorParameters<typeof servers.RTU>[0], { input });
  try {
    for (const settings of ['?baud=9600&parity=none&stop=1', '?baud=115200&parity=even&stop=2', '']) {
      const result = await poll(
        `rtu://${path}${settings}`,
        '--unit',
        '247',
        '--profile',
        'eastron/sdm630',
        '--json',
      );
      expectContents(t, result, 247);
    }
  } finally {
    pty.stdin.end();
    await gone;
  }
});
