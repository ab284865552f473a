import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import { isMetersealError } from '@meterseal/protocol';
import { systemClock } from 'meterseal/internal/host/clock';
import { parseAddress } from 'meterseal/internal/modbus/address';
import { Bus } from 'meterseal/internal/modbus/bus';
import t from 'tap';
import { openPty } from '../../simulator/serial-side.js';
import { ensureHelpers, startSimulator } from '../../simulator/start.js';
import { busTo, readManyTimes } from './simulated-bus.js';

const READ = { unit: 1, fc: 4, at: 0, count: 6 } as const;
const soon = (ms = 2_000): number => systemClock.monotonic() + ms;

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    return isMetersealError(error) ? error.code : String(error);
  }
}

/** A TCP peer that does with each connection what it is told. */
async function peer(
  serve: (socket: Socket) => void,
): Promise<{ bus: Bus; connections: () => number; end: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => {});
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const bus = new Bus({
    address: parseAddress(`tcp://127.0.0.1:${port}`),
    clock: systemClock,
    responseMs: 1_000,
  });
  const end = async (): Promise<void> => {
    await bus.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { bus, connections: () => connections, end };
}

t.test('a silent meter costs its response time, not for ever', async (t) => {
  const { bus, end } = await peer(() => {});
  const started = systemClock.monotonic();
  t.equal(await codeOf(bus.readRegisters({ ...READ, deadlineMs: soon(5_000) })), 'no-answer');
  t.ok(systemClock.monotonic() - started < 2_000);
  t.equal(
    await codeOf(bus.readRegisters({ ...READ, deadlineMs: soon(50) })),
    'no-answer',
    'the deadline comes first',
  );
  await end();
});

t.test('a reset of the connection is noticed at once, and the next read connects again', async (t) => {
  const { bus, connections, end } = await peer((socket) => {
    socket.on('data', () => socket.resetAndDestroy());
  });
  const started = systemClock.monotonic();
  t.equal(await codeOf(bus.readRegisters({ ...READ, deadlineMs: soon() })), 'port-failed');
  t.equal(await codeOf(bus.readRegisters({ ...READ, deadlineMs: soon() })), 'port-failed');
  t.ok(systemClock.monotonic() - started < 500, 'long before the response time is over');
  t.equal(connections(), 2);
  t.equal(await codeOf(bus.readRegisters({ ...READ, deadlineMs: soon() })), 'port-failed');
  t.equal(connections(), 2, 'a connection that keeps failing is left alone for a while');
  await end();
});

t.test('closing the bus settles the read under way and those that wait', async (t) => {
  let asked = (): void => {};
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const { bus, end } = await peer((socket) => {
    socket.on('data', asked);
  });
  const reads = [1, 2, 3].map((unit) =>
    codeOf(bus.readRegisters({ ...READ, unit, deadlineMs: soon(60_000) })),
  );
  await isAsked;
  await bus.close();
  t.same(await Promise.all(reads), ['port-failed', 'stopped', 'stopped']);
  t.equal(await codeOf(bus.readRegisters({ ...READ, deadlineMs: soon() })), 'stopped');
  await end();
});

t.test('reads are queued, one transaction at a time', async (t) => {
  const simulator = await startSimulator({ tcp: true, units: { 1: 'sdm630', 2: 'sdm120' }, delayMs: 5 });
  const bus = busTo(simulator, 'tcp', 1_000);
  const reads = [1, 2, 1, 2, 1, 2].map((unit, i) =>
    bus.readRegisters({ ...READ, unit, count: 2 + 2 * i, deadlineMs: soon() }),
  );
  const lengths = (await Promise.all(reads)).map(({ length }) => length);
  t.same(lengths, [2, 4, 6, 8, 10, 12]);
  t.match(bus.counters, { accepted: 6, invalid: 0, unsolicited: 0 });
  await bus.close();
  await simulator.stop();
});

t.test('a read whose deadline passed in the queue is not sent', async (t) => {
  const { bus, end } = await peer(() => {});
  const first = codeOf(bus.readRegisters({ ...READ, deadlineMs: soon(150) }));
  const second = codeOf(bus.readRegisters({ ...READ, unit: 2, deadlineMs: soon(50) }));
  t.same([await first, await second], ['no-answer', 'timeout']);
  t.equal(bus.counters.sent, 1);
  await end();
});

t.test('a read that no request can ask for is refused', async (t) => {
  const { bus, end } = await peer(() => {});
  for (const wrong of [{ count: 0 }, { count: 126 }, { at: 65_535 }, { unit: 256 }, { fc: 5 as 3 }]) {
    t.equal(await codeOf(bus.readRegisters({ ...READ, ...wrong, deadlineMs: soon() })), 'bad-argument');
  }
  await end();
});

t.test('what a killed client left in the line is not taken for an answer', async (t) => {
  ensureHelpers();
  const simulator = await startSimulator({ serial: true, units: { 1: 'sdm630' }, speed: 1_000 });
  const before = busTo(simulator, 'rtu', 100);
  await readManyTimes(before, simulator, 2);
  await simulator.setFault({ kind: 'late', ms: 150 });
  t.equal(await codeOf(before.readRegisters({ ...READ, deadlineMs: soon() })), 'no-answer');
  await before.close();
  await simulator.clearFaults();
  const bus = busTo(simulator, 'rtu', 300);
  const { wrong, right } = await readManyTimes(bus, simulator, 6);
  t.equal(wrong, 0);
  t.ok(right >= 5, `${right} of 6 right`);
  await bus.close();
  await simulator.stop();
});

t.test('a serial port that goes away is said to have failed, and found again when it is back', async (t) => {
  ensureHelpers();
  const { pty, path } = await openPty();
  const gone = new Promise((resolve) => pty.once('exit', resolve));
  const bus = new Bus({
    address: parseAddress(`rtu://${path}?baud=115200`),
    clock: systemClock,
    responseMs: 5_000,
  });
  const asked = new Promise((resolve) => pty.stdout.once('data', resolve));
  const read = codeOf(bus.readRegisters({ ...READ, deadlineMs: soon(10_000) }));
  await asked;
  pty.stdin.end();
  await gone;
  t.equal(await read, 'port-failed');
  t.equal(await codeOf(bus.readRegisters({ ...READ, deadlineMs: soon() })), 'port-failed');
  t.equal(bus.openings, 1);
  await bus.close();
});
