import { isMetersealError } from '@meterseal/protocol';
import type { Clock } from './clock.js';
import type { Logger } from './logger.js';

export type WorkerOptions = {
  /** For the log. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Does one piece of work; true if there is more to do at once. */
  readonly step: () => Promise<boolean>;
  /** Looks for work this often even if nobody woke it. */
  readonly idleMs: number;
  /** First and longest pause after a failure. */
  readonly retryMs: { readonly first: number; readonly most: number };
};

/**
 * Repeats one piece of work: at once while there is more, when it is woken, and after a growing pause where it failed. A
 * failure never ends it.
 */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #stop = new AbortController();
  #wake = new AbortController();
  #running: Promise<void> | undefined;
  #failures = 0;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** There may be work. */
  wake(): void {
    this.#wake.abort();
  }

  /** True while the last piece of work failed: what it talks to is away. */
  get isFailing(): boolean {
    return this.#failures > 0;
  }

  /** Resolves when the piece of work under way has ended. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, step, idleMs } = this.#options;
    while (!this.#stop.signal.aborted) {
      // Whatever comes while this piece of work runs wakes the next one.
      this.#wake = new AbortController();
      let pause = idleMs;
      let wakeable = true;
      try {
        const more = await step();
        if (this.#failures > 0) this.#options.log.info({ worker: this.#options.name }, 'works again');
        this.#failures = 0;
        if (more) continue;
      } catch (error) {
        pause = this.#failed(error);
        wakeable = false;
      }
      const signals = wakeable ? [this.#stop.signal, this.#wake.signal] : [this.#stop.signal];
      await clock.sleep(pause, AbortSignal.any(signals));
    }
  }

  /** Logs a failure once per outage, and says how long to pause. */
  #failed(error: unknown): number {
    const { log, name, retryMs } = this.#options;
    const expected = isMetersealError(error, 'unreachable', 'timeout');
    if (this.#failures === 0 || !expected)
      log.warn({ worker: name, err: error }, 'failed, will be tried again');
    const pause = Math.min(retryMs.most, retryMs.first * 2 ** Math.min(this.#failures, 16));
    this.#failures++;
    return pause;
  }
}
