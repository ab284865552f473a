import type { Engine } from '@meterseal/native';
import type { Box, EventBody, Random } from '@meterseal/protocol';
import { decodeRecord, isMetersealError, MetersealError } from '@meterseal/protocol';
import { enrol, enrolledMeter } from './agent/enrolment.js';
import { FieldStore } from './agent/field-store.js';
import { IdentityKeys } from './agent/identity-keys.js';
import { MeterAgent } from './agent/meter-agent.js';
import { PlatformClient } from './agent/platform-client.js';
import { Recorder } from './agent/recorder.js';
import { restartNumbers } from './agent/restart-numbers.js';
import { Submitter } from './agent/submitter.js';
import type { CollectorConfig, Config, MeterConfig } from './config/config.js';
import { readSecretLine } from './config/secret-line.js';
import { chainAcknowledgements } from './delivery/acknowledgement-chainer.js';
import { CollectorClient } from './delivery/collector-client.js';
import { Deliverer } from './delivery/deliverer.js';
import type { ApiServer } from './host/api-server.js';
import { createApiServer, listenOnSocket, stopApiServer } from './host/api-server.js';
import type { Clock } from './host/clock.js';
import { ClockWatch } from './host/clock-state.js';
import { HttpClient, isOutage } from './host/http-client.js';
import type { Logger } from './host/logger.js';
import type { StateFolder } from './host/state-folder.js';
import { Worker } from './host/worker.js';
import { planReads } from './meters/plan.js';
import type { Sample } from './meters/poll.js';
import type { Profile } from './meters/profile.js';
import { loadProfile } from './meters/profile-file.js';
import type { ScheduledMeter } from './meters/scheduler.js';
import { Scheduler } from './meters/scheduler.js';
import { parseAddress } from './modbus/address.js';
import { Bus } from './modbus/bus.js';

export type FieldOptions = {
  readonly config: Config;
  readonly state: StateFolder;
  readonly engine: Engine;
  readonly box: Box;
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Logger;
  /** As `softwareId` makes it. */
  readonly software: string;
  readonly synchronised: () => boolean;
  /** Each meter records so many readings in this process and then rests; for demos and tests. */
  readonly mostReadings?: number;
};

export type FieldMeterStatus = {
  readonly id: string;
  readonly bus: string;
  readonly unit: number;
  readonly state: 'new' | 'offered' | 'enrolled';
  /** Code of what keeps it from enrolling. */
  readonly problem: string | null;
  readonly recordedTo: number;
  readonly anchoredTo: number;
  /** By each collector, in the order of the configuration. */
  readonly acknowledgedTo: readonly number[];
  readonly last: {
    readonly seq: number;
    readonly time: string;
    readonly answered: boolean;
    readonly summary: string;
  } | null;
};

export type FieldStatus = {
  readonly software: string;
  readonly engine: string;
  readonly platformReachable: boolean;
  readonly meters: readonly FieldMeterStatus[];
};

export type FieldRole = {
  status(): Promise<FieldStatus>;
  stop(): Promise<void>;
  /** Resolves with what ended the role; pending while it works. */
  readonly failed: Promise<MetersealError>;
};

type FieldMeterRuntime = ScheduledMeter & {
  readonly agent: MeterAgent;
  readonly config: MeterConfig;
  readonly bus: string;
  recorded: number;
};

const RETRY_MS = { first: 500, most: 30_000 };
/** How long a request under way may still take when the field stops. */
const STOP_GRACE_MS = 2_000;
/** Work is looked for this often even if nothing was recorded: acknowledgements become due, sessions end. */
const IDLE_MS = 5_000;

/** The field: polls meters, records, and sends what is recorded two ways, each from its own worker. */
export async function startField(options: FieldOptions): Promise<FieldRole> {
  const store = await FieldStore.open(options.state.fieldDatabase);
  let field: Field | undefined;
  try {
    field = new Field(options, store);
    await field.start();
    return field;
  } catch (error) {
    await field?.stop();
    await store.close();
    throw error;
  }
}

class Field implements FieldRole {
  readonly failed: Promise<MetersealError>;
  readonly #options: FieldOptions;
  readonly #store: FieldStore;
  readonly #recorder: Recorder;
  readonly #connections: HttpClient[] = [];
  readonly #platform: PlatformClient;
  readonly #submitter: Submitter;
  readonly #keys: IdentityKeys;
  readonly #meters: FieldMeterRuntime[] = [];
  readonly #buses: Bus[] = [];
  readonly #schedulers: Scheduler<FieldMeterRuntime>[] = [];
  readonly #deliveries: {
    readonly key: Uint8Array;
    readonly deliverer: Deliverer;
    readonly worker: Worker;
  }[] = [];
  readonly #enrolling: Worker;
  readonly #submitting: Worker;
  #api: ApiServer | undefined;
  #fail: (error: MetersealError) => void = () => {};

  constructor(options: FieldOptions, store: FieldStore) {
    const { config, state, engine, clock, log, random, software, synchronised } = options;
    this.#options = options;
    this.#store = store;
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
    const http = new HttpClient({ socketPath: state.sockets.platform }, 'the platform');
    this.#connections.push(http);
    this.#platform = new PlatformClient(http);
    this.#keys = new IdentityKeys(state.identityKeys, engine);
    this.#recorder = new Recorder(store, engine, random, software);
    const recorder = this.#recorder;
    this.#submitter = new Submitter({
      platform: this.#platform,
      store,
      recorder,
      engine,
      clock,
      log,
      platformId: config.platformId,
      sessionUse: config.field.session,
    });
    const watch = new ClockWatch(clock, synchronised, (ms) => {
      log.warn({ ms }, 'the wall clock was set');
      this.#event({ kind: 'clock-step', ms });
    });
    const agentTools = {
      store,
      recorder,
      clock: watch,
      log,
      event: (event: EventBody) => this.#event(event),
    };
    for (const { address, meters } of config.field.buses) this.#addBus(address, meters, agentTools);
    for (const collector of config.collectors) this.#addCollector(collector);
    this.#enrolling = this.#worker('enrolment', () => this.#enrolAll());
    this.#submitting = this.#worker('submission', () => this.#submit());
  }

  async start(): Promise<void> {
    const { state, log } = this.#options;
    for (const meter of this.#meters) {
      const known = await this.#store.meter(meter.config.id);
      if (known.state !== 'enrolled') continue;
      try {
        this.#enrolled(meter, enrolledMeter(known, this.#tools()));
      } catch (error) {
        // A key file that is missing or damaged is one meter's trouble; the enrolment worker looks for it again.
        if (!isMetersealError(error)) throw error;
        this.#refuseEnrolment(meter, error);
      }
    }
    this.#api = createApiServer({ bodyLimit: 1_024, log });
    this.#api.get('/v1/status', () => this.status());
    await listenOnSocket(this.#api, state.sockets.field);
    for (const worker of this.#workers()) worker.start();
    for (const scheduler of this.#schedulers) {
      scheduler.start().catch((error: unknown) => this.#fail(asFatal(error)));
    }
  }

  /** Ends polling first, so that what was read is still recorded; then the workers; then the database. */
  async stop(): Promise<void> {
    await Promise.all(this.#schedulers.map((scheduler) => scheduler.stop()));
    await Promise.all(this.#buses.map((bus) => bus.close()));
    const stopped = Promise.all(this.#workers().map((worker) => worker.stop()));
    // Whoever does not answer now is not waited for: what was sent and not acknowledged is sent again.
    const inTime = new AbortController();
    const late = this.#options.clock.sleep(STOP_GRACE_MS, inTime.signal);
    await Promise.race([stopped, late]);
    for (const http of this.#connections) http.close();
    await stopped;
    inTime.abort();
    this.#submitter.close();
    if (this.#api !== undefined) await stopApiServer(this.#api);
    await this.#store.close();
  }

  async status(): Promise<FieldStatus> {
    const { software, engine } = this.#options;
    const platformReachable = !this.#submitting.isFailing && !this.#enrolling.isFailing;
    return {
      software,
      engine: engine.name,
      platformReachable,
      meters: await Promise.all(this.#meters.map((meter) => this.#meterStatus(meter))),
    };
  }

  async #meterStatus({ agent, config, bus, unit }: FieldMeterRuntime): Promise<FieldMeterStatus> {
    const row = await this.#store.meter(config.id);
    const last = agent.last === undefined ? null : decodeRecord(agent.last.bytes);
    const acknowledged = this.#deliveries.map(({ key }) => this.#store.delivery(row.number, key));
    return {
      id: config.id,
      bus,
      unit,
      state: row.state,
      problem: agent.problem ?? null,
      recordedTo: row.nextSeq - 1,
      anchoredTo: row.anchoredTo,
      acknowledgedTo: (await Promise.all(acknowledged)).map(({ ackedTo }) => ackedTo),
      last:
        last === null
          ? null
          : {
              seq: last.seq,
              time: last.time,
              answered: last.values.some(({ value }) => value !== undefined),
              summary: summaryOf(last.values),
            },
    };
  }

  #addBus(
    address: string,
    meters: readonly MeterConfig[],
    agentTools: ConstructorParameters<typeof MeterAgent>[2],
  ): void {
    const { config, clock, log, mostReadings = Number.POSITIVE_INFINITY } = this.#options;
    const profiles = meters.map(({ profile }) => loadProfile(profile));
    const bus = new Bus({
      address: parseAddress(address, profiles[0]?.line),
      clock,
      responseMs: config.field.timeoutMs,
    });
    this.#buses.push(bus);
    const runtimes = meters.map((meter, i) => this.#runtime(meter, profiles[i]!, bus.address, agentTools));
    this.#meters.push(...runtimes);
    this.#schedulers.push(
      new Scheduler({
        bus,
        clock,
        meters: runtimes,
        intervalMs: config.field.intervalMs,
        responseMs: config.field.timeoutMs,
        onSample: async (meter, sample) => {
          if (sample.failure !== undefined) {
            log.debug({ meter: meter.config.id, err: sample.failure }, 'registers missing');
          }
          if (meter.recorded >= mostReadings) return;
          await this.#record(meter, sample);
        },
      }),
    );
  }

  #runtime(
    config: MeterConfig,
    profile: Profile,
    bus: string,
    agentTools: ConstructorParameters<typeof MeterAgent>[2],
  ): FieldMeterRuntime {
    const { id, unit, holder, codeFile, identity, acceptUnproven } = config;
    const data = {
      meter: id,
      holder,
      code: () => readSecretLine(codeFile, `enrolment code of meter ${id}`),
      keyOrigin: identity,
    };
    const plan = planReads(profile, acceptUnproven);
    const agent = new MeterAgent(data, profile.id, agentTools);
    return { unit, profile, plan, acceptUnproven, agent, config, bus, recorded: 0 };
  }

  #addCollector(collector: CollectorConfig): void {
    const { config, engine, log, clock } = this.#options;
    const token =
      collector.tokenFile === undefined ? undefined : readSecretLine(collector.tokenFile, 'collector token');
    const http = new HttpClient(
      {
        url: collector.url,
        ...(token === undefined ? {} : { token }),
        ...(collector.caFile === undefined ? {} : { caFile: collector.caFile }),
      },
      'the collector',
    );
    this.#connections.push(http);
    const deliverer = new Deliverer({
      client: new CollectorClient(http),
      outbox: this.#store,
      crypto: engine,
      clock,
      log,
      platformId: config.platformId,
      collectorKey: collector.key,
      mayDeliver: (number) => this.#submitter.mayDeliver(number),
      restartNumbers: async (number, seen) => {
        await restartNumbers(this.#store, this.#recorder, number, seen);
        this.#submitting.wake();
      },
    });
    const worker = this.#worker('delivery', () => deliverer.deliver());
    this.#deliveries.push({ key: collector.key, deliverer, worker });
  }

  async #record(meter: FieldMeterRuntime, sample: Sample): Promise<void> {
    const { startedAt, endedAt, values, raw, serial } = sample;
    const polled = { startedAt, endedAt, values, raw, ...(serial === undefined ? {} : { serial }) };
    if ((await meter.agent.record(polled)) === undefined) return;
    meter.recorded++;
    this.#submitting.wake();
    for (const { worker } of this.#deliveries) worker.wake();
  }

  /** Enrols who is not enrolled yet. What the platform refuses for one meter leaves the others running. */
  async #enrolAll(): Promise<boolean> {
    const { log } = this.#options;
    for (const meter of this.#meters) {
      if (meter.agent.enrolled !== undefined) continue;
      try {
        this.#enrolled(meter, await enrol(meter.agent.data, this.#tools()));
        log.info({ subject: meter.agent.enrolled!.meter.subject }, 'meter enrolled');
      } catch (error) {
        if (!isMetersealError(error) || isOutage(error)) throw error;
        this.#refuseEnrolment(meter, error);
      }
    }
    return false;
  }

  /** Told once, not at every attempt. */
  #refuseEnrolment({ agent, config }: FieldMeterRuntime, error: MetersealError): void {
    if (agent.problem !== error.code) {
      this.#options.log.error({ meter: config.id, err: error }, 'meter not enrolled');
    }
    agent.problem = error.code;
  }

  #enrolled(meter: FieldMeterRuntime, enrolled: ReturnType<typeof enrolledMeter>): void {
    meter.agent.become(enrolled);
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
      for (const { worker } of this.#deliveries) worker.wake();
    }
  }

  async #chainAcknowledgements(): Promise<void> {
    const { clock, log } = this.#options;
    for (const { key } of this.#deliveries) {
      await chainAcknowledgements(key, this.#enrolledNumbers(), {
        receipts: this.#store,
        chain: (signed) => this.#platform.acknowledge(signed),
        now: () => clock.now(),
        log,
      });
    }
  }

  /** Keeps an event until the chain has it. */
  #event(event: EventBody): void {
    this.#store.addEvent(event).then(
      (kept) => {
        if (!kept)
          this.#options.log.error({ kind: event.kind }, 'event dropped: too many wait for the chain');
        this.#submitting.wake();
      },
      (error: unknown) => this.#fail(asFatal(error)),
    );
  }

  #enrolledNumbers(): number[] {
    return this.#meters.flatMap(({ agent }) =>
      agent.enrolled === undefined ? [] : [agent.enrolled.meter.number],
    );
  }

  #tools(): Parameters<typeof enrol>[1] {
    const { engine, box, config } = this.#options;
    return {
      platform: this.#platform,
      store: this.#store,
      keys: this.#keys,
      engine,
      box,
      platformId: config.platformId,
    };
  }

  #worker(name: string, step: () => Promise<boolean>): Worker {
    const { clock, log } = this.#options;
    return new Worker({ name, clock, log, step, idleMs: IDLE_MS, retryMs: RETRY_MS });
  }

  #workers(): Worker[] {
    return [this.#enrolling, this.#submitting, ...this.#deliveries.map(({ worker }) => worker)];
  }
}

/** What a person reads at a glance: energy and power where the meter has them. */
function summaryOf(values: readonly { obis: string; unit: string; value?: string }[]): string {
  const shown = ['1-0:1.8.0', '1-0:16.7.0', '1-0:1.7.0']
    .map((obis) => values.find((value) => value.obis === obis && value.value !== undefined))
    .filter((value) => value !== undefined)
    .map(({ value, unit }) => `${value} ${unit}`);
  return shown.length === 0 ? 'no answer' : shown.join('  ');
}

function asFatal(error: unknown): MetersealError {
  if (error instanceof MetersealError) return error;
  return new MetersealError('commit-failed', "couldn't record reading: field.db failed", { cause: error });
}
