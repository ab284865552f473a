import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Flow } from './running-node-red.js';
import { bundleNodes, installed, NodeRed, notInstalled, Outlet } from './running-node-red.js';
import { SampleSite, TOKEN } from './sample-flow.js';

const FOLDER = fileURLToPath(new URL('../../../node-red-nodes/examples', import.meta.url));
type Node = Record<string, unknown> & { id: string; type: string; name?: string };

t.setTimeout(300_000);
bundleNodes();

function exampleOf(name: string): Node[] {
  return JSON.parse(readFileSync(join(FOLDER, `${name}.json`), 'utf8'));
}

/** An example as it stands, with the site's platform, gate and token in it, and with its debug nodes sending to the outlet. */
function flowOf(name: string, site: SampleSite, outlet: Outlet): Flow {
  const [, platform, link] = site.configNodes();
  const nodes = exampleOf(name).map((node): Node => {
    const { id } = node;
    if (node.type === 'meterseal-platform') return { ...node, ...platform, id };
    if (node.type === 'meterseal-link') return { ...node, ...link, id, platform: node['platform'] };
    if (node.type === 'meterseal-collector') {
      return { ...node, port: String(site.collectorPort), credentials: { token: TOKEN } };
    }
    // Compares when it is told to, and not in between.
    if (node.type === 'meterseal-verify') return { ...node, interval: '0' };
    if (node.type !== 'debug') return node;
    const [tap] = outlet.nodes(String(node['z']), String(node.name));
    return { ...node, ...(tap as object), id } as Node;
  });
  const tab = nodes.find(({ type }) => type === 'tab')!.id;
  return [...nodes, ...outlet.nodes(tab).slice(-1)];
}

function buttonOf(name: string, label: string): string {
  return exampleOf(name).find((node) => node.type === 'inject' && node.name === label)!.id;
}

t.test('every example is here', async (t) => {
  t.same(
    readdirSync(FOLDER).sort(),
    [
      ...['alarm', 'dashboard', 'forward-by-mqtt', 'nightly-audit'],
      ...['quick-start', 'receive', 'verify-through-the-switch'],
    ].map((name) => `${name}.json`),
  );
});

for (const major of ['5', '4'] as const) {
  t.test(`examples in Node-RED ${major}`, { skip: notInstalled(major) }, async (t) => {
    const userDir = t.testdir();
    const site = await SampleSite.start(t, userDir);
    const outlet = await Outlet.start(t);
    const red = await NodeRed.start(t, installed(major)!, userDir);
    const [meter] = site.meters;

    /** Deploys an example and delivers one more reading to it. */
    const play = async (name: string): Promise<void> => {
      outlet.forget();
      await red.deploy(flowOf(name, site, outlet));
      await site.open();
      await site.give(meter, 1);
    };
    const count = (): number => site.sequenceOf(meter).length;

    await t.test('quick start: readings come in, and a comparison verifies them', async (t) => {
      await play('quick-start');
      await outlet.until('reading', 1);
      await red.inject(buttonOf('quick-start', 'compare now'));
      const verified = await outlet.until('verified', 2);
      t.match(verified.at(-1).comparison, { verdict: 'verified', readings: count() });
      await outlet.until('state of the switch', 4);
      t.same(outlet.of('error'), []);
    });

    await t.test('receive: the values of each reading, and those of the last hour again', async (t) => {
      await play('receive');
      const [reading] = await outlet.until('reading', 1);
      t.match(reading.payload, { meter: 'EM-1', imported: count() + 0.5, time: /^2026-/ });
      await red.inject(buttonOf('receive', 'the last hour again'));
      t.same(outlet.of('error'), []);
    });

    await t.test(
      'verify through the switch: compares in the window that it opened, and isolates',
      async (t) => {
        await play('verify-through-the-switch');
        await red.inject(buttonOf('verify-through-the-switch', 'connect, then compare'));
        const verified = await outlet.until('verified', 2);
        const { lease } = verified.at(-1).comparison;
        const states = await outlet.until('state of the switch', 4);
        t.same(
          states.map(({ payload }) => payload),
          ['connecting', 'connected', 'isolating', 'isolated'],
        );
        t.same(
          [...new Set(states.map(({ switch: { lease } }) => lease))],
          [lease],
          'one window, that of the switch',
        );
        t.same(outlet.of('error'), []);
      },
    );

    await t.test('nightly audit: one line of a file for each', async (t) => {
      await play('nightly-audit');
      await red.inject(buttonOf('nightly-audit', 'audit now'));
      const [audit] = await outlet.until('audit', 1);
      t.match(JSON.parse(audit.payload), { outcome: 'judged', verdict: 'verified', readings: count() });
      const file = readFileSync(join(userDir, 'meterseal-audit.jsonl'), 'utf8');
      t.equal(file.trim(), audit.payload);
      t.same(outlet.of('error'), []);
    });

    await t.test('alarm: says which reading, and that the switch is at fault', async (t) => {
      await play('alarm');
      const forged = meter.record(count(), '77');
      // Behind the meter's back, but by its key: a second version of a held number.
      await site.post('/v1/records', meter.delivery(1, site.sequenceOf(meter), 0, [forged]));
      await red.inject(buttonOf('alarm', 'compare now'));
      const [alarm] = await outlet.until('alarm', 1);
      t.match(alarm.payload, new RegExp(`^Tampered: EM-1, reading ${count()}: `));
      site.platform.patches = { lease: ({ action }) => (action === 'connect' ? 'fault' : undefined) };
      await red.inject(buttonOf('alarm', 'compare now'));
      const alarms = await outlet.until('alarm', 2);
      t.match(alarms.at(-1).payload, /^The isolation switch is at fault/);
      site.platform.patches = {};
      t.same(outlet.of('error'), []);
    });

    await t.test('forward by MQTT: loads and runs, also without a broker', async (t) => {
      await play('forward-by-mqtt');
      t.ok(red.isRunning);
      t.same(outlet.of('error'), []);
    });

    t.notMatch(red.log, /\[error\] \[meterseal/, 'no node has had anything to complain about');
  });
}
