import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

const BIN = fileURLToPath(new URL('../../daemon/bin/meterseal.js', import.meta.url));

/** `meterseal …` as a process that runs until it is ended, at the latest with the test. */
export class RunningProcess {
  stdout = '';
  stderr = '';
  /** Exit code or signal, once it has ended. */
  end: number | NodeJS.Signals | undefined;
  readonly #child: ChildProcess;

  /** @param folder in which it works */
  constructor(t: Test, args: readonly string[], folder = '/') {
    this.#child = spawn(process.execPath, [BIN, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of ['stdout', 'stderr'] as const) {
      this.#child[stream]!.setEncoding('utf8').on('data', (text: string) => {
        this[stream] += text;
      });
    }
    this.#child.once('close', (code, signal) => {
      this.end = code ?? signal ?? undefined;
    });
    t.teardown(() => this.kill('SIGKILL'));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Sends a signal that ends it, and waits until it has ended. */
  async kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (this.end !== undefined) return;
    const closed = once(this.#child, 'close');
    this.#child.kill(signal);
    await closed;
  }
}
