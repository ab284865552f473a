/*
 * A simulator of Modbus meters, for development, the demo and tests.
 *
 *   node test/dist/simulator/main.js --tcp 127.0.0.1:0 --unit 1=sdm630 --unit 2=sdm120
 *   node test/dist/simulator/main.js --serial --unit 1=sdm120 --fault unit=1,kind=late,probability=0.1,ms=300
 *
 * A meter of a profile by DL/T 645 is on the serial line only, under its address.
 *
 * Says when it is ready with one JSON line, {"tcp":{"port":N},"serial":{"path":"/dev/pts/N"}}, then takes commands as
 * JSON lines and answers each with {"id":…,"ok":true}:
 *
 *   {"id":1,"fault":{"unit":1,"kind":"silent"}}   {"id":2,"clear":{"unit":1}}   {"id":3,"serial":{"unit":1,"number":77}}
 *
 * Ends with its standard input, or by SIGTERM. docs/modbus.md has all options.
 */
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { SeededRandom } from '../protocol/seeded-random.js';
import { EventLog } from './event-log.js';
import { checkFault, Faults, parseFault } from './fault.js';
import type { MeterRequest } from './meter.js';
import { Meter } from './meter.js';
import { RegisterImage } from './register-image.js';
import { serveSerial } from './serial-side.js';
import { serveTcp } from './tcp-side.js';

const { values: options } = parseArgs({
  options: {
    tcp: { type: 'string' },
    serial: { type: 'boolean' },
    unit: { type: 'string', multiple: true },
    seed: { type: 'string', default: '1' },
    /** Wall time in milliseconds at which the curves begin: the same again, and energies go on where they were. */
    epoch: { type: 'string' },
    speed: { type: 'string', default: '1' },
    delay: { type: 'string', default: '0' },
    fault: { type: 'string', multiple: true },
    log: { type: 'string' },
  },
});

const log = new EventLog(options.log);
const seed = Number(options.seed);
const epoch = options.epoch === undefined ? Date.now() : Number(options.epoch);
const random = new SeededRandom(seed);
const faults = new Faults(random);
for (const text of options.fault ?? []) faults.add(parseFault(text));

const meters = new Map<number, Meter>();
for (const text of options.unit ?? []) {
  const [number, model] = text.split('=');
  const unit = Number(number);
  if (model === undefined || !Number.isInteger(unit) || unit < 1 || unit > 999_999_999_998)
    throw new Error(`--unit ${text}`);
  const image = new RegisterImage(model, seed * 1_000 + unit, 20_000_000 + seed * 1_000 + unit);
  const delayMs = Number(options.delay);
  meters.set(unit, new Meter({ image, unit, secondsNow, delayMs, faults, random, log }));
}

const handle = (request: MeterRequest): void => meters.get(request.unit)?.handle(request);
const ready: { tcp?: { port: number }; serial?: { path: string } } = {};
if (options.tcp !== undefined) {
  const colon = options.tcp.lastIndexOf(':');
  const port = Number(options.tcp.slice(colon + 1));
  ready.tcp = { port: await serveTcp(options.tcp.slice(0, colon), port, handle) };
}
if (options.serial) {
  const { pty, path } = await serveSerial(handle);
  ready.serial = { path };
  // The helper ends with its input, and that ends with this process.
  pty.once('exit', () => process.exit(1));
}
print(ready);

process.once('SIGTERM', () => process.exit(0));
createInterface({ input: process.stdin })
  .on('line', obey)
  .on('close', () => process.exit(0));

function secondsNow(): number {
  return ((performance.timeOrigin + performance.now() - epoch) / 1_000) * Number(options.speed);
}

function obey(line: string): void {
  const command = JSON.parse(line) as {
    id: number;
    fault?: unknown;
    clear?: { unit?: number };
    serial?: { unit: number; number: number };
  };
  const { id, fault, clear, serial } = command;
  if (clear !== undefined) faults.clear(clear.unit);
  if (fault !== undefined) faults.add(checkFault(fault));
  if (serial !== undefined) meters.get(serial.unit)?.image.replaceSerial(serial.number);
  log.write({ event: 'command', ...command });
  print({ id, ok: true });
}

function print(message: unknown): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
