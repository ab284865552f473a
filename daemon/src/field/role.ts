import type { Engine } from '@meterseal/native';
import type { Box, ErrorCode, MetersealError, Random } from '@meterseal/protocol';
import { FieldStore } from '../agent/field-store.js';
import { IdentityKeys } from '../agent/identity-keys.js';
import type { MeterAgent } from '../agent/meter-agent.js';
import { PlatformClient } from '../agent/platform-client.js';
import type { BusConfig, CollectorConfig, Config, MeterConfig } from '../config/config.js';
import { readSecretLine } from '../config/secret-line.js';
import { CollectorClient } from '../delivery/collector-client.js';
import type { ApiServer } from '../host/api-server.js';
import { createApiServer, listenOnSocket, stopApiServer } from '../host/api-server.js';
import type { Clock } from '../host/clock.js';
import { HttpClient } from '../host/http-client.js';
import type { Logger } from '../host/logger.js';
import type { StateFolder } from '../host/state-folder.js';
import { planReads } from '../meters/plan.js';
import type { Sample } from '../meters/poll.js';
import type { Profile } from '../meters/profile.js';
import { loadProfile } from '../meters/profile-file.js';
import type { ScheduledMeter } from '../meters/scheduler.js';
import { Scheduler } from '../meters/scheduler.js';
import { parseAddress } from '../modbus/address.js';
import { Bus } from '../modbus/bus.js';
import { asFatal, FieldCore } from './core.js';
import type { FieldMeterStatus, FieldStatus } from './status.js';
import { lastReading } from './status.js';

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

export type FieldRole = {
  status(): Promise<FieldStatus>;
  stop(): Promise<void>;
  /** Resolves with what ended the role; pending while it works. */
  readonly failed: Promise<MetersealError>;
};

type WiredMeter = ScheduledMeter & {
  readonly agent: MeterAgent;
  readonly config: MeterConfig;
  readonly bus: string;
  recorded: number;
  /** Code of what its last poll failed with. */
  failure: ErrorCode | undefined;
};

/** How long a request under way may still take when the field stops. */
const STOP_GRACE_MS = 2_000;

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
  readonly #core: FieldCore;
  readonly #connections: HttpClient[] = [];
  readonly #meters: WiredMeter[] = [];
  readonly #profiles = new Map<string, Profile>();
  readonly #buses: Bus[] = [];
  readonly #schedulers: Scheduler<WiredMeter>[] = [];
  #api: ApiServer | undefined;
  #fail: (error: MetersealError) => void = () => {};

  constructor(options: FieldOptions, store: FieldStore) {
    const { config, state, engine } = options;
    this.#options = options;
    this.#store = store;
    const platform = this.#connection({ socketPath: state.sockets.platform }, 'the platform');
    this.#core = new FieldCore({
      ...options,
      store,
      keys: new IdentityKeys(state.identityKeys, engine),
      platform: new PlatformClient(platform),
      platformId: config.platformId,
      sessionUse: config.field.session,
    });
    const polling = new Promise<MetersealError>((resolve) => {
      this.#fail = resolve;
    });
    this.failed = Promise.race([this.#core.failed, polling]);
    for (const bus of config.field.buses) this.#addBus(bus);
    for (const collector of config.collectors) this.#addCollector(collector);
  }

  async start(): Promise<void> {
    await this.#core.start();
    this.#api = createApiServer({ bodyLimit: 1_024, log: this.#options.log });
    this.#api.get('/v1/status', () => this.status());
    await listenOnSocket(this.#api, this.#options.state.sockets.field);
    for (const scheduler of this.#schedulers) {
      scheduler.start().catch((error: unknown) => this.#fail(asFatal(error)));
    }
  }

  /** Ends polling first, so that what was read is still recorded; then the two ways; then the database. */
  async stop(): Promise<void> {
    await Promise.all(this.#schedulers.map((scheduler) => scheduler.stop()));
    await Promise.all(this.#buses.map((bus) => bus.close()));
    const stopped = this.#core.stop();
    // Whoever does not answer now is not waited for: what was sent and not acknowledged is sent again.
    const inTime = new AbortController();
    await Promise.race([stopped, this.#options.clock.sleep(STOP_GRACE_MS, inTime.signal)]);
    for (const http of this.#connections) http.close();
    await stopped;
    inTime.abort();
    if (this.#api !== undefined) await stopApiServer(this.#api);
    await this.#store.close();
  }

  async status(): Promise<FieldStatus> {
    const { software, engine } = this.#options;
    return {
      software,
      engine: engine.name,
      platformReachable: this.#core.isPlatformReachable,
      meters: await Promise.all(this.#meters.map((meter) => this.#meterStatus(meter))),
    };
  }

  async #meterStatus({ agent, config, bus, unit, failure }: WiredMeter): Promise<FieldMeterStatus> {
    const { number, state, nextSeq, anchoredTo } = await this.#store.meter(config.id);
    return {
      id: config.id,
      bus,
      unit,
      state,
      problem: agent.problem ?? null,
      failure: failure ?? null,
      recordedTo: nextSeq - 1,
      anchoredTo,
      acknowledgedTo: await this.#core.acknowledgedTo(number),
      last: lastReading(agent.last),
    };
  }

  #addBus({ address, meters }: BusConfig): void {
    const { config, clock } = this.#options;
    const profiles = meters.map(({ profile }) => this.#profileOf(profile));
    const responseMs = config.field.timeoutMs;
    const bus = new Bus({ address: parseAddress(address, profiles[0]?.line), clock, responseMs });
    const wired = meters.map((meter, i) => this.#wire(meter, profiles[i]!, bus.address));
    this.#buses.push(bus);
    this.#meters.push(...wired);
    this.#schedulers.push(
      new Scheduler({
        bus,
        clock,
        meters: wired,
        intervalMs: config.field.intervalMs,
        responseMs,
        onSample: (meter, sample) => this.#record(meter, sample),
      }),
    );
  }

  /** A box has a thousand meters of a few models, and a profile takes some milliseconds to read. */
  #profileOf(name: string): Profile {
    const profile = this.#profiles.get(name) ?? loadProfile(name);
    this.#profiles.set(name, profile);
    return profile;
  }

  #wire(config: MeterConfig, profile: Profile, bus: string): WiredMeter {
    const { id, unit, holder, codeFile, identity, acceptUnproven } = config;
    const code = (): string => readSecretLine(codeFile, `enrolment code of meter ${id}`);
    const agent = this.#core.addMeter({ meter: id, holder, code, keyOrigin: identity }, profile.id);
    const plan = planReads(profile, acceptUnproven);
    return { unit, profile, plan, acceptUnproven, agent, config, bus, recorded: 0, failure: undefined };
  }

  #addCollector({ url, key, tokenFile, caFile }: CollectorConfig): void {
    const token = tokenFile === undefined ? {} : { token: readSecretLine(tokenFile, 'collector token') };
    const ca = caFile === undefined ? {} : { caFile };
    const http = this.#connection({ url, ...token, ...ca }, 'the collector');
    this.#core.addCollector(key, new CollectorClient(http));
  }

  /** Told when it begins, when it changes, and when it ends, not at every poll. A poll that was left out tells nothing. */
  #noteFailure(meter: WiredMeter, failure: MetersealError | undefined, answered: boolean): void {
    const { log } = this.#options;
    const { id } = meter.config;
    if (failure !== undefined && failure.code !== meter.failure) {
      log.warn({ meter: id, bus: meter.bus, err: failure }, 'meter not read');
      meter.failure = failure.code;
    } else if (answered && meter.failure !== undefined) {
      log.info({ meter: id, bus: meter.bus }, 'meter read again');
      meter.failure = undefined;
    }
  }

  #connection(endpoint: ConstructorParameters<typeof HttpClient>[0], name: string): HttpClient {
    const http = new HttpClient(endpoint, name);
    this.#connections.push(http);
    return http;
  }

  async #record(meter: WiredMeter, sample: Sample): Promise<void> {
    const { mostReadings = Number.POSITIVE_INFINITY } = this.#options;
    const { startedAt, endedAt, values, raw, serial, failure, answered } = sample;
    this.#noteFailure(meter, failure, answered);
    if (meter.recorded >= mostReadings) return;
    const polled = { startedAt, endedAt, values, raw, ...(serial === undefined ? {} : { serial }) };
    if (await this.#core.record(meter.agent, polled)) meter.recorded++;
  }
}
