import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Fault } from './fault.js';

export interface SimulatorOptions {
  readonly tcp?: boolean;
  readonly serial?: boolean;
  /** Model by unit. */
  readonly units: Readonly<Record<number, string>>;
  readonly seed?: number;
  readonly epoch?: number;
  readonly speed?: number;
  readonly delayMs?: number;
}

/** A request as the simulator's log has it; `words` are the register words of that moment, in hex. */
export interface LoggedRequest {
  readonly event: 'request';
  /** Wall time, ms. */
  readonly time: number;
  readonly unit: number;
  readonly n: number;
  readonly fc: number;
  /** Of Modbus. */
  readonly at?: number;
  readonly count?: number;
  /** Of DL/T 645. */
  readonly identifier?: string;
  readonly words?: string;
  readonly fault?: string;
}

export interface Simulator {
  readonly tcpPort?: number;
  readonly serialPath?: string;
  setFault(fault: Fault): Promise<void>;
  clearFaults(unit?: number): Promise<void>;
  replaceSerial(unit: number, number: number): Promise<void>;
  requests(): LoggedRequest[];
  stop(): Promise<void>;
}

/** Starts the simulator in a process of its own and waits until it serves. */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  if (options.serial) ensureHelpers();
  const folder = mkdtempSync(join(tmpdir(), 'simulator-'));
  const log = join(folder, 'log');
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('./main.js', import.meta.url)), ...argumentsOf(options, log)],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async <T>(): Promise<T> => {
    const { value, done } = await lines.next();
    if (done) throw new Error('the simulator ended');
    return JSON.parse(value) as T;
  };
  const ready = await next<{ tcp?: { port: number }; serial?: { path: string } }>();
  let id = 0;
  const command = async (what: Record<string, unknown>): Promise<void> => {
    id += 1;
    child.stdin.write(`${JSON.stringify({ id, ...what })}\n`);
    await next();
  };
  return {
    ...(ready.tcp === undefined ? {} : { tcpPort: ready.tcp.port }),
    ...(ready.serial === undefined ? {} : { serialPath: ready.serial.path }),
    setFault: (fault) => command({ fault }),
    clearFaults: (unit) => command({ clear: unit === undefined ? {} : { unit } }),
    replaceSerial: (unit, number) => command({ serial: { unit, number } }),
    requests: () =>
      readFileSync(log, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as LoggedRequest)
        .filter(({ event }) => event === 'request'),
    stop: async () => {
      child.stdin.end();
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function argumentsOf(options: SimulatorOptions, log: string): string[] {
  const { tcp, serial, units, seed = 1, epoch, speed = 1, delayMs = 0 } = options;
  return [
    ...(tcp ? ['--tcp', '127.0.0.1:0'] : []),
    ...(serial ? ['--serial'] : []),
    ...Object.entries(units).flatMap(([unit, model]) => ['--unit', `${unit}=${model}`]),
    ...['--seed', String(seed), '--speed', String(speed), '--delay', String(delayMs), '--log', log],
    ...(epoch === undefined ? [] : ['--epoch', String(epoch)]),
  ];
}

/** Compiles the helpers in C, if nobody has yet. */
export function ensureHelpers(): void {
  const script = fileURLToPath(new URL('../../simulator/build-helpers.mjs', import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}
