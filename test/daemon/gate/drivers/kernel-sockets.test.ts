import { readFileSync } from 'node:fs';
import { createServer, connect as dial } from 'node:net';
import { endianness } from 'node:os';
import { countSockets, readKernelSockets } from 'meterseal/internal/gate/drivers/kernel-sockets';
import t from 'tap';
import { until } from '../until.js';

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const LOOPBACK = endianness() === 'LE' ? '0100007F' : '7F000001';
const row = (local: string, port: number, state: string) =>
  `   0: ${local}:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  0 0 1`;

t.test('sockets are counted by port, address and state', async (t) => {
  const table = [
    HEAD,
    row(LOOPBACK, 4059, '0A'),
    row(LOOPBACK, 4059, '01'),
    row(LOOPBACK, 4059, '04'),
    row(LOOPBACK, 4059, '06'),
    row(LOOPBACK, 4060, '01'),
    row('0A000001', 4059, '01'),
    '',
  ].join('\n');
  t.same(countSockets(table, 4059, '127.0.0.1'), { listening: 1, live: 2 }, 'TIME_WAIT is nobody any more');
  t.same(countSockets(table, 4059, '0.0.0.0'), { listening: 1, live: 3 }, 'every address');
  t.same(countSockets(table, 4059, '::'), { listening: 1, live: 3 });
  t.same(countSockets(table, 4061, '127.0.0.1'), { listening: 0, live: 0 });
  t.same(countSockets('', 4059, '127.0.0.1'), { listening: 0, live: 0 });
});

t.test('the kernel lists what this machine really has', async (t) => {
  try {
    readFileSync('/proc/net/tcp');
  } catch {
    return t.comment('no /proc/net/tcp here');
  }
  const server = createServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  t.same(await readKernelSockets(port, '127.0.0.1'), { listening: 1, live: 0 });
  const client = dial(port, '127.0.0.1');
  await until(
    'the connection is listed',
    async () => (await readKernelSockets(port, '127.0.0.1'))?.live === 1,
  );
  server.close();
  t.equal((await readKernelSockets(port, '127.0.0.1'))?.listening, 0);
  client.resetAndDestroy();
  await until('the connection is gone', async () => (await readKernelSockets(port, '127.0.0.1'))?.live === 0);
});
