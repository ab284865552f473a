import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { RelayFaults } from './relay-board.js';
import { ensureHelpers } from './start.js';

export type RelaySimulatorOptions = {
  readonly serial?: boolean;
  readonly contactUnit?: number;
  /** Network device that the contact is in the line of. */
  readonly cuts?: string;
  /** Runs the simulator by another command, such as `ip netns exec NAME`. */
  readonly within?: readonly string[];
};

/** A move of the contact, by the wall clock in milliseconds. */
export type ContactMove = { readonly time: number; readonly closed: boolean };

export type RelaySimulator = {
  /** As the configuration names a line. */
  readonly address: string;
  setFaults(faults: RelayFaults): Promise<void>;
  /** Where the contact really is; true is connected. */
  isClosed(): Promise<boolean>;
  plug(isPlugged: boolean): Promise<void>;
  moves(): ContactMove[];
  /** Requests that came, as PDUs in hex. */
  requests(): string[];
  stop(): Promise<void>;
};

/** Starts a relay board in a process of its own and waits until it serves: by TCP, if not told otherwise. */
export async function startRelaySimulator(options: RelaySimulatorOptions = {}): Promise<RelaySimulator> {
  if (options.serial) ensureHelpers();
  const folder = mkdtempSync(join(tmpdir(), 'relay-'));
  const log = join(folder, 'log');
  const { serial, contactUnit, cuts, within = [] } = options;
  const [command, ...args] = [
    ...within,
    process.execPath,
    fileURLToPath(new URL('./relay-main.js', import.meta.url)),
    ...(serial ? ['--serial'] : ['--tcp', '127.0.0.1:0']),
    ...(contactUnit === undefined ? [] : ['--contact-unit', String(contactUnit)]),
    ...(cuts === undefined ? [] : ['--cuts', cuts]),
    ...['--log', log],
  ];
  const child = spawn(command!, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async <T>(): Promise<T> => {
    const { value, done } = await lines.next();
    if (done) throw new Error('the relay simulator ended');
    return JSON.parse(value) as T;
  };
  const ready = await next<{ tcp?: { port: number }; serial?: { path: string } }>();
  let id = 0;
  const ask = async (what: Record<string, unknown>): Promise<{ closed: boolean }> => {
    id += 1;
    child.stdin.write(`${JSON.stringify({ id, ...what })}\n`);
    return next();
  };
  const events = (): Record<string, unknown>[] =>
    readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return {
    address:
      ready.tcp === undefined
        ? `rtu://${ready.serial!.path}?baud=9600&parity=none&stop=1`
        : `tcp://127.0.0.1:${ready.tcp.port}`,
    setFaults: async (faults) => void (await ask({ faults })),
    isClosed: async () => (await ask({})).closed,
    plug: async (plugged) => void (await ask({ plugged })),
    moves: () => events().filter(({ event }) => event === 'contact') as unknown as ContactMove[],
    requests: () => events().flatMap(({ event, pdu }) => (event === 'request' ? String(pdu) : [])),
    stop: async () => {
      child.stdin.end();
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
