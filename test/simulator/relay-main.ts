/*
 * A simulator of a relay board for the isolation switch.
 *
 *   node test/dist/simulator/relay-main.js --tcp 127.0.0.1:0 --log FILE
 *   node test/dist/simulator/relay-main.js --serial --contact-unit 2
 *
 * Says when it is ready with one JSON line, {"tcp":{"port":N},"serial":{"path":"/dev/pts/N"}}, then takes commands as JSON
 * lines and answers each with {"id":…,"ok":true,"closed":…}:
 *
 *   {"id":1,"faults":{"stuck":"closed"}}   {"id":2,"faults":{}}   {"id":3,"plugged":false}
 *
 * Ends with its standard input, or by SIGTERM. docs/isolation.md has the faults.
 */
import { spawnSync } from 'node:child_process';
import type { Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { EventLog } from './event-log.js';
import type { MeterRequest } from './meter.js';
import type { RelayFaults } from './relay-board.js';
import { RelayBoard } from './relay-board.js';
import type { Pty } from './serial-side.js';
import { serveSerial } from './serial-side.js';
import { serveSocket } from './tcp-side.js';

const { values: options } = parseArgs({
  options: {
    tcp: { type: 'string' },
    serial: { type: 'boolean' },
    unit: { type: 'string', default: '1' },
    /** Unit that the inputs answer at, where they are on a board of their own. */
    'contact-unit': { type: 'string' },
    /** Network device that the relay's contact is in the line of. */
    cuts: { type: 'string' },
    log: { type: 'string' },
  },
});

const log = new EventLog(options.log);
const board = new RelayBoard((closed) => {
  if (options.cuts !== undefined) spawnSync('ip', ['link', 'set', options.cuts, closed ? 'up' : 'down']);
  log.write({ event: 'contact', closed });
});
const unit = Number(options.unit);
const contactUnit = Number(options['contact-unit'] ?? unit);
let requests = 0;

function handle(request: MeterRequest): void {
  const isInput = request.pdu[0] === 2;
  if (request.unit !== (isInput ? contactUnit : unit) || board.faults.silent) return;
  const answer = request.frame(request.unit, board.answer(request.pdu));
  log.write({ event: 'request', pdu: Buffer.from(request.pdu).toString('hex') });
  const { lateMs = 0, losesOneOf } = board.faults;
  requests++;
  if (losesOneOf !== undefined && requests % losesOneOf === 0) return;
  if (lateMs === 0) request.send(answer);
  else setTimeout(() => request.send(answer), lateMs);
}

const sockets = new Set<Socket>();
let server: Server | undefined;
let pty: Pty | undefined;
const ready: { tcp?: { port: number }; serial?: { path: string } } = {};
if (options.tcp !== undefined) ready.tcp = { port: await listen(Number(options.tcp.split(':')[1])) };
if (options.serial) {
  const serial = await serveSerial(handle);
  pty = serial.pty;
  ready.serial = { path: serial.path };
}
print(ready);

process.once('SIGTERM', () => process.exit(0));
createInterface({ input: process.stdin })
  .on('line', (line) => void obey(line))
  .on('close', () => process.exit(0));

async function obey(line: string): Promise<void> {
  const command = JSON.parse(line) as { id: number; faults?: RelayFaults; plugged?: boolean };
  if (command.faults !== undefined) board.set(command.faults);
  if (command.plugged === false) unplug();
  if (command.plugged === true && ready.tcp !== undefined) await listen(ready.tcp.port);
  log.write({ event: 'command', ...command });
  print({ id: command.id, ok: true, closed: board.isClosed });
}

/** The board goes on without its line; a serial one is gone for good, as its device is. */
function unplug(): void {
  server?.close();
  for (const socket of sockets) socket.resetAndDestroy();
  pty?.kill();
}

function listen(port: number): Promise<number> {
  const opened = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serveSocket(socket, handle);
  });
  server = opened;
  return new Promise((resolve, reject) => {
    opened.once('error', reject);
    opened.listen(port, '127.0.0.1', () => resolve((opened.address() as { port: number }).port));
  });
}

function print(message: unknown): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
