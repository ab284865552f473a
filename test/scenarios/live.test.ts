import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { assertRefused, meterseal } from '../command-line.js';
import { METERS } from './line.js';
import { RunningCommand } from './running-command.js';

const READINGS = METERS.map((id) => `${id} [1-9]\\d* \\([\\d.]+ kWh  -?[\\d.]+ W\\)`).join(', ');
const SHOWN = new RegExp(`chain (\\d+) entries, switch isolated, ${READINGS}`);
const GREEN = /comparison (\d+) of (\d+) verified, 0 tampered, (\d+) not yet to be judged/;

t.test(
  'the demo in the terminal shows readings and a green comparison, keeps its state, and begins anew if told to',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'ms-live-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const state = join(folder, 'state');
    const policy = (): string => readFileSync(join(state, 'policy'), 'utf8');
    /** Starts the demo, and ends it by Ctrl-C when `work` is through. */
    const run = async (
      args: readonly string[],
      work: (demo: RunningCommand) => Promise<void>,
    ): Promise<void> => {
      const demo = new RunningCommand(t, 'demo', '--headless', '--state', state, ...args);
      await work(demo);
      t.ok(demo.processes().length >= 5, 'meters, box and collector are processes of their own');
      demo.signal('SIGINT');
      t.equal(await demo.end(), 0, demo.output);
      t.strictSame(demo.processes(), [], 'Ctrl-C ends everything');
    };
    const size = async (demo: RunningCommand): Promise<number> => Number((await demo.shows(SHOWN))[1]);

    let reached = 0;
    let origin = '';
    await run([], async (demo) => {
      await demo.shows(SHOWN);
      const [, verified, readings, waiting] = (await demo.shows(GREEN)).map(Number);
      t.ok(
        verified! > 0 && verified! + waiting! === readings,
        'nothing but verified, or too young to be judged',
      );
      reached = await size(demo);
      origin = policy();
    });
    await run([], async (demo) => {
      const goesOn = await size(demo);
      t.ok(goesOn > reached, `goes on at ${goesOn} entries after ${reached}`);
      t.equal(policy(), origin, 'under the same key');
      const second = await meterseal('demo', '--headless', '--fresh', '--state', state);
      assertRefused(t, second, 13, 'state-in-use', /another meterseal uses it/);
      t.equal(policy(), origin, 'a second demo in its folder touches nothing');
      reached = goesOn;
    });
    await run(['--fresh'], async (demo) => {
      t.ok((await size(demo)) < reached, 'begins anew');
      t.not(policy(), origin, 'with another key');
    });
  },
);
