import { pathToFileURL } from 'node:url';
import { checkEnd, isDrained } from './final-check.js';
import { Scenario } from './scenario.js';
import { countTurns } from './timeline.js';
import { Trace } from './trace.js';
import { FAIR } from './wire.js';
import { World } from './world.js';

export type SeedRun = {
  readonly problems: readonly string[];
  readonly digest: string;
  readonly events: number;
  readonly lines: readonly string[];
  readonly troubles: readonly string[];
  readonly world: World;
};

/** Virtual milliseconds that the line gets to drain: the longest pauses of its workers are ten minutes. */
const HEAL_MS = 3_600_000;
const START_MS = 60_000;

export type RunOptions = {
  readonly keepLines?: boolean;
  /** Breaks something before anything starts, to show that it is found. */
  readonly sabotage?: (world: World) => void;
  /** Plans more than the seed does. */
  readonly trouble?: (world: World) => void;
};

/** Lives through one seed, heals the line, and says what does not hold. */
export async function runSeed(
  seed: number,
  { keepLines = false, sabotage, trouble }: RunOptions = {},
): Promise<SeedRun> {
  countTurns();
  const scenario = new Scenario(seed);
  const trace = new Trace(keepLines);
  const world = new World(seed, scenario.options, trace);
  const { timeline, model } = world;
  sabotage?.(world);
  const strangers = (error: unknown): void => model.problem('a rejection that nobody handles', error);
  process.on('unhandledRejection', strangers);
  try {
    // The collector cannot be set up before there is a policy.
    world.chain.start();
    await timeline.run(START_MS, () => world.chain.isUp);
    world.field.start();
    world.gate.start();
    world.collector.start();
    const began = timeline.now;
    scenario.plan(world);
    trouble?.(world);
    poll(world, scenario.interval, began + scenario.horizon);
    await timeline.run(began + scenario.horizon);

    heal(world);
    await timeline.run(timeline.now + HEAL_MS, () => isDrained(world));
    model.expect(isDrained(world), 'the line does not drain');
    // Once more everything has to work, from the meter to the verdict.
    poll(world, 1_000, timeline.now + 1_500);
    await timeline.run(timeline.now + 2_000);
    await timeline.run(timeline.now + HEAL_MS, () => isDrained(world));
    model.expect(isDrained(world), 'the line does not work any more');
    if (model.problems.length === 0) await compareAll(world);
    if (model.problems.length === 0) await checkEnd(world);
  } catch (error) {
    model.problem('the simulation itself failed', error);
  } finally {
    timeline.end();
    process.off('unhandledRejection', strangers);
  }
  const { problems } = model;
  return {
    problems,
    digest: trace.digest,
    events: trace.count,
    lines: trace.lines ?? [],
    troubles: scenario.troubles,
    world,
  };
}

/** A reading of each meter every `interval` until `end`. */
function poll(world: World, interval: number, end: number): void {
  world.timeline.after(interval, () => {
    if (world.timeline.now > end) return;
    for (const meter of world.meters) {
      meter.polls++;
      world.field.poll(meter, `${meter.polls}.5`);
    }
    poll(world, interval, end);
  });
}

/** From here on nothing goes wrong any more. */
function heal(world: World): void {
  world.note('heals');
  world.isHealing = true;
  world.comparisonWeather = FAIR;
  const { wires } = world;
  for (const wire of [wires.platform, wires.switch, wires.delivery, wires.control]) {
    wire.weather = FAIR;
    wire.cut = undefined;
  }
  world.gate.failDriver(undefined);
  for (const actor of world.actors) {
    actor.writes.forget();
    actor.life?.thaw();
    actor.start();
  }
}

/** The last comparison must find everything verified, but for what a rollback explains. */
async function compareAll(world: World): Promise<void> {
  const { model, timeline, collector, boxDisk } = world;
  for (let attempt = 0; attempt < 5; attempt++) {
    let isOver = false;
    const running = collector.compare(30_000).finally(() => {
      isOver = true;
    });
    await timeline.run(timeline.now + 120_000, () => isOver);
    const result = await running;
    if (result?.outcome !== 'judged') {
      await timeline.run(timeline.now + 10_000);
      continue;
    }
    const { counts, findings } = result;
    const { records, meters } = boxDisk.fieldTables.tables;
    for (const { meter, seq, reason } of findings)
      if (reason === 'equivocation') model.statedTwice.add(`${meter} ${seq}`);
    // What was stored and never acknowledged, and then forgotten by the field, waits for its number to be used again.
    const isForgotten = (meter: string | undefined, seq: number): boolean =>
      model.explained.has('equivocation') && seq >= (meters.find(({ id }) => id === meter)?.nextSeq ?? 0);
    const wrong = findings.filter(
      ({ meter, seq, reason }) =>
        !model.explained.has(reason) && !(reason === 'not-yet-anchored' && isForgotten(meter, seq)),
    );
    const list = wrong.map(({ meter, seq, reason }) => `${meter} ${seq} ${reason}`);
    model.expect(wrong.length === 0, `the last comparison found ${list.join(', ')}`);
    if (model.explained.size === 0) {
      model.expect(
        counts.verified === records.length,
        `${counts.verified} of ${records.length} are verified`,
      );
    }
    return;
  }
  model.problem('there is no last comparison');
}

/** `METERSEAL_SIM_SEED=… node test/dist/simulation/run-seed.js`: one seed, told in full. */
async function main(): Promise<void> {
  const seed = Number(process.env['METERSEAL_SIM_SEED'] ?? 1);
  const { problems, digest, lines, troubles } = await runSeed(seed, { keepLines: true });
  process.stdout.write(`${[...lines, ...troubles.map((trouble) => `trouble: ${trouble}`)].join('\n')}\n`);
  for (const problem of problems) process.stdout.write(`PROBLEM: ${problem}\n`);
  process.stdout.write(`seed ${seed}: ${digest}, ${problems.length} problems\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
