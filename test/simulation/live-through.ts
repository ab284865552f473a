import type { Test } from 'tap';
import { runSeed } from './run-seed.js';

/** How many test files share the seeds, so that two of them can run at a time. */
const PARTS = 4;
const SEEDS = 1_000;
/** Milliseconds for one part: half a minute where the machine has nothing else to do, and what a busy one needs. */
export const PATIENCE_MS = 900_000;

/** What has to be met by some seed among so many, or the simulation shows less than it says. */
const MET_BY = 200;
const MUST_BE_MET = [
  'comparison judged',
  'comparison link-denied',
  'comparison link-fault',
  'comparison platform-unreachable',
  'death now',
  'death dies-before',
  'death dies-after',
  'death dies-unsynced',
  'death fails-before',
  'death fails-after',
  'power cut of the box',
  'power cut of the collector',
  'lost',
  'unanswered',
  'twice',
  'outage',
  'hang',
  'orderly stop',
  'clock step',
  'driver fault',
  'duplicate',
  'session-unknown',
  'session-expired',
  'field.db put back',
];

/**
 * One part of the seeds, each lived through twice. `METERSEAL_SIM_COUNT` says how many there are in all, and
 * `METERSEAL_SIM_FIRST` where they begin.
 *
 * @param part from 1
 */
export async function liveThrough(t: Test, part: number): Promise<void> {
  t.setTimeout(PATIENCE_MS);
  const count = Number(process.env['METERSEAL_SIM_COUNT'] ?? SEEDS);
  const first = Number(process.env['METERSEAL_SIM_FIRST'] ?? 1);
  const met = new Map<string, number>();
  let lived = 0;
  for (let seed = first + part - 1; seed < first + count; seed += PARTS) {
    const once = await runSeed(seed);
    const twice = await runSeed(seed);
    lived++;
    const replay = `METERSEAL_SIM_SEED=${seed} node test/dist/simulation/run-seed.js`;
    for (const problem of once.problems) t.fail(`seed ${seed}: ${problem}`, { replay });
    if (once.digest !== twice.digest) t.fail(`seed ${seed} does not give the same trace twice`, { replay });
    for (const what of once.world.model.met) met.set(what, (met.get(what) ?? 0) + 1);
  }
  t.pass(`${lived} seeds, each twice: whatever happened, every promise was kept`);
  t.comment([...met].map(([what, times]) => `${what} ${times}`).join(', '));
  if (lived < MET_BY) return;
  for (const what of MUST_BE_MET) t.ok(met.has(what), `some seed met: ${what}`);
}
