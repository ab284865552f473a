import type { SwitchState } from '@meterseal/protocol';
import type { Clock } from '../host/clock.js';
import { RefusedRequest } from '../host/http-client.js';
import type { Logger } from '../host/logger.js';
import type { SwitchChain } from './switch-client.js';
import type { TransitionSpool } from './transition-spool.js';

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 60_000;

export type CommitterOptions = {
  readonly spool: TransitionSpool;
  readonly chain: SwitchChain;
  readonly clock: Clock;
  readonly log: Logger;
  /** The chain refused a `connecting` for good; it and what followed it is withdrawn from the spool. */
  readonly onRefused: () => void;
  /** The chain's last transition was taken as ours. */
  readonly onAdopted: (to: SwitchState) => void;
};

/**
 * Brings spooled transitions to the chain, in order, as often as it takes. The chain's numbering rules: where spool
 * and chain have fallen apart (one of them was lost or restored), the gate goes on from the chain's last.
 */
export class TransitionCommitter {
  readonly #options: CommitterOptions;
  readonly #stopped = new AbortController();
  #agreed = false;
  /** Set when the chain refused what is not a `connecting`: only its own last transition can be followed on. */
  #mustAdopt = false;
  #flushing: Promise<void> | null = null;
  #woken = new AbortController();
  #running: Promise<void> | null = null;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  /**
   * Agrees with the chain on the numbering, and has everything committed that is spooled.
   *
   * @throws what the chain or the spool answered; what is not committed stays spooled
   */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush();
    return this.#flushing;
  }

  /** Keeps flushing in the background, with back-off, until `stop`. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Says that something new was spooled. */
  wake(): void {
    this.#woken.abort();
  }

  /** Gives up what is under way; it stays spooled. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#options.chain.close();
    this.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    let delay = FIRST_RETRY_MS;
    while (!this.#stopped.signal.aborted) {
      this.#woken = new AbortController();
      try {
        await this.flush();
        if (delay > FIRST_RETRY_MS) log.info('transitions are committed again');
        delay = FIRST_RETRY_MS;
        if (this.#options.spool.pending.length === 0) await aborted(this.#woken.signal);
      } catch (error) {
        if (this.#stopped.signal.aborted) return;
        // A refusal was reported where it was met.
        if (delay === FIRST_RETRY_MS && !isForGood(error)) {
          log.warn({ err: error }, 'transitions wait for the chain');
        }
        await clock.sleep(delay, this.#woken.signal);
        delay = Math.min(2 * delay, LONGEST_RETRY_MS);
      }
    }
  }

  async #flush(): Promise<void> {
    const { spool, chain } = this.#options;
    try {
      if (!this.#agreed) await this.#agree();
      for (;;) {
        await spool.settled();
        const next = spool.pending[0];
        if (next === undefined) return;
        try {
          await chain.commit(next.seq, next.transition);
        } catch (error) {
          if (isForGood(error)) this.#withdraw(next.seq, next.transition.to, error);
          throw error;
        }
        await spool.committed(next.seq);
      }
    } finally {
      // In the same turn as the last look at the spool: what is spooled after it starts a flush of its own.
      this.#flushing = null;
    }
  }

  async #agree(): Promise<void> {
    const { spool, chain, log, onAdopted } = this.#options;
    await spool.settled();
    const theirs = await chain.last();
    const ours = spool.last;
    const follows = ours !== null && theirs.seq >= spool.committedSeq && theirs.seq <= ours.seq;
    if (!follows || this.#mustAdopt) {
      if (ours !== null)
        log.error({ ours, theirs }, 'spool and chain disagree on the transitions: the chain rules');
      const rebased = spool.rebase(theirs);
      onAdopted(theirs.state);
      await rebased;
    }
    this.#mustAdopt = false;
    this.#agreed = true;
  }

  #withdraw(seq: number, to: SwitchState, error: RefusedRequest): void {
    const { spool, log, onRefused } = this.#options;
    this.#agreed = false;
    if (to !== 'connecting') {
      log.error({ seq, err: error }, 'the chain refuses a transition');
      this.#mustAdopt = true;
      return;
    }
    log.warn({ seq, err: error }, 'the chain refuses to have the switch connected');
    void spool.rebase({ seq: seq - 1, state: 'isolated' }).catch(() => {});
    onRefused();
  }
}

function isForGood(error: unknown): error is RefusedRequest {
  return error instanceof RefusedRequest && error.status >= 400 && error.status < 500 && error.status !== 429;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
