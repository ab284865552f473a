import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { appendFileSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { MetersealError } from '@meterseal/protocol';

/** How long a process may take to end by itself before it is killed. */
const STOP_MS = 10_000;

export type ChildOptions = {
  /** Path of the Node that runs it; this one if not given. */
  readonly node?: string;
  /** Besides this process's own. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What it prints is log. */
  readonly logsOutput?: boolean;
};

/** One process of the demo. Its errors and log go to a file, so that the terminal stays readable. */
export class Child {
  readonly name: string;
  readonly #process: ChildProcess;
  readonly #logFile: string;
  readonly #ended: Promise<void>;
  #stopping = false;
  #failed: MetersealError | undefined;

  /**
   * @param args of Node: a script and its arguments
   * @param onEnd called if the process ends without being asked to
   */
  constructor(
    name: string,
    args: readonly string[],
    logFile: string,
    onEnd: (error: MetersealError) => void,
    { node = process.execPath, environment = {}, logsOutput = false }: ChildOptions = {},
  ) {
    this.name = name;
    this.#logFile = logFile;
    const log = openSync(logFile, 'a', 0o600);
    this.#process = spawn(node, args, {
      stdio: ['pipe', logsOutput ? log : 'pipe', log],
      env: { ...process.env, ...environment },
      // Ctrl-C of the terminal reaches the demo alone, which ends its processes in order.
      detached: true,
    });
    const fail = (why: string): void => {
      this.#failed = this.#failure(why);
      onEnd(this.#failed);
    };
    this.#ended = new Promise((resolve) => {
      this.#process.once('exit', (code, signal) => {
        resolve();
        if (!this.#stopping) fail(`it ended with ${signal ?? `exit code ${code}`}`);
      });
      this.#process.once('error', (cause) => {
        resolve();
        fail(cause.message);
      });
    });
    this.#process.stdin?.on('error', () => {
      // A process that has ended does not read any more; its end is reported above.
    });
  }

  /** The first line on its standard output, as JSON: how a process says that it is ready. */
  async ready<T>(timeoutMs: number): Promise<T> {
    const lines = createInterface({ input: this.#process.stdout! });
    const deadline = AbortSignal.timeout(timeoutMs);
    try {
      const line = await new Promise<string>((resolve, reject) => {
        lines.once('line', resolve);
        deadline.addEventListener('abort', () =>
          reject(this.#failure(`it was not ready within ${timeoutMs} ms`)),
        );
        void this.#ended.then(() => reject(this.#failure('it ended before it was ready')));
      });
      return JSON.parse(line) as T;
    } finally {
      lines.close();
      this.#process.stdout!.resume();
    }
  }

  /** @throws MetersealError `stopped` if it has ended by itself */
  assertRunning(): void {
    if (this.#failed !== undefined) throw this.#failed;
  }

  /** Ends it by a signal, and by SIGKILL if that is not enough. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    this.#stopping = true;
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill(signal);
    const timer = setTimeout(() => {
      appendFileSync(this.#logFile, `${this.name} did not end within ${STOP_MS} ms and was killed\n`);
      this.#process.kill('SIGKILL');
    }, STOP_MS);
    await this.#ended;
    clearTimeout(timer);
  }

  #failure(why: string): MetersealError {
    return new MetersealError('stopped', `couldn't run ${this.name}: ${why}`, {
      hint: `Its log: ${this.#logFile}`,
    });
  }
}
