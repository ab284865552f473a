import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createServer, connect as dial } from 'node:net';
import type { ReadBack } from '@meterseal/protocol';
import type { ConnectionHandler } from 'meterseal/internal/gate/drivers/process';
import { ProcessDriver } from 'meterseal/internal/gate/drivers/process';
import { systemClock } from 'meterseal/internal/host/clock';
import t from 'tap';
import { closed } from '../http-peer.js';
import { until } from '../until.js';

/** Says so many bytes to everyone, and takes what it is told. */
class Talker implements ConnectionHandler {
  readonly say: number;
  readonly sockets: Socket[] = [];
  dropped = 0;

  constructor(say = 0) {
    this.say = say;
  }

  serve(socket: Socket): void {
    this.sockets.push(socket);
    socket.resume();
    if (this.say > 0) socket.write(Buffer.alloc(this.say, 1));
  }

  drop(): void {
    this.dropped++;
  }
}

function driverWith(handler: ConnectionHandler, port = 0): ProcessDriver {
  return new ProcessDriver({ host: '127.0.0.1', port, handler, clock: systemClock });
}

const words = (readBacks: readonly ReadBack[]) => readBacks.map(({ witness, says }) => `${witness} ${says}`);
const ISOLATED = ['listener isolated', 'live-sockets isolated'];
const CONNECTED = ['listener connected', 'live-sockets connected'];

async function refusal(port: number): Promise<string> {
  const socket = dial(port, '127.0.0.1');
  const [error] = (await Promise.race([once(socket, 'error'), once(socket, 'connect')])) as [
    NodeJS.ErrnoException | undefined,
  ];
  socket.destroy();
  return error?.code ?? 'accepted';
}

t.test('the port exists only while connected, and both witnesses say so', async (t) => {
  const talker = new Talker();
  const driver = driverWith(talker);
  t.same(words(await driver.readBacks()), ISOLATED, 'before anything');
  await driver.isolate();
  for (let round = 0; round < 3; round++) {
    const port = await driver.connect();
    t.same(words(await driver.readBacks()), CONNECTED, 'also while nobody is there');
    const client = dial(port, '127.0.0.1');
    client.on('error', () => {});
    await once(client, 'connect');
    t.same(words(await driver.readBacks()), CONNECTED);
    await driver.isolate();
    t.equal(await refusal(port), 'ECONNREFUSED');
    t.same(words(await driver.readBacks()), ISOLATED);
    client.destroy();
  }
  t.equal(talker.dropped, 4, 'queued data is dropped each time');
});

t.test('a port from the configuration is used again and again', async (t) => {
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as { port: number };
  free.close();
  await once(free, 'close');
  const driver = driverWith(new Talker(), port);
  for (let round = 0; round < 2; round++) {
    t.equal(await driver.connect(), port);
    await driver.isolate();
    t.same(words(await driver.readBacks()), ISOLATED);
  }
});

t.test('what was buffered when it isolated never arrives', async (t) => {
  // The positive control: the same bytes arrive when the socket is closed in the usual way.
  for (const isolates of [false, true]) {
    const talker = new Talker(1_000_000);
    const driver = driverWith(talker);
    const client = dial(await driver.connect(), '127.0.0.1');
    client.on('error', () => {});
    client.pause();
    await until('everything lies in the kernel', () => talker.sockets[0]?.writableLength === 0);
    if (isolates) await driver.isolate();
    else talker.sockets[0]?.destroy();
    let arrived = 0;
    client.on('data', (chunk: Buffer) => {
      arrived += chunk.length;
    });
    client.resume();
    await closed(client);
    if (isolates) t.ok(arrived < 1_000_000, `${arrived} bytes had arrived before`);
    else t.equal(arrived, 1_000_000, 'closed, not reset: all of it arrives later');
    if (!isolates) await driver.isolate();
  }
});

t.test('an answer that was ended before isolation does not arrive after it either', async (t) => {
  const talker = new Talker(1_000_000);
  const driver = driverWith(talker);
  const client = dial(await driver.connect(), '127.0.0.1');
  client.on('error', () => {});
  client.pause();
  await until('the connection is there', () => talker.sockets.length === 1);
  talker.sockets[0]?.end();
  await until('everything lies in the kernel', () => talker.sockets[0]?.writableFinished === true);
  await driver.isolate();
  t.same(words(await driver.readBacks()), ISOLATED);
  let arrived = 0;
  client.on('data', (chunk: Buffer) => {
    arrived += chunk.length;
  });
  client.resume();
  await closed(client);
  t.ok(arrived < 1_000_000);
});

t.test('bytes that a peer sends after isolation reach nobody', async (t) => {
  const talker = new Talker();
  const driver = driverWith(talker);
  const client = dial(await driver.connect(), '127.0.0.1');
  client.on('error', () => {});
  client.write('while connected');
  await until('the bytes arrive', () => (talker.sockets[0]?.bytesRead ?? 0) > 0);
  await driver.isolate();
  client.write('while isolated');
  await until('the peer is cut off', () => client.destroyed);
  const port = await driver.connect();
  const second = dial(port, '127.0.0.1');
  second.on('error', () => {});
  await until('the next window has its connection', () => talker.sockets.length === 2);
  t.equal(talker.sockets[0]?.bytesRead, 'while connected'.length);
  t.equal(talker.sockets[1]?.bytesRead, 0);
  await driver.isolate();
});

t.test(
  'a socket that its handler closed while it was sending is seen by the kernel, not by our book',
  async (t) => {
    const talker = new Talker(1_000_000);
    const driver = driverWith(talker);
    const client = dial(await driver.connect(), '127.0.0.1');
    client.on('error', () => {});
    client.pause();
    await until('everything lies in the kernel', () => talker.sockets[0]?.writableLength === 0);
    talker.sockets[0]?.destroy();
    await closed(talker.sockets[0]!);
    await driver.isolate();
    t.same(words(await driver.readBacks()), ['listener isolated', 'live-sockets connected']);
    client.resume();
    await closed(client);
    await until('nothing is left', async () => words(await driver.readBacks()).join() === ISOLATED.join());
  },
);

t.test('somebody else who listens at the comparison port is not isolation', async (t) => {
  const stranger = createServer().listen(0, '127.0.0.1');
  await once(stranger, 'listening');
  const { port } = stranger.address() as { port: number };
  const driver = driverWith(new Talker(), port);
  await driver.isolate();
  t.same(words(await driver.readBacks()), ['listener connected', 'live-sockets connected']);
  await t.rejects(driver.connect(), { code: 'link-fault' });
  await driver.isolate();
  stranger.close();
  await once(stranger, 'close');
  t.same(words(await driver.readBacks()), ISOLATED);
});

t.test('isolating wins over a connect that is under way', async (t) => {
  const driver = driverWith(new Talker());
  const connecting = driver.connect();
  const isolated = driver.isolate();
  await t.rejects(connecting, { code: 'stopped' });
  await isolated;
  t.same(words(await driver.readBacks()), ISOLATED);
  const port = await driver.connect();
  await driver.isolate();
  t.equal(await refusal(port), 'ECONNREFUSED');
});

t.test('connections beyond the most are reset at once', async (t) => {
  const talker = new Talker();
  const driver = driverWith(talker);
  const port = await driver.connect();
  const clients = Array.from({ length: 24 }, () => dial(port, '127.0.0.1'));
  let closed = 0;
  for (const client of clients) {
    client.on('error', () => {});
    client.once('close', () => closed++);
  }
  await until('eight are turned away', () => closed === 8);
  t.equal(talker.sockets.length, 16);
  await driver.isolate();
  await until('all are reset', () => closed === 24);
});
