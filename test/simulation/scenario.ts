import { Dice } from './dice.js';
import type { DriverFault } from './simulated-driver.js';
import type { Weather } from './wire.js';
import { FAIR } from './wire.js';
import type { World, WorldOptions } from './world.js';
import type { WriteFate } from './writes.js';

const SECOND = 1_000;
const HOUR = 3_600_000;

/** What one seed puts the line through. */
export class Scenario {
  readonly options: WorldOptions;
  /** Milliseconds for which it is disturbed. */
  readonly horizon: number;
  readonly interval: number;
  readonly #dice: Dice;
  readonly #isRolledBack: boolean;
  /** What is done to it, for whoever reads a failure. */
  readonly troubles: string[] = [];

  constructor(seed: number) {
    const dice = new Dice(seed ^ 0x5eed);
    this.#dice = dice;
    const isLong = dice.chance(0.01);
    this.interval = isLong ? dice.between(120, 400) * SECOND : dice.between(4, 10) * SECOND;
    this.horizon = dice.between(6, 14) * this.interval;
    this.options = {
      meters: dice.pick([1, 2, 2, 3]),
      session: {
        lifeMs: dice.chance(0.5) ? 24 * HOUR : dice.between(10, 60) * SECOND,
        readings: dice.chance(0.7) ? 10_000 : dice.between(1, 8),
      },
      sessionUse: dice.chance(0.15) ? 'per-transmission' : 'reused',
    };
    this.#isRolledBack = dice.chance(0.06);
  }

  /** Plans all of it; nothing has started yet. */
  plan(world: World): void {
    const dice = this.#dice;
    if (this.#isRolledBack && dice.chance(0.4)) {
      this.#several(1, 3, () => this.#comparison(world));
      this.#rollback(world, true);
      return;
    }
    if (dice.chance(0.6)) this.#weather(world);
    if (dice.chance(0.4)) this.#slowDisks(world);
    if (dice.chance(0.7)) this.#several(1, 4, () => this.#death(world));
    if (dice.chance(0.25)) this.#several(1, 2, () => this.#powerCut(world));
    if (dice.chance(0.15)) this.#doubleBlow(world);
    if (dice.chance(0.4)) this.#several(1, 2, () => this.#outage(world));
    if (dice.chance(0.25)) this.#several(1, 3, () => this.#clockStep(world));
    if (dice.chance(0.2)) this.#freeze(world);
    if (dice.chance(0.2)) this.#orderlyStop(world);
    if (dice.chance(0.15)) this.#several(1, 2, () => this.#driverFault(world));
    this.#several(1, 4, () => this.#comparison(world));
    if (this.#isRolledBack) this.#rollback(world);
  }

  #several(least: number, most: number, plan: () => void): void {
    for (let left = this.#dice.between(least, most); left > 0; left--) plan();
  }

  /** @param kind a word for what is told of the seeds that met it */
  #at(world: World, kind: string, what: string, run: () => void, at = this.#dice.below(this.horizon)): void {
    this.troubles.push(`${at} ${kind}, ${what}`);
    world.timeline.after(at, () => {
      if (world.isHealing) return;
      world.note(`trouble: ${kind}, ${what}`);
      world.model.met.add(kind);
      run();
    });
  }

  #weather(world: World): void {
    const dice = this.#dice;
    const weather = (): Weather => {
      if (dice.chance(0.3)) return FAIR;
      const rate = (most: number): number => (dice.chance(0.5) ? 0 : dice.below(100) * (most / 100));
      return {
        lost: rate(0.2),
        unanswered: rate(0.25),
        late: rate(0.4),
        twice: rate(0.15),
        silent: dice.pick([0, 0.2, 0.7]),
      };
    };
    const { wires } = world;
    for (const wire of [wires.platform, wires.switch, wires.delivery, wires.control])
      wire.weather = weather();
    world.comparisonWeather = weather();
    this.troubles.push('weather');
  }

  #slowDisks(world: World): void {
    for (const { writes } of world.actors) writes.slow = this.#dice.chance(0.5) ? 0.2 : 0;
    this.troubles.push('slow disks');
  }

  #death(world: World): void {
    const dice = this.#dice;
    const actor = dice.pick(world.actors);
    const fate = dice.pick<WriteFate | 'now'>([
      'now',
      'dies-before',
      'dies-before',
      'dies-after',
      'dies-after',
      'dies-unsynced',
      'fails-before',
      'fails-after',
    ]);
    const left = dice.between(1, 8);
    // At the start too: enrolment and recovery have their own writes.
    const at = dice.chance(0.3) ? dice.below(3 * SECOND) : dice.below(this.horizon);
    this.#at(
      world,
      fate === 'now' ? 'death now' : 'death planned',
      `${actor.name} ${fate} ${left}`,
      () => {
        if (fate === 'now') actor.kill();
        else actor.writes.plan(left, fate);
      },
      at,
    );
  }

  /** A process ends in the middle of a write, and soon after it was started again its machine loses power. */
  #doubleBlow(world: World): void {
    const dice = this.#dice;
    const actor = dice.pick([world.collector, world.collector, world.field, world.chain, world.gate]);
    const fate = dice.pick<WriteFate>(['dies-after', 'dies-unsynced', 'dies-before']);
    const left = dice.between(1, 8);
    const at = dice.below(this.horizon);
    this.#at(world, 'double blow', `${actor.name} ${fate} ${left}`, () => actor.writes.plan(left, fate), at);
    const cut = (): void => {
      if (actor === world.collector) world.cutCollectorPower(0, fate);
      else world.cutBoxPower();
    };
    const follows = dice.between(SECOND, 25 * SECOND);
    this.#at(world, 'power cut after it', actor.name, cut, at + follows);
  }

  #powerCut(world: World): void {
    const dice = this.#dice;
    if (dice.chance(0.5)) this.#at(world, 'power cut of the box', '', () => world.cutBoxPower());
    else {
      const left = dice.between(0, 6);
      const fate = dice.pick<WriteFate>(['dies-before', 'dies-after']);
      this.#at(world, 'power cut of the collector', `${fate} ${left}`, () => {
        world.cutCollectorPower(left, fate);
      });
    }
  }

  #outage(world: World): void {
    const dice = this.#dice;
    const { wires } = world;
    const wire = dice.pick([wires.platform, wires.delivery, wires.switch, wires.control]);
    const cut = dice.chance(0.7) ? 'refused' : 'silent';
    const lasts = dice.below(this.horizon);
    this.#at(world, 'outage', `${wire.name} for ${lasts} ms, ${cut}`, () => {
      wire.cut = cut;
      world.timeline.after(lasts, () => {
        wire.cut = undefined;
      });
    });
  }

  #clockStep(world: World): void {
    const dice = this.#dice;
    const clock = dice.chance(0.6) ? world.boxClock : world.collectorClock;
    const size = dice.pick([20 * SECOND, 600 * SECOND, 5 * HOUR]);
    const step = dice.between(-size, size);
    this.#at(world, 'clock step', `${step} ms`, () => {
      clock.offset += step;
      clock.isSynchronised = dice.chance(0.5);
    });
  }

  #freeze(world: World): void {
    const dice = this.#dice;
    const actor = dice.pick([world.collector, world.collector, world.chain, world.gate, world.field]);
    const lasts = dice.between(1, 60) * SECOND;
    this.#at(world, 'hang', `${actor.name} for ${lasts} ms`, () => {
      const { life } = actor;
      if (life === undefined) return;
      if (actor === world.gate) world.model.isGateHindered = true;
      life.freeze();
      world.timeline.after(lasts, () => life.thaw());
    });
  }

  #orderlyStop(world: World): void {
    const actor = this.#dice.pick(world.actors);
    this.#at(world, 'orderly stop', actor.name, () => actor.stop());
  }

  #driverFault(world: World): void {
    const faults = ['connect-fails', 'connect-hangs', 'isolate-fails', 'isolate-hangs', 'lies'] as const;
    const fault: DriverFault = this.#dice.pick(faults);
    this.#at(world, 'driver fault', fault, () => {
      world.model.isGateHindered = true;
      world.gate.failDriver(fault);
    });
  }

  #comparison(world: World): void {
    const max = this.#dice.pick([200, 5 * SECOND, 30 * SECOND]);
    this.#at(world, 'comparison', `${max} ms`, () => void world.collector.compare(max));
  }

  /** @param isFair nothing else goes wrong: then the field finds out in time, and uses no number twice */
  #rollback(world: World, isFair = false): void {
    const dice = this.#dice;
    const tables = world.boxDisk.fieldTables;
    const copied = dice.between(Math.floor(this.horizon / 4), Math.floor(this.horizon / 2));
    const putBack = dice.between(copied, this.horizon);
    let copy: ReturnType<typeof tables.copy> | undefined;
    const copies = (): void => {
      // A copy from before an enrolment is for the operator to mend: the code is spent, and the identity lost.
      const { meters } = tables.tables;
      const isEnrolled =
        meters.length === world.meters.length && meters.every(({ state }) => state === 'enrolled');
      if (isEnrolled) copy = tables.copy();
    };
    this.#at(world, 'field.db copied', '', copies, copied);
    const puts = (): void => {
      if (copy === undefined) return;
      world.field.kill();
      tables.putBack(copy);
      world.model.met.add('field.db put back');
      world.model.putBack(isFair);
    };
    this.#at(world, 'field.db due to be put back', '', puts, putBack);
  }
}
