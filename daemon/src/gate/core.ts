import type { LeaseAnswer, LeaseRequest, LeaseResult, MetersealError } from '@meterseal/protocol';
import type { Clock } from '../host/clock.js';
import type { Logger } from '../host/logger.js';
import { within } from './deadline.js';
import type { SwitchDriver } from './driver.js';
import { IsolationSwitch } from './isolation-switch.js';
import type { GateState, Lease } from './machine.js';
import type { SwitchChain } from './switch-client.js';
import { TransitionCommitter } from './transition-committer.js';
import type { TransitionSpool } from './transition-spool.js';

export type GateCoreOptions = {
  readonly driver: SwitchDriver;
  readonly spool: TransitionSpool;
  readonly chain: SwitchChain;
  /** Cap on every lease. */
  readonly maxLeaseMs: number;
  readonly clock: Clock;
  readonly log: Logger;
};

/** Milliseconds that a request waits for what has to be on the chain before it. */
const CHAIN_MS = 3_000;
/** Milliseconds that a stop waits for the chain. */
const STOP_MS = 2_000;

/** The gate without its ports: decides on lease requests, moves the switch, and has every transition committed. */
export class GateCore {
  /** The switch, to be looked at: it is moved here. */
  readonly switch: Pick<IsolationSwitch, 'state' | 'since' | 'readBacks' | 'mayPass'>;
  /** Resolves, never rejects, with what the gate cannot go on after; it is isolated then and takes no lease. */
  readonly failed: Promise<MetersealError>;
  readonly #options: GateCoreOptions;
  readonly #switch: IsolationSwitch;
  readonly #committer: TransitionCommitter;
  /** A request is between its checks and its place in the machine. */
  #admitting = false;
  #stopping = false;

  constructor(options: GateCoreOptions) {
    const { driver, spool, chain, clock, log } = options;
    this.#options = options;
    this.#committer = new TransitionCommitter({
      spool,
      chain,
      clock,
      log,
      onRefused: () => this.#switch.feed({ kind: 'refused' }),
      onAdopted: (to) => this.#switch.feed({ kind: 'adopted', to }),
    });
    let fail: (error: MetersealError) => void = () => {};
    this.failed = new Promise((resolve) => {
      fail = resolve;
    });
    this.#switch = new IsolationSwitch({
      driver,
      spool,
      committer: this.#committer,
      clock,
      log,
      onFailure: (error) => fail(error),
    });
    this.switch = this.#switch;
  }

  /** Isolates, reads back, and closes what an earlier run left open. No lease may be asked for before it resolves. */
  async boot(): Promise<void> {
    this.#switch.feed({ kind: 'boot', recorded: this.#options.spool.last?.state ?? 'isolated' });
    await this.#switch.rest();
  }

  /** Begins to have spooled transitions committed in the background. */
  startCommitting(): void {
    this.#committer.start();
  }

  /**
   * What comes of a lease request that was admitted.
   *
   * @param gone aborted when the one who asked hangs up before the answer
   */
  ask(request: LeaseRequest, gone: AbortSignal): Promise<LeaseAnswer> {
    return request.action === 'connect' ? this.#connect(request, gone) : this.#release(request);
  }

  /** Isolates for good; resolves with the last state. */
  isolate(): Promise<GateState> {
    this.#stopping = true;
    return this.#switch.end();
  }

  /** Tries for a moment to have the last transitions committed, and gives up what is under way. */
  async stopCommitting(): Promise<void> {
    const { spool, clock } = this.#options;
    if (spool.pending.length > 0) {
      // What does not get through now is spooled, and gets through after the next start.
      await within(clock, STOP_MS, this.#committer.flush(), undefined).catch(() => {});
    }
    await this.#committer.stop();
  }

  /** Milliseconds until a lease is over. */
  left(lease: Lease): number {
    return Math.max(0, Math.floor(lease.deadline - this.#options.clock.monotonic()));
  }

  async #connect(request: LeaseRequest, gone: AbortSignal): Promise<LeaseAnswer> {
    const { clock, maxLeaseMs } = this.#options;
    const max = Math.min(request.max, maxLeaseMs);
    const meant = request.purpose !== 'none' && max > 0 && request.lease.some((byte) => byte !== 0);
    if (!meant || this.#stopping) return answerOf(request, 'refused');
    if (this.#switch.state.name === 'fault') return answerOf(request, 'fault');
    if (this.#switch.state.name !== 'isolated' || this.#admitting) return answerOf(request, 'busy');
    const { lease: id, collectorKey: who, counter, purpose } = request;
    const lease: Lease = { id, who, counter, purpose, max, deadline: clock.monotonic() + max };
    this.#admitting = true;
    try {
      // What happened before must be on the chain before anything new begins.
      const agreed = this.#committer.flush().then(
        () => true,
        () => false,
      );
      const ready = await within(clock, Math.min(CHAIN_MS, max), agreed, false);
      if (!ready || gone.aborted || this.#stopping) return answerOf(request, 'refused');
      this.#switch.feed({ kind: 'lease', lease });
    } finally {
      this.#admitting = false;
    }
    const hangUp = (): void => this.#switch.feed({ kind: 'release', id, who });
    gone.addEventListener('abort', hangUp);
    const state = await this.#writtenState();
    gone.removeEventListener('abort', hangUp);
    if (state.name === 'fault') return answerOf(request, 'fault');
    if (state.name !== 'connected' || state.lease !== lease) return answerOf(request, 'refused');
    return { result: 'connected', lease: id, port: state.port, granted: this.left(lease) };
  }

  /** The answer says what the link is afterwards: `refused` is not connected, `busy` is connected for another. */
  async #release(request: LeaseRequest): Promise<LeaseAnswer> {
    this.#switch.feed({ kind: 'release', id: request.lease, who: request.collectorKey });
    const state = await this.#writtenState();
    if (state.name === 'fault') return answerOf(request, 'fault');
    return answerOf(request, state.name === 'connected' ? 'busy' : 'refused');
  }

  /** The state that lasts, once every transition to it is written down: nobody is told what a crash could take back. */
  async #writtenState(): Promise<GateState> {
    const state = await this.#switch.rest();
    // Where writing fails the switch goes to fault by itself.
    const isWritten = await this.#options.spool.settled().then(
      () => true,
      () => false,
    );
    const isOver = state.name === 'connected' && this.#switch.state !== state;
    return isWritten && !isOver ? state : this.#switch.rest();
  }
}

function answerOf(request: LeaseRequest, result: LeaseResult): LeaseAnswer {
  return { result, lease: request.lease, port: 0, granted: 0 };
}
