import type { ReadBack } from '@meterseal/protocol';
import { MetersealError, toHex } from '@meterseal/protocol';
import type { Clock } from '../host/clock.js';
import type { Logger } from '../host/logger.js';
import { within } from './deadline.js';
import type { SwitchDriver } from './driver.js';
import type { Effect, GateState, Input, Lease, Machine, TransitionDraft } from './machine.js';
import { NEW_MACHINE, step } from './machine.js';
import type { TransitionCommitter } from './transition-committer.js';
import type { TransitionSpool } from './transition-spool.js';

/** Milliseconds for each task of the driver. */
const DRIVER_MS = 5_000;
/** Milliseconds that `connecting` waits to be committed. */
const COMMIT_MS = 5_000;
/** Milliseconds between two looks at the witnesses while connected, and where it has to be while isolated. */
const CHECK_MS = 5_000;
/**
 * The last milliseconds of a lease, in which what they say is not judged: a driver with a timer of its own has it run out
 * a little before the lease, and the end of the lease looks at them anyway.
 */
const ENDING_MS = 1_500;
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 30_000;

const NO_LEASE = {
  id: new Uint8Array(16),
  who: new Uint8Array(32),
  counter: 0,
  purpose: 'none',
  max: 0,
} as const;

export type SwitchOptions = {
  readonly driver: SwitchDriver;
  readonly spool: TransitionSpool;
  readonly committer: Pick<TransitionCommitter, 'flush' | 'wake'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** A transition could not be written down: the switch is isolated, and takes no lease any more. */
  readonly onFailure: (error: MetersealError) => void;
};

/** Runs the state machine: does what it asks for, keeps its time limits, and feeds back what came of it. */
export class IsolationSwitch {
  readonly #options: SwitchOptions;
  readonly #ended = new AbortController();
  #machine: Machine = NEW_MACHINE;
  #since: number;
  /** Lives as long as one lease. */
  #window = new AbortController();
  /** Lives as long as the switch is looked at in one state. */
  #watched = new AbortController();
  #retryMs = FIRST_RETRY_MS;
  #givenUp = false;
  #driving: Promise<void> = Promise.resolve();
  #restWaiters: ((state: GateState) => void)[] = [];

  constructor(options: SwitchOptions) {
    this.#options = options;
    this.#since = options.clock.now();
    void options.spool.failed.then((error) => this.#giveUp(error));
  }

  get state(): GateState {
    return this.#machine.state;
  }

  /** Wall time at which the state was entered, milliseconds since 1970. */
  get since(): number {
    return this.#since;
  }

  get readBacks(): readonly ReadBack[] {
    return this.#machine.readBacks;
  }

  /** True while data may pass: connected, read back, and the lease not over by the clock, timer or no timer. */
  mayPass(): boolean {
    const { state } = this.#machine;
    return state.name === 'connected' && this.#options.clock.monotonic() < state.lease.deadline;
  }

  /** The one way by which anything changes. */
  feed(input: Input): void {
    const before = this.#machine.state;
    const { machine, effects } = step(this.#machine, input);
    this.#machine = machine;
    for (const effect of effects) this.#perform(effect);
    const { state } = machine;
    if (state === before) return;
    if (state.name !== before.name) this.#since = this.#options.clock.now();
    if (state.name === 'isolated' || state.name === 'connected') this.#retryMs = FIRST_RETRY_MS;
    if (state.name === 'fault' && before.name === 'isolated') {
      this.#options.log.error({ readBacks: machine.readBacks }, 'the switch was moved while isolated');
    }
    this.#followLease(before, state);
    if (!isAtRest(state)) return;
    const waiters = this.#restWaiters;
    this.#restWaiters = [];
    for (const resolve of waiters) resolve(state);
  }

  /** The state as soon as it is one that lasts: isolated, connected or fault. */
  rest(): Promise<GateState> {
    const { state } = this.#machine;
    if (isAtRest(state)) return Promise.resolve(state);
    return new Promise((resolve) => this.#restWaiters.push(resolve));
  }

  /** Isolates for good; resolves with the last state when the driver has nothing more to do. */
  async end(): Promise<GateState> {
    this.feed({ kind: 'stop' });
    await this.rest();
    await this.#driving;
    this.#ended.abort();
    this.#watched.abort();
    return this.#machine.state;
  }

  #perform(effect: Effect): void {
    switch (effect.act) {
      case 'record':
        this.#record(effect.transition);
        break;
      case 'commit':
        void this.#commit(effect.lease);
        break;
      case 'connect':
      case 'isolate':
        this.#driving = this.#drive(effect.act, effect.operation);
        break;
      case 'retry-later':
        void this.#retryLater();
    }
  }

  #record(draft: TransitionDraft): void {
    const { driver, spool, committer, clock, log } = this.#options;
    const { from, to, fault, readBacks } = draft;
    const { id, who, counter, purpose, max } = draft.lease ?? NO_LEASE;
    const fields = { from, to, fault, lease: toHex(id), readBacks };
    if (fault === 'none') log.info(fields, 'switch');
    else log.error(fields, 'switch');
    const { name, grade } = driver;
    const at = clock.now();
    spool
      .append({ from, to, driver: name, grade, lease: id, who, counter, purpose, fault, at, max, readBacks })
      .then(
        () => committer.wake(),
        (error: unknown) => this.#giveUp(error),
      );
  }

  #giveUp(error: unknown): void {
    if (this.#givenUp) return;
    this.#givenUp = true;
    const internal = "couldn't spool transition: internal failure";
    const failure =
      error instanceof MetersealError
        ? error
        : new MetersealError('commit-failed', internal, { cause: error });
    this.#options.log.error({ err: failure }, 'the gate cannot go on');
    this.feed({ kind: 'unrecorded' });
    this.#options.onFailure(failure);
  }

  async #commit(lease: Lease): Promise<void> {
    const { committer, clock } = this.#options;
    const flushed = committer.flush().then(
      () => true,
      () => false,
    );
    const committed = await within(clock, COMMIT_MS, flushed, false);
    this.feed({ kind: committed ? 'committed' : 'unanswered', lease });
  }

  async #drive(act: 'connect' | 'isolate', operation: number): Promise<void> {
    const { driver, clock, log } = this.#options;
    try {
      const until = liveLease(this.#machine.state)?.deadline ?? clock.monotonic();
      const moved = act === 'connect' ? driver.connect(until) : driver.isolate().then(() => 0);
      const done = moved.then(async (port) => ({ port, readBacks: await driver.readBacks() }));
      const result = await within(clock, DRIVER_MS, done, null);
      if (result === null) log.error({ act }, 'the driver does not answer');
      if (result === null) this.feed({ kind: 'hung', operation });
      else this.feed({ kind: 'driven', operation, ...result });
    } catch (error) {
      log.error({ err: error, act }, 'the driver failed');
      this.feed({ kind: 'failed', operation, readBacks: await this.#readBack() });
    }
  }

  /** What the witnesses say now; none if they do not answer. */
  #readBack(): Promise<ReadBack[]> {
    const { driver, clock } = this.#options;
    const asked = driver.readBacks().catch(() => []);
    return within(clock, DRIVER_MS, asked, []);
  }

  async #retryLater(): Promise<void> {
    const delay = this.#retryMs;
    this.#retryMs = Math.min(2 * delay, LONGEST_RETRY_MS);
    await this.#options.clock.sleep(delay, this.#ended.signal);
    if (!this.#ended.signal.aborted) this.feed({ kind: 'retry' });
  }

  /** Time limits follow the state: they begin and end with the lease, whoever ended it. */
  #followLease(before: GateState, after: GateState): void {
    const lease = liveLease(after);
    if (lease !== liveLease(before)) {
      this.#window.abort();
      this.#window = new AbortController();
      if (lease !== null) void this.#expire(lease, this.#window.signal);
    }
    if (after.name === before.name) return;
    this.#watched.abort();
    const { isMovedByOthers = false } = this.#options.driver;
    if (after.name === 'connected' || (after.name === 'isolated' && isMovedByOthers)) {
      this.#watched = new AbortController();
      void this.#watch(this.#machine.operation, this.#watched.signal);
    }
  }

  async #expire(lease: Lease, over: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!over.aborted && clock.monotonic() < lease.deadline) {
      await clock.sleep(lease.deadline - clock.monotonic(), over);
    }
    if (!over.aborted) this.feed({ kind: 'expired', lease });
  }

  async #watch(operation: number, over: AbortSignal): Promise<void> {
    for (;;) {
      await this.#options.clock.sleep(CHECK_MS, over);
      if (over.aborted) return;
      const readBacks = await this.#readBack();
      const { deadline = Number.POSITIVE_INFINITY } = liveLease(this.#machine.state) ?? {};
      if (over.aborted || deadline - this.#options.clock.monotonic() < ENDING_MS) return;
      this.feed({ kind: 'checked', operation, readBacks });
    }
  }
}

/** The lease that may still connect or is connected. */
export function liveLease(state: GateState): Lease | null {
  return state.name === 'connecting' || state.name === 'connected' ? state.lease : null;
}

function isAtRest(state: GateState): boolean {
  return state.name === 'isolated' || state.name === 'connected' || state.name === 'fault';
}
