import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isSpoolSegment, readSpoolFrames } from '@meterseal/node-red-meterseal/core';
import { decodeRecord } from '@meterseal/protocol';
import t from 'tap';
import { bundleNodes, installed, NodeRed, notInstalled, Outlet, until } from './running-node-red.js';
import { SampleSite } from './sample-flow.js';

const INJECTION = fileURLToPath(new URL('../../nodes/fault-injection.cjs', import.meta.url));
/** One meter's day at 15 s. */
const DAY = 5_760;
const BATCH = 96;
const KILLS = 10;

t.setTimeout(600_000);
bundleNodes();

t.test("killed ten times under a day's backlog, disk full once", { skip: notInstalled('5') }, async (t) => {
  const userDir = t.testdir();
  const faults = join(userDir, 'faults');
  writeFileSync(faults, '');
  const site = await SampleSite.start(t, userDir);
  const outlet = await Outlet.start(t);
  const env = { NODE_OPTIONS: `--require ${INJECTION}`, METERSEAL_FAULTS: faults };
  const red = await NodeRed.start(t, installed('5')!, userDir, { env });
  await red.deploy([
    ...site.configNodes(),
    ...site.collectorNode(['verify']),
    { id: 'ask', type: 'inject', z: 'flow', props: [], wires: [['verify']] },
    {
      ...{ id: 'verify', type: 'meterseal-verify', z: 'flow', link: 'link', patience: '0', most: '1000' },
      ...{ interval: '1', batch: '200', wires: [['asked'], ['asked'], ['asked']] },
    },
    {
      ...{ id: 'asked', type: 'switch', z: 'flow', property: 'comparison', propertyType: 'msg', outputs: 1 },
      ...{ rules: [{ t: 'nnull' }], checkall: 'true', repair: false, wires: [['tap-asked']] },
    },
    ...outlet.nodes('flow', 'asked'),
  ]);
  await site.open();
  const [meter] = site.meters;
  site.make(meter, DAY);

  // As the field does it: what was not acknowledged is delivered again, from where the collector says that it stands.
  let acknowledged = 0;
  let kills = 0;
  let isFull = false;
  for (let batch = 0; acknowledged < DAY; batch++) {
    const answer = site
      .send(meter, acknowledged + 1, Math.min(acknowledged + BATCH, DAY))
      .catch(() => undefined);
    if (batch % 5 === 4 && kills < KILLS) {
      // Not before the request is on its way, and each time a little later in what it does.
      await new Promise((resolve) => setTimeout(resolve, 2 * kills));
      await red.kill('SIGKILL');
      kills++;
      await answer;
      await red.run();
      await site.open();
    } else if (batch === 22) {
      await answer;
      writeFileSync(faults, 'disk-full');
      const refused = await site.send(meter, (await site.heldTo(meter)) + 1, acknowledged + 2 * BATCH);
      isFull = refused.status === 503 && refused.text.includes('disk-full');
      writeFileSync(faults, '');
      await until('the files are opened again', () =>
        site.open().then(
          () => true,
          () => false,
        ),
      );
    } else {
      await answer;
    }
    const held = await site.heldTo(meter);
    t.ok(held >= acknowledged, 'nothing acknowledged is lost');
    acknowledged = held;
  }
  t.equal(kills, KILLS);
  t.ok(isFull);

  await t.test('the comparison verifies every reading of the day', async (t) => {
    outlet.forget();
    await red.inject('ask');
    const asked = (await outlet.until('asked', 1)).at(-1);
    t.match(asked.comparison, { verdict: 'verified', readings: DAY, verified: DAY, damage: 0 });
  });

  await t.test('every reading is there exactly once, in order', async (t) => {
    await red.stop();
    const folder = join(site.dir, 'spool');
    const seqs = readdirSync(folder)
      .filter(isSpoolSegment)
      .sort()
      .flatMap((name) => readSpoolFrames(readFileSync(join(folder, name))))
      .map(({ record }) => decodeRecord(record).seq);
    t.same(
      seqs,
      Array.from({ length: DAY }, (_, i) => i + 1),
    );
  });
});
