import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import tap from 'tap';
import { PLAIN_NODE } from '../command-line.js';

const BIN = fileURLToPath(new URL('../../../daemon/bin/meterseal.js', import.meta.url));
const START = fileURLToPath(new URL('../../../daemon/setup/start.mjs', import.meta.url));
/** The environment variable by which all processes of one command are found. */
const MARK = 'METERSEAL_SCENARIO';
/** For one condition, on a machine that is busy with other tests. */
const DEADLINE_MS = 60_000;
tap.setTimeout(4 * DEADLINE_MS);

/** `meterseal` as a user starts it, with an eye on what it prints and on every process that comes of it. */
export class RunningCommand {
  output = '';
  readonly #mark = randomUUID();
  readonly #process;
  readonly #ended: Promise<unknown>;
  readonly #looks = new Set<() => void>();

  /** Ends with the test at the latest, and whatever it has started with it. */
  constructor(t: Test, ...args: readonly string[]) {
    const [command, before] = PLAIN_NODE;
    this.#process = spawn(command, [...before, this.script, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, [MARK]: this.#mark },
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.on('data', (piece) => {
        this.output += piece;
        for (const look of this.#looks) look();
      });
    }
    this.#ended = once(this.#process, 'close');
    t.teardown(async () => {
      this.#process.kill('SIGTERM');
      await this.#ended;
      for (const pid of this.processes()) tryKill(pid);
    });
  }

  protected get script(): string {
    return BIN;
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** Resolves with the last match as soon as the output has one; rejects if the command ends before, or is too slow. */
  async shows(pattern: RegExp, deadlineMs = DEADLINE_MS): Promise<RegExpMatchArray> {
    const all = new RegExp(pattern, 'g');
    let timer: NodeJS.Timeout | undefined;
    let look = (): void => {};
    try {
      return await new Promise((resolve, reject) => {
        const fail = (why: string): void =>
          reject(new Error(`${pattern} was not shown: ${why}\n${this.output}`));
        look = () => {
          const found = [...this.output.matchAll(all)].at(-1);
          if (found !== undefined) resolve(found);
        };
        timer = setTimeout(() => fail(`not within ${deadlineMs} ms`), deadlineMs);
        void this.#ended.then(() => fail('the command ended'));
        this.#looks.add(look);
        look();
      });
    } finally {
      clearTimeout(timer);
      this.#looks.delete(look);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Closes the reading end of its standard output. */
  stopReading(): void {
    this.#process.stdout.destroy();
  }

  /** Waits until the command and what it has started is as wanted. */
  async has(isSo: (processes: readonly number[]) => boolean): Promise<void> {
    const end = performance.now() + DEADLINE_MS;
    while (!isSo(this.processes())) {
      if (performance.now() > end) throw new Error(`waited in vain for its processes\n${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Waits for its end. @returns its exit code */
  async end(): Promise<number | null> {
    await this.#ended;
    return this.#process.exitCode;
  }

  /** Every process that lives and came of it, itself included. */
  processes(): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => environmentOf(pid).includes(`${MARK}=${this.#mark}`))
      .map(Number);
  }
}

/** What `npm start` runs, with its own arguments: it sets up what is missing, and starts the demo. */
export class NpmStart extends RunningCommand {
  protected override get script(): string {
    return START;
  }
}

/** Of a process that may be gone by now, or somebody else's. */
function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return '';
  }
}

/** Whoever has ended meanwhile need not be killed. */
function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
