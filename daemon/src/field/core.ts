import type { Engine } from '@meterseal/native';
import type { Box, EventBody, Random } from '@meterseal/protocol';
import { isMetersealError, MetersealError } from '@meterseal/protocol';
import type { EnrolmentData } from '../agent/enrolment.js';
import { enrol, enrolledMeter } from '../agent/enrolment.js';
import type { FieldStore } from '../agent/field-store.js';
import type { IdentityVault } from '../agent/identity-keys.js';
import type { Polled } from '../agent/meter-agent.js';
import { MeterAgent } from '../agent/meter-agent.js';
import type { PlatformClient } from '../agent/platform-client.js';
import { Recorder } from '../agent/recorder.js';
import { restartNumbers } from '../agent/restart-numbers.js';
import { Submitter } from '../agent/submitter.js';
import { chainAcknowledgements } from '../delivery/acknowledgement-chainer.js';
import type { CollectorClient } from '../delivery/collector-client.js';
import { Deliverer } from '../delivery/deliverer.js';
import type { Clock } from '../host/clock.js';
import { ClockWatch } from '../host/clock-state.js';
import { isOutage } from '../host/http-client.js';
import type { Logger } from '../host/logger.js';
import { Worker } from '../host/worker.js';

export type FieldCoreOptions = {
  readonly store: FieldStore;
  readonly keys: IdentityVault;
  readonly platform: PlatformClient;
  readonly engine: Engine;
  readonly box: Box;
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Logger;
  /** Origin without its epoch. */
  readonly platformId: string;
  /** As `softwareId` makes it. */
  readonly software: string;
  readonly synchronised: () => boolean;
  readonly sessionUse: 'reused' | 'per-transmission';
};

const RETRY_MS = { first: 500, most: 30_000 };
/** Work is looked for this often even if nothing was recorded: acknowledgements become due, sessions end. */
const IDLE_MS = 5_000;
/** The readings of one poll cycle are sent together: fewer, larger commits on the chain and at the collector. */
const GATHER_MS = 100;

type Delivery = { readonly key: Uint8Array; readonly deliverer: Deliverer; readonly worker: Worker };

/**
 * The field without its wires: meter agents that record what they are given, and the two ways on which it leaves, each
 * with a worker of its own.
 */
export class FieldCore {
  /** Resolves with what the field cannot go on after: field.db fails. */
  readonly failed: Promise<MetersealError>;
  readonly #options: FieldCoreOptions;
  readonly #recorder: Recorder;
  readonly #submitter: Submitter;
  readonly #clock: ClockWatch;
  readonly #agents: MeterAgent[] = [];
  readonly #deliveries: Delivery[] = [];
  readonly #enrolling: Worker;
  readonly #submitting: Worker;
  #fail: (error: MetersealError) => void = () => {};

  constructor(options: FieldCoreOptions) {
    const { store, engine, random, software, clock, log, synchronised } = options;
    this.#options = options;
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
    this.#recorder = new Recorder(store, engine, random, software);
    this.#submitter = new Submitter({
      ...options,
      recorder: this.#recorder,
      mayAnchor: (number) => this.#deliveries.every(({ deliverer }) => deliverer.mayAnchor(number)),
      undeliveredVoid: async (number) => {
        const waiting = await Promise.all(
          this.#deliveries.map(({ deliverer }) => deliverer.undeliveredVoid(number)),
        );
        return waiting.filter((seq) => seq !== undefined).sort((a, b) => a - b)[0];
      },
    });
    this.#clock = new ClockWatch(clock, synchronised, (ms) => {
      log.warn({ ms }, 'the wall clock was set');
      this.#event({ kind: 'clock-step', ms });
    });
    this.#enrolling = this.#worker('enrolment', () => this.#enrolAll());
    this.#submitting = this.#worker('submission', () => this.#submit());
  }

  /** @param profile the id with the digest, as records name it */
  addMeter(data: EnrolmentData, profile: string): MeterAgent {
    const { store, log } = this.#options;
    const tools = { store, log, recorder: this.#recorder, clock: this.#clock };
    const agent = new MeterAgent(data, profile, { ...tools, event: (event) => this.#event(event) });
    this.#agents.push(agent);
    return agent;
  }

  addCollector(key: Uint8Array, client: CollectorClient): void {
    const { store, engine, clock, log, platformId } = this.#options;
    const deliverer = new Deliverer({
      client,
      outbox: store,
      crypto: engine,
      clock,
      log,
      platformId,
      collectorKey: key,
      mayDeliver: (number) => this.#submitter.mayDeliver(number),
      onCompared: () => this.#submitting.wake(),
      onVoidsDelivered: () => this.#submitting.wake(),
      restartNumbers: async (number, seen) => {
        await restartNumbers(store, this.#recorder, number, seen);
        this.#submitting.wake();
      },
    });
    const worker = this.#worker('delivery', () => deliverer.deliver());
    this.#deliveries.push({ key, deliverer, worker });
  }

  async start(): Promise<void> {
    const { store } = this.#options;
    for (const agent of this.#agents) {
      const known = await store.meter(agent.data.meter);
      if (known.state !== 'enrolled') continue;
      try {
        this.#enrolled(agent, enrolledMeter(known, this.#options));
      } catch (error) {
        // A key file that is missing or damaged is one meter's trouble; the enrolment worker looks for it again.
        if (!isMetersealError(error)) throw error;
        this.#refuseEnrolment(agent, error);
      }
    }
    for (const worker of this.#workers()) worker.start();
  }

  /**
   * Commits a reading and sets both ways in motion.
   *
   * @returns false while the meter is not enrolled: then nothing is recorded
   * @throws MetersealError where field.db fails
   */
  async record(agent: MeterAgent, polled: Polled): Promise<boolean> {
    if ((await agent.record(polled)) === undefined) return false;
    this.#submitting.wake();
    this.#wakeDeliveries();
    return true;
  }

  get isPlatformReachable(): boolean {
    return !this.#submitting.isFailing && !this.#enrolling.isFailing;
  }

  /** How far each collector has acknowledged a meter, in the order in which they were added. */
  async acknowledgedTo(number: number): Promise<number[]> {
    const states = this.#deliveries.map(({ key }) => this.#options.store.delivery(number, key));
    return (await Promise.all(states)).map(({ ackedTo }) => ackedTo);
  }

  /** Ends the workers; resolves when the work under way has ended. */
  async stop(): Promise<void> {
    await Promise.all(this.#workers().map((worker) => worker.stop()));
    this.#submitter.close();
  }

  /** Enrols who is not enrolled yet. What the platform refuses for one meter leaves the others running. */
  async #enrolAll(): Promise<boolean> {
    for (const agent of this.#agents) {
      if (agent.enrolled !== undefined) continue;
      try {
        this.#enrolled(agent, await enrol(agent.data, this.#options));
        this.#options.log.info({ subject: agent.enrolled!.meter.subject }, 'meter enrolled');
      } catch (error) {
        if (!isMetersealError(error) || isOutage(error) || this.#options.store.failure !== undefined)
          throw error;
        this.#refuseEnrolment(agent, error);
      }
    }
    return false;
  }

  /** Told once, not at every attempt. */
  #refuseEnrolment(agent: MeterAgent, error: MetersealError): void {
    if (agent.problem !== error.code) {
      this.#options.log.error({ meter: agent.data.meter, err: error }, 'meter not enrolled');
    }
    agent.problem = error.code;
  }

  #enrolled(agent: MeterAgent, enrolled: ReturnType<typeof enrolledMeter>): void {
    agent.become(enrolled);
    this.#submitter.add(enrolled);
    const { number, id, salt } = enrolled.meter;
    for (const { deliverer } of this.#deliveries) {
      deliverer.add({ number, id, salt: salt!, ref: enrolled.ref, identity: enrolled.identity });
    }
  }

  async #submit(): Promise<boolean> {
    try {
      const more = await this.#submitter.submit();
      if (!more) await this.#chainAcknowledgements();
      return more;
    } finally {
      // Deliveries may have waited for the numbers to be compared with the chain's, or for that to fail.
      this.#wakeDeliveries();
    }
  }

  async #chainAcknowledgements(): Promise<void> {
    const { store, platform, clock, log } = this.#options;
    const meters = this.#agents.flatMap(({ enrolled }) =>
      enrolled === undefined ? [] : [enrolled.meter.number],
    );
    for (const { key } of this.#deliveries) {
      await chainAcknowledgements(key, meters, {
        receipts: store,
        chain: (signed) => platform.acknowledge(signed),
        now: () => clock.now(),
        log,
      });
    }
  }

  /** Keeps an event until the chain has it. */
  #event(event: EventBody): void {
    this.#options.store.addEvent(event).then(
      (kept) => {
        if (!kept)
          this.#options.log.error({ kind: event.kind }, 'event dropped: too many wait for the chain');
        this.#submitting.wake();
      },
      (error: unknown) => this.#fail(asFatal(error)),
    );
  }

  #wakeDeliveries(): void {
    for (const { worker } of this.#deliveries) worker.wake();
  }

  #worker(name: string, step: () => Promise<boolean>): Worker {
    const { clock, log } = this.#options;
    const times = { idleMs: IDLE_MS, gatherMs: GATHER_MS, retryMs: RETRY_MS };
    return new Worker({ name, clock, log, step: () => this.#watched(step), ...times });
  }

  /** A worker would try again for ever what a database that has failed refuses for ever. */
  async #watched(step: () => Promise<boolean>): Promise<boolean> {
    try {
      return await step();
    } catch (error) {
      const { failure } = this.#options.store;
      if (failure !== undefined) this.#fail(failure);
      throw error;
    }
  }

  #workers(): Worker[] {
    return [this.#enrolling, this.#submitting, ...this.#deliveries.map(({ worker }) => worker)];
  }
}

/** What makes the field fail, as one of ours. */
export function asFatal(error: unknown): MetersealError {
  if (error instanceof MetersealError) return error;
  return new MetersealError('commit-failed', "couldn't record reading: field.db failed", { cause: error });
}
