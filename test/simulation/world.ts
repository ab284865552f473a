import type { Holder } from '@meterseal/protocol';
import type { HttpAnswer } from 'meterseal/internal/host/http-client';
import type { Logger } from 'meterseal/internal/host/logger';
import { createLogger } from 'meterseal/internal/host/logger';
import { BoxDisk } from './box-disk.js';
import { ChainActor } from './chain-actor.js';
import { CollectorActor } from './collector-actor.js';
import { Dice } from './dice.js';
import { FieldActor } from './field-actor.js';
import type { ComparisonRequest, ControlRequest } from './gate-actor.js';
import { GateActor } from './gate-actor.js';
import { MemoryDisk } from './memory-disk.js';
import { Model } from './model.js';
import { engine } from './seeded-engine.js';
import { WallClock } from './simulated-clock.js';
import { Timeline } from './timeline.js';
import type { Trace } from './trace.js';
import { markOf } from './trace.js';
import type { HttpWire, Weather } from './wire.js';
import { describeRequest, FAIR, Wire } from './wire.js';
import type { WriteFate } from './writes.js';

export const PLATFORM_ID = 'meterseal.example/meterseal/simulated';
export const HOLDER: Holder = { name: 'A. Holder', contract: 'C-1001' };
const COLLECTOR_SEED = new Uint8Array(32).fill(7);

export type SimulatedMeter = { readonly id: string; polls: number };

export type WorldOptions = {
  readonly meters: number;
  readonly session: { readonly lifeMs: number; readonly readings: number };
  readonly sessionUse: 'reused' | 'per-transmission';
};

const silent = createLogger('silent');

/**
 * The whole line in one process.
 *
 * Real: FieldCore with its workers, FieldStore and its transactions; openChain, Chain, Platform and the calls of the three
 * sockets; GateCore with machine, guard, spool and committer, SwitchClient, the routes of a comparison; Collector with
 * spool, mirror, comparison and judge; every client on the way; every format, hash and signature.
 *
 * Simulated: time; sockets, with HTTP and its schemas (wire.ts); disks (box-disk.ts, memory-disk.ts) with the statements of
 * field.db (field-tables.ts, proven equal to SQLite) and the chain's store (memory-chain-store.ts, likewise); the meters
 * and their bus; the listener of the comparison port; the sources of randomness; the box that an issued key comes in.
 */
export class World {
  readonly timeline = new Timeline();
  readonly dice: Dice;
  readonly trace: Trace;
  readonly log: Logger;
  readonly options: WorldOptions;
  readonly model: Model;
  readonly meters: readonly SimulatedMeter[];
  readonly boxClock = new WallClock(this.timeline);
  readonly collectorClock = new WallClock(this.timeline);
  readonly boxDisk = new BoxDisk();
  readonly collectorKey = engine.keyFromSeed(COLLECTOR_SEED);
  readonly field: FieldActor;
  readonly chain: ChainActor;
  readonly gate: GateActor;
  readonly collector: CollectorActor;
  readonly collectorDisk: MemoryDisk;
  readonly wires: {
    readonly platform: HttpWire;
    readonly switch: HttpWire;
    readonly delivery: HttpWire;
    readonly control: Wire<ControlRequest, Uint8Array>;
    readonly comparison: (port: number) => Wire<ComparisonRequest, HttpAnswer | undefined>;
  };
  comparisonWeather: Weather = FAIR;
  isHealing = false;

  constructor(seed: number, options: WorldOptions, trace: Trace) {
    this.dice = new Dice(seed);
    this.options = options;
    this.trace = trace;
    this.log =
      trace.lines === undefined
        ? silent
        : createLogger('debug', { write: (line) => void trace.lines!.push(`      ${line.trimEnd()}`) });
    this.meters = Array.from({ length: options.meters }, (_, i) => ({ id: `EM-${i + 1}`, polls: 0 }));
    this.model = new Model(this);
    this.field = new FieldActor('field', this, this.boxClock);
    this.chain = new ChainActor('chain', this, this.boxClock);
    this.gate = new GateActor('gate', this, this.boxClock);
    this.collector = new CollectorActor('collector', this, this.collectorClock);
    this.collectorDisk = new MemoryDisk(this.collector.writes);
    this.wires = {
      platform: new Wire('platform', this, () => this.chain.platformServer, describeRequest('field')),
      switch: new Wire('switch', this, () => this.chain.switchServer, describeRequest('gate')),
      delivery: new Wire('collector', this, () => this.collector.server, describeRequest('field')),
      control: new Wire(
        'control port',
        this,
        () => this.gate.controlServer,
        ({ bytes }) => `lease request ${markOf(bytes)}`,
      ),
      comparison: (port) => {
        const describe = describeRequest('comparison');
        const wire = new Wire<ComparisonRequest, HttpAnswer | undefined>(
          'comparison port',
          this,
          () => this.gate.comparisonServer(port),
          describe,
        );
        wire.weather = this.comparisonWeather;
        return wire;
      },
    };
  }

  /** The box loses power. */
  cutBoxPower(): void {
    this.field.kill();
    this.gate.kill();
    this.chain.kill();
    this.boxDisk.cutPower(this.dice);
  }

  /** The collector's machine loses power at its `left`-th write from now, or at once. */
  cutCollectorPower(left: number, fate: WriteFate): void {
    const cut = (): void => {
      this.collector.kill();
      this.collectorDisk.cutPower(this.dice);
    };
    if (left === 0) cut();
    else this.collector.writes.plan(left, fate, cut);
  }

  note(what: string): void {
    this.trace.add(`${this.timeline.now} ${what}`);
  }

  get actors(): readonly [FieldActor, ChainActor, GateActor, CollectorActor] {
    return [this.field, this.chain, this.gate, this.collector];
  }
}
