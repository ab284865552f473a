import { BackOff } from './back-off.js';
import type { Clock } from './clock.js';
import { isOutage } from './http-client.js';
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
  /** Waits so long after it was woken, so that what comes together is done together; not at all if not given. */
  readonly gatherMs?: number;
  /** First and longest pause after a failure. */
  readonly retryMs: { readonly first: number; readonly most: number };
};

/**
 * Repeats one piece of work: at once while there is more, when it is woken, and after a growing pause where it failed. A
 * failure never ends it.
 */
export class Worker {
  readonly #options: WorkerOptions;
  /** True if there may be work that the last look did not see. */
  #woken = false;
  #stopped = false;
  /** Ends the pause under way; a pause after a failure ends early only to stop. */
  #pause: { readonly end: AbortController; readonly wakeable: boolean } | undefined;
  #running: Promise<void> | undefined;
  readonly #failures: BackOff;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#failures = new BackOff(options.clock, options.retryMs);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** There may be work. */
  wake(): void {
    this.#woken = true;
    if (this.#pause?.wakeable) this.#pause.end.abort();
  }

  /** True while the last piece of work failed: what it talks to is away. */
  get isFailing(): boolean {
    return this.#failures.failures > 0;
  }

  /** Resolves when the piece of work under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#pause?.end.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { step, idleMs, gatherMs = 0, log, name } = this.#options;
    while (!this.#stopped) {
      // Before the look, not after it: whatever comes while it looks is seen by the next one.
      this.#woken = false;
      try {
        const more = await step();
        if (this.isFailing) log.info({ worker: name }, 'works again');
        this.#failures.succeeded();
        if (more) continue;
        if (!this.#woken) await this.#sleep(idleMs, true);
        if (gatherMs > 0) await this.#sleep(gatherMs, false);
      } catch (error) {
        await this.#sleep(this.#failed(error), false);
      }
    }
  }

  async #sleep(ms: number, wakeable: boolean): Promise<void> {
    if (this.#stopped) return;
    const end = new AbortController();
    this.#pause = { end, wakeable };
    await this.#options.clock.sleep(ms, end.signal);
    this.#pause = undefined;
  }

  /** Logs a failure, an outage only once, and says how long to pause. */
  #failed(error: unknown): number {
    const { log, name } = this.#options;
    if (!this.isFailing || !isOutage(error)) {
      log.warn({ worker: name, err: error }, 'failed, will be tried again');
    }
    return this.#failures.failed();
  }
}
