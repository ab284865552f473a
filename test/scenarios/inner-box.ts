import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '@meterseal/native';
import { javascriptEngine } from '@meterseal/native';
import type { Collector } from '@meterseal/node-red-meterseal/core';
import {
  systemClock as collectorClock,
  openCollector,
  openCollectorKey,
  PUBLIC_KEY_FILE,
  serveReceiver,
} from '@meterseal/node-red-meterseal/core';
import type { Policy } from '@meterseal/protocol';
import { parsePolicy } from '@meterseal/protocol';
import { FieldStore } from 'meterseal/internal/agent/field-store';
import { Chain } from 'meterseal/internal/chain/commit';
import type { ChainOptions } from 'meterseal/internal/chain/role';
import { startChain } from 'meterseal/internal/chain/role';
import { addToRoster } from 'meterseal/internal/commands/roster';
import type { Config } from 'meterseal/internal/config/config';
import { parseConfig } from 'meterseal/internal/config/config';
import type { FieldRole } from 'meterseal/internal/field/role';
import { startField } from 'meterseal/internal/field/role';
import type { FieldMeterStatus } from 'meterseal/internal/field/status';
import { startGate } from 'meterseal/internal/gate/role';
import { createBox } from 'meterseal/internal/host/box';
import type { Clock } from 'meterseal/internal/host/clock';
import { systemClock } from 'meterseal/internal/host/clock';
import { createLogger } from 'meterseal/internal/host/logger';
import type { StateFolder } from 'meterseal/internal/host/state-folder';
import { prepareStateFolder, stateFolder } from 'meterseal/internal/host/state-folder';
import type { Test } from 'tap';
import { stringify } from 'yaml';
import type { Simulator } from '../simulator/start.js';
import { startSimulator } from '../simulator/start.js';

/** A clock that runs as the system's, and can be put forward. */
export class ShiftedClock implements Clock {
  ahead = 0;
  now = (): number => systemClock.now();
  monotonic = (): number => systemClock.monotonic() + this.ahead;
  sleep = systemClock.sleep;
}

export const INNER_METERS = ['EM-1', 'EM-2'];
const SITE = { operator: 'meterseal.example', box: 'inner' };

export type InnerBoxOptions = {
  /** How many readings each meter gives. */
  readonly mostReadings: number;
  /** The field's: hashes, keys and seals. */
  readonly engine?: Engine;
};

/**
 * The line in this process, so that single pieces can be taken hold of or patched: the parts, their sockets and the
 * meters' process are the real ones. Ends with the test, and its folder with it.
 */
export class InnerBox {
  readonly state: StateFolder;
  /** Everything that the parts log, from `debug` on. */
  readonly logFile: string;
  /** The platform's. */
  readonly clock = new ShiftedClock();
  chain!: Chain;
  collector!: Collector;
  field!: FieldRole;
  readonly #random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
  readonly #stops: (() => Promise<unknown>)[] = [];
  #openCollector!: () => Promise<void>;

  private constructor(root: string) {
    this.state = stateFolder(join(root, 'box'));
    this.logFile = join(root, 'log');
  }

  static async start(t: Test, options: InnerBoxOptions): Promise<InnerBox> {
    const root = mkdtempSync(join(tmpdir(), 'ms-inner-'));
    const box = new InnerBox(root);
    t.teardown(async () => {
      for (const stop of box.#stops.reverse()) await stop();
      rmSync(root, { recursive: true, force: true });
    });
    await box.#start(options);
    return box;
  }

  get policy(): Policy {
    return parsePolicy(javascriptEngine, readFileSync(this.state.policy, 'utf8'));
  }

  /** Waits until every reading is anchored and acknowledged. */
  settled(readings: number): Promise<void> {
    return this.until(
      ({ recordedTo, anchoredTo, acknowledgedTo }) =>
        recordedTo >= readings && anchoredTo === recordedTo && acknowledgedTo[0] === recordedTo,
    );
  }

  /** Waits until every meter is as wanted. */
  async until(isSo: (meter: FieldMeterStatus) => boolean): Promise<void> {
    const end = performance.now() + 60_000;
    for (;;) {
      const { meters } = await this.field.status();
      if (meters.every(isSo)) return;
      if (performance.now() > end) throw new Error(`waited in vain: ${JSON.stringify(meters)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Closes the collector, lets `work` have its folder, and opens it again. */
  async whileCollectorIsClosed(work: (folder: string) => void): Promise<void> {
    await this.collector.close();
    work(this.state.collector);
    await this.#openCollector();
  }

  /** The box's memory, read as `prove` reads it. */
  async store<T>(read: (store: FieldStore) => Promise<T>): Promise<T> {
    const store = await FieldStore.open(this.state.fieldDatabase, { readonly: true });
    try {
      return await read(store);
    } finally {
      await store.close();
    }
  }

  async #start({ mostReadings, engine = javascriptEngine }: InnerBoxOptions): Promise<void> {
    const { state } = this;
    prepareStateFolder(state);
    const log = createLogger('debug', { write: (line) => appendFileSync(this.logFile, line) });
    const simulator = await startSimulator({
      tcp: true,
      units: { 1: 'eastron/sdm120', 2: 'eastron/sdm120' },
    });
    this.#stops.push(() => simulator.stop());
    const signer = await openCollectorKey(state.collector);
    const platformId = `${SITE.operator}/meterseal/${SITE.box}`;
    const common = { platformId, log, random: this.#random };
    const collectorKeys = [signer.publicKey];

    await this.#startChain({ ...common, collectorKeys });
    const gate = await startGate({
      ...common,
      stateDir: state.gate,
      control: { host: '127.0.0.1', port: 0 },
      comparison: { port: 0 },
      maxLeaseMs: 60_000,
      collectorKeys,
      crypto: engine,
      sockets: state.sockets,
      clock: systemClock,
    });
    this.#stops.push(() => gate.stop());

    this.#openCollector = async () => {
      this.collector = await openCollector({
        dir: state.collector,
        crypto: javascriptEngine,
        signer,
        clock: collectorClock,
        random: this.#random,
        platformId,
        policy: this.policy,
        control: { host: '127.0.0.1', port: gate.status().controlPort },
      });
    };
    await this.#openCollector();
    this.#stops.push(() => this.collector.close());
    const receiver = await serveReceiver(this.collector.receiver, { host: '127.0.0.1', port: 0 });
    this.#stops.push(() => receiver.close());

    this.field = await startField({
      ...common,
      config: this.#config(simulator, receiver.address.port),
      state,
      engine,
      box: createBox(this.#random),
      clock: systemClock,
      software: 'inner-box',
      synchronised: () => true,
      mostReadings,
    });
    this.#stops.push(() => this.field.stop());
  }

  async #startChain(
    options: Omit<ChainOptions, 'stateDir' | 'clock' | 'engine' | 'session' | 'sockets'>,
  ): Promise<void> {
    const { append } = Chain.prototype;
    const found = (chain: Chain): void => {
      this.chain = chain;
    };
    // The role keeps its chain to itself; its first commit gives it away.
    Chain.prototype.append = function (job) {
      found(this);
      return append.call(this, job) as ReturnType<typeof append<ReturnType<typeof job>>>;
    };
    try {
      const role = await startChain({
        ...options,
        stateDir: this.state.root,
        clock: this.clock,
        engine: javascriptEngine,
        session: { lifeMs: 86_400_000, readings: 10_000 },
        sockets: this.state.sockets,
      });
      this.#stops.push(() => role.stop());
    } finally {
      Chain.prototype.append = append;
    }
  }

  #config({ tcpPort }: Simulator, collectorPort: number): Config {
    const { state } = this;
    const meters = INNER_METERS.map((id, i) => {
      const codeFile = join(state.root, `${id}.code`);
      addToRoster(state, { meter: id, holder: { name: `Holder of ${id}` } }, codeFile);
      return {
        ...{ id, unit: i + 1, profile: 'eastron/sdm120', holder: { name: `Holder of ${id}` } },
        'code-file': codeFile,
      };
    });
    const config = {
      site: SITE,
      field: { interval: '250ms', buses: [{ address: `tcp://127.0.0.1:${tcpPort}`, meters }] },
      collectors: [
        { url: `http://127.0.0.1:${collectorPort}`, 'key-file': join(state.collector, PUBLIC_KEY_FILE) },
      ],
    };
    return parseConfig(stringify(config), state.root);
  }
}
