import t from 'tap';
import { MUTANTS } from './mutants.js';
import { runSeed } from './run-seed.js';

/** Seeds in which each of them must be found. */
const WITHIN = 100;

t.setTimeout(300_000);

for (const { name, sabotage, trouble = () => {}, restore } of MUTANTS) {
  t.test(`the simulation finds it if ${name}`, async (t) => {
    t.setTimeout(300_000);
    let seed = 0;
    let problems: readonly string[] = [];
    try {
      while (problems.length === 0 && seed < WITHIN) {
        seed++;
        ({ problems } = await runSeed(seed, { sabotage, trouble }));
      }
    } finally {
      restore?.();
    }
    t.not(problems.length, 0, `by seed ${seed} of at most ${WITHIN}`);
    t.comment(problems[0]?.split('\n')[0]?.slice(0, 200) ?? '');
    t.strictSame((await runSeed(seed, { trouble })).problems, [], 'without it that seed is well');
  });
}
