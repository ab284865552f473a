import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { javascriptEngine as engine } from '@meterseal/native';
import type { Collector, ComparisonResult, ReceiverServer } from '@meterseal/node-red-meterseal/core';
import {
  systemClock as collectorClock,
  openCollector,
  openCollectorKey,
  PUBLIC_KEY_FILE,
  serveReceiver,
} from '@meterseal/node-red-meterseal/core';
import type { Policy } from '@meterseal/protocol';
import { formatTime, parsePolicy } from '@meterseal/protocol';
import { checkField } from 'meterseal/internal/agent/check-field';
import { checkChain } from 'meterseal/internal/chain/fsck';
import type { ChainRole } from 'meterseal/internal/chain/role';
import { startChain } from 'meterseal/internal/chain/role';
import { addToRoster } from 'meterseal/internal/commands/roster';
import type { Config } from 'meterseal/internal/config/config';
import { parseConfig } from 'meterseal/internal/config/config';
import type { FieldRole } from 'meterseal/internal/field/role';
import { startField } from 'meterseal/internal/field/role';
import type { FieldMeterStatus } from 'meterseal/internal/field/status';
import type { GateRole } from 'meterseal/internal/gate/role';
import { startGate } from 'meterseal/internal/gate/role';
import { createBox } from 'meterseal/internal/host/box';
import { systemClock } from 'meterseal/internal/host/clock';
import { createLogger } from 'meterseal/internal/host/logger';
import type { StateFolder } from 'meterseal/internal/host/state-folder';
import { prepareStateFolder, stateFolder } from 'meterseal/internal/host/state-folder';
import type { Test } from 'tap';
import { stringify } from 'yaml';
import { LossyProxy } from '../daemon/agent/lossy-proxy.js';
import { ChainCopy } from '../scenarios/chain-copy.js';
import { startSimulator } from '../simulator/start.js';
import { CoarseClock } from './coarse-clock.js';

export const METERS = ['EM-1', 'EM-2'] as const;
const SITE = { operator: 'meterseal.example', box: 'day' };
const PLATFORM_ID = `${SITE.operator}/meterseal/${SITE.box}`;
const QUARTER_MS = 900_000;
const COMMON = {
  platformId: PLATFORM_ID,
  log: createLogger('silent'),
  random: (length: number) => new Uint8Array(randomBytes(length)),
};

/** What a comparison named, in words. */
export function named({ findings }: ComparisonResult): string[] {
  return findings.map(({ meter, seq, reason }) => `${meter} ${seq} ${reason}`);
}

/**
 * The whole line in this process, polling every quarter of an hour of a clock that the test turns. Databases, sockets and
 * the meters are real; platform, collector and field can each go away and come back. Ends with the test.
 */
export class DayBox {
  readonly state: StateFolder;
  readonly clock = new CoarseClock(Date.UTC(2026, 0, 1));
  readonly #root = mkdtempSync(join(tmpdir(), 'ms-day-'));
  #config!: Config;
  #proxy!: LossyProxy;
  #gate!: GateRole;
  #chain: ChainRole | undefined;
  #field: FieldRole | undefined;
  #collector: Collector | undefined;
  #receiver: ReceiverServer | undefined;
  #copies = 0;

  private constructor() {
    this.state = stateFolder(join(this.#root, 'box'));
    prepareStateFolder(this.state);
  }

  static async start(t: Test): Promise<DayBox> {
    const box = new DayBox();
    t.teardown(() => box.#stop());
    const simulator = await startSimulator({ tcp: true, units: { 1: 'sdm120', 2: 'sdm120' } });
    t.teardown(() => simulator.stop());
    box.#proxy = await LossyProxy.start(t, () => ({ port: box.#receiver!.address.port }));
    await openCollectorKey(box.state.collector);
    box.#config = box.#configure(simulator.tcpPort!);
    await box.platformBack();
    await box.#startGate();
    await box.collectorBack();
    await box.fieldBack();
    await box.pump('all meters are enrolled', (meters) => meters.every(({ state }) => state === 'enrolled'));
    return box;
  }

  async platformAway(): Promise<void> {
    await this.#chain?.stop();
    this.#chain = undefined;
  }

  async platformBack(): Promise<void> {
    const { chain, collectors } = this.#config;
    this.#chain = await startChain({
      ...COMMON,
      stateDir: this.state.root,
      clock: this.clock,
      engine,
      collectorKeys: collectors.map(({ key }) => key),
      session: { lifeMs: chain.sessionLifeMs, readings: chain.sessionReadings },
      sockets: this.state.sockets,
    });
  }

  async collectorAway(): Promise<void> {
    this.#proxy.isCut = true;
    await this.#receiver?.close();
    await this.#collector?.close();
    this.#collector = undefined;
  }

  async collectorBack(): Promise<void> {
    this.#collector = await openCollector({
      ...COMMON,
      dir: this.state.collector,
      crypto: engine,
      signer: await openCollectorKey(this.state.collector),
      clock: { ...collectorClock, now: this.clock.now },
      policy: this.policy,
      control: { host: '127.0.0.1', port: this.#gate.status().controlPort },
    });
    this.#receiver = await serveReceiver(this.#collector.receiver, { host: '127.0.0.1', port: 0 });
    this.#proxy.isCut = false;
  }

  async fieldAway(): Promise<void> {
    const field = this.#field;
    this.#field = undefined;
    await field?.stop();
  }

  async fieldBack(): Promise<void> {
    this.#field = await startField({
      ...COMMON,
      config: this.#config,
      state: this.state,
      engine,
      box: createBox(COMMON.random),
      clock: this.clock,
      software: 'day-box',
      synchronised: () => true,
    });
  }

  /** A copy of field.db as it is now. */
  async copyField(): Promise<string> {
    const copy = join(this.#root, `field-${++this.#copies}.db`);
    await this.fieldAway();
    copyFileSync(this.state.fieldDatabase, copy);
    await this.fieldBack();
    return copy;
  }

  /** The field ends, its database is put back to a copy, and it begins anew. */
  async putFieldBack(copy: string): Promise<void> {
    await this.fieldAway();
    for (const ending of ['-wal', '-shm']) rmSync(this.state.fieldDatabase + ending, { force: true });
    copyFileSync(copy, this.state.fieldDatabase);
    await this.fieldBack();
  }

  get policy(): Policy {
    return parsePolicy(engine, readFileSync(this.state.policy, 'utf8'));
  }

  get collector(): Collector {
    return this.#collector!;
  }

  async meters(): Promise<readonly FieldMeterStatus[]> {
    return (await this.#field!.status()).meters;
  }

  /** So many quarters of an hour pass, in each of which every meter is read once. */
  async quarters(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const before = (await this.meters()).map(({ last }) => last?.seq);
      await this.clock.leap(QUARTER_MS - (this.clock.now() % QUARTER_MS));
      const due = formatTime(this.clock.now());
      // By the number alone it cannot be told: a field that was put back gives others to what it has.
      await this.pump('every meter is read', (meters) =>
        meters.every(({ last }, i) => last !== null && last.time >= due && last.seq !== before[i]),
      );
    }
  }

  /** Everything that was recorded is anchored and acknowledged. */
  settled(): Promise<void> {
    return this.pump('everything is anchored and acknowledged', (meters) =>
      meters.every(
        ({ recordedTo, anchoredTo, acknowledgedTo }) =>
          anchoredTo === recordedTo && acknowledgedTo[0] === recordedTo,
      ),
    );
  }

  anchored(): Promise<void> {
    return this.pump('everything is anchored', (meters) =>
      meters.every(({ recordedTo, anchoredTo }) => anchoredTo === recordedTo),
    );
  }

  acknowledged(): Promise<void> {
    return this.pump('everything is acknowledged', (meters) =>
      meters.every(({ recordedTo, acknowledgedTo }) => acknowledgedTo[0] === recordedTo),
    );
  }

  /** Lets time pass in small steps until the meters are as wanted. */
  async pump(what: string, isSo: (meters: readonly FieldMeterStatus[]) => boolean): Promise<void> {
    const end = performance.now() + 20_000;
    for (;;) {
      const meters = await this.meters();
      if (isSo(meters)) return;
      if (performance.now() > end) throw new Error(`waited in vain: ${what}: ${JSON.stringify(meters)}`);
      for (let i = 0; i < 5; i++) await this.clock.leap(20);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  chain(): Promise<ChainCopy> {
    return ChainCopy.read(this.state.sockets.proof, this.policy);
  }

  compare(): Promise<ComparisonResult> {
    return this.collector.compare();
  }

  /** What `meterseal fsck` finds, with the box stopped for it. */
  async fsck(): Promise<readonly string[]> {
    await this.fieldAway();
    await this.platformAway();
    const chain = await checkChain(this.state.chainDatabase, this.policy, engine);
    const field = await checkField(this.state.fieldDatabase, engine);
    return [...chain.findings, ...field.findings];
  }

  async #startGate(): Promise<void> {
    this.#gate = await startGate({
      ...COMMON,
      stateDir: this.state.gate,
      control: { host: '127.0.0.1', port: 0 },
      comparison: { port: 0 },
      maxLeaseMs: 60_000,
      collectorKeys: this.#config.collectors.map(({ key }) => key),
      crypto: engine,
      sockets: this.state.sockets,
      clock: systemClock,
    });
  }

  #configure(meterPort: number): Config {
    const meters = METERS.map((id, i) => {
      const holder = { name: `Holder of ${id}` };
      const codeFile = join(this.state.root, `${id}.code`);
      addToRoster(this.state, { meter: id, holder }, codeFile);
      return { id, unit: i + 1, profile: 'eastron/sdm120', holder, 'code-file': codeFile };
    });
    const config = {
      site: SITE,
      // As long as can be: time passes faster here than the meters answer.
      field: { interval: '15m', timeout: '1m', buses: [{ address: `tcp://127.0.0.1:${meterPort}`, meters }] },
      collectors: [{ url: this.#proxy.url, 'key-file': join(this.state.collector, PUBLIC_KEY_FILE) }],
    };
    return parseConfig(stringify(config), this.state.root);
  }

  async #stop(): Promise<void> {
    await this.fieldAway();
    await this.#gate?.stop();
    await this.platformAway();
    await this.collectorAway();
    rmSync(this.#root, { recursive: true, force: true });
  }
}
