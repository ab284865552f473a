import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { Duplex } from 'node:stream';
import { client as clients, server as servers } from 'jsmodbus';
import { systemClock } from 'meterseal/internal/host/clock';
import { parseAddress } from 'meterseal/internal/modbus/address';
import { BitLine } from 'meterseal/internal/modbus/bit-line';
import { COIL_OFF, COIL_ON } from 'meterseal/internal/modbus/bit-request';
import modbusSerial from 'modbus-serial';
import type { Test } from 'tap';
import t from 'tap';
import { openPty } from '../../simulator/serial-side.js';
import { ensureHelpers } from '../../simulator/start.js';
import { startRelaySimulator } from '../../simulator/start-relay.js';

/*
 * The line to a relay board against servers, and the simulated board against clients, that others have written: a mistake
 * that both of ours shared would show.
 */

const UNIT = 1;

async function exchangeBits(t: Test, line: BitLine, coils: Buffer): Promise<void> {
  t.strictSame(await line.read(UNIT, 2, 0, 8), [true, false, true, false, false, false, false, true]);
  t.strictSame(await line.read(UNIT, 1, 0, 8), new Array(8).fill(false));
  t.ok(await line.write(UNIT, 2, () => COIL_ON));
  t.strictSame((await line.read(UNIT, 1, 0, 8))[2], true);
  t.equal(coils[0], 0b100);
  t.ok(await line.write(UNIT, 2, () => COIL_OFF));
  t.strictSame((await line.read(UNIT, 1, 0, 8))[2], false);
}

t.test('our line reads and writes a jsmodbus server, over TCP', async (t) => {
  const listener = createServer();
  const sockets: Socket[] = [];
  listener.on('connection', (socket) => sockets.push(socket));
  const coils = Buffer.alloc(8);
  new servers.TCP(listener, { coils, discrete: Buffer.from([0b1000_0101, 0, 0, 0]) });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = parseAddress(`tcp://127.0.0.1:${(listener.address() as AddressInfo).port}`);
  const line = new BitLine({ address, clock: systemClock, answerMs: 2_000 });
  t.teardown(async () => {
    await line.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => listener.close(resolve));
  });
  await exchangeBits(t, line, coils);
});

t.test('our line reads and writes a jsmodbus server, over a serial line', async (t) => {
  ensureHelpers();
  const { pty, path } = await openPty();
  const gone = new Promise((resolve) => pty.once('exit', resolve));
  const stream = Duplex.from({ readable: pty.stdout, writable: pty.stdin });
  const coils = Buffer.alloc(8);
  const discrete = Buffer.from([0b1000_0101, 0, 0, 0]);
  // All that the server needs of a serial port is a stream.
  new servers.RTU(stream as unknown as ConstructorParameters<typeof servers.RTU>[0], { coils, discrete });
  const address = parseAddress(`rtu://${path}?baud=9600&parity=none&stop=1`);
  const line = new BitLine({ address, clock: systemClock, answerMs: 2_000 });
  t.teardown(async () => {
    await line.close();
    pty.stdin.end();
    await gone;
  });
  await exchangeBits(t, line, coils);
});

t.test('the simulated board answers a jsmodbus client', async (t) => {
  const relay = await startRelaySimulator();
  t.teardown(() => relay.stop());
  const socket = connect(Number(relay.address.split(':').at(-1)), '127.0.0.1');
  t.teardown(() => socket.destroy());
  const client = new clients.TCP(socket, UNIT, 5_000);
  await new Promise((resolve) => socket.once('connect', resolve));
  t.equal((await client.readCoils(0, 8)).response.body.valuesAsArray[0], 0);
  await client.writeSingleCoil(0, true);
  t.ok(await relay.isClosed());
  t.equal((await client.readCoils(0, 8)).response.body.valuesAsArray[0], 1);
  t.equal((await client.readDiscreteInputs(0, 8)).response.body.valuesAsArray[0], 1, 'its auxiliary contact');
  await client.writeSingleCoil(0, false);
  t.notOk(await relay.isClosed());
  await t.rejects(client.readCoils(100, 8), 'an exception');
});

t.test('the simulated board answers a modbus-serial client on a serial line', async (t) => {
  const relay = await startRelaySimulator({ serial: true });
  const client = new modbusSerial.default();
  await client.connectRTUBuffered(/rtu:\/\/([^?]+)/.exec(relay.address)![1]!, { baudRate: 9600 });
  t.teardown(async () => {
    await new Promise<void>((resolve) => client.close(() => resolve()));
    await relay.stop();
  });
  client.setID(UNIT);
  client.setTimeout(5_000);
  await client.writeCoil(0, true);
  t.ok(await relay.isClosed());
  t.equal((await client.readDiscreteInputs(0, 8)).data[0], true);
  t.equal((await client.readCoils(0, 8)).data[0], true);
  await client.writeCoil(0, false);
  t.notOk(await relay.isClosed());
});
