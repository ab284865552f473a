import { toBase64 } from '@meterseal/protocol';
import t from 'tap';
import { collectorKey } from '../collector/sample-meter.js';
import { bundleNodes, installed, NodeRed, notInstalled, Outlet, until } from './running-node-red.js';
import { SampleSite } from './sample-flow.js';

t.setTimeout(300_000);
bundleNodes();

for (const major of ['5', '4'] as const) {
  t.test(`Node-RED ${major}`, { skip: notInstalled(major) }, async (t) => {
    const userDir = t.testdir();
    const site = await SampleSite.start(t, userDir);
    const outlet = await Outlet.start(t);
    const red = await NodeRed.start(t, installed(major)!, userDir);

    await red.deploy([
      ...site.configNodes(),
      ...site.collectorNode(['tap-reading', 'verify']),
      { id: 'ask', type: 'inject', z: 'flow', props: [], once: false, wires: [['verify']] },
      {
        id: 'verify',
        type: 'meterseal-verify',
        z: 'flow',
        link: 'link',
        interval: '0',
        batch: '1000',
        patience: '0',
        most: '1000',
        wires: [['tap-verified'], ['tap-tampered'], ['tap-unverifiable']],
      },
      {
        id: 'switch',
        type: 'meterseal-switch',
        z: 'flow',
        link: 'link',
        wires: [['tap-state'], ['tap-done']],
      },
      { id: 'status', type: 'status', z: 'flow', scope: ['verify', 'switch'], wires: [['tap-status']] },
      { id: 'catch', type: 'catch', z: 'flow', scope: null, wires: [['tap-caught']] },
      ...outlet.nodes(
        'flow',
        'reading',
        'verified',
        'tampered',
        'unverifiable',
        'state',
        'status',
        'done',
        'caught',
      ),
    ]);

    await t.test('every node loads without an error', async (t) => {
      const sets = await red.get<{ id: string; err?: string; types: string[] }[]>('nodes');
      const ours = sets.filter(({ id }) => id.startsWith('@meterseal/'));
      t.same(
        ours.map(({ err }) => err).filter((err) => err !== undefined),
        [],
      );
      t.ok(ours.length >= 5);
    });

    await t.test('a reading is a message as soon as it is stored', async (t) => {
      await site.open();
      await site.give(site.meters[0], 3);
      await site.give(site.meters[1], 2);
      const messages = await outlet.until('reading', 5);
      t.match(messages[0], {
        topic: 'EM-1',
        payload: { '1.8.0': 1.5 },
        reading: { meter: 'EM-1', seq: 1, values: [{ obis: '1-0:1.8.0', unit: 'kWh', value: '1.5' }] },
        collector: { conflict: false, hash: /^[0-9a-f]{64}$/ },
      });
    });

    await t.test('the editor is told the public key of a link that is deployed', async (t) => {
      const key = toBase64(collectorKey.publicKey);
      t.same(await red.get('meterseal/links/link/key'), { key });
      t.same(await red.get('meterseal/links/verify/key'), { key: null });
    });

    await t.test('a comparison on request judges the readings that wait, and everything held', async (t) => {
      await red.inject('ask');
      const messages = await outlet.until('verified', 6);
      const [summary, ...readings] = [...messages].reverse();
      t.match(summary.comparison, {
        outcome: 'judged',
        verdict: 'verified',
        readings: 5,
        verified: 5,
        tampered: 0,
      });
      t.equal(readings.length, 5);
      t.match(readings.at(-1), {
        reading: { meter: 'EM-1', seq: 1 },
        verification: { verdict: 'verified', reason: 'verified', hash: /^[0-9a-f]{64}$/ },
      });
      t.same(outlet.of('tampered'), []);
      t.same(outlet.of('caught'), []);
    });

    await t.test('the switch tells each state, and its own witness that the port refuses', async (t) => {
      const states = await outlet.until('state', 4);
      t.same(
        states.map(({ payload }) => payload),
        ['connecting', 'connected', 'isolating', 'isolated'],
      );
      t.match(states[3].switch, { witness: 'refused' });
    });

    await t.test('badges reach Status nodes', async (t) => {
      const texts = (): string[] => outlet.of('status').map(({ status }) => status.text);
      await until(
        'the badge of verify',
        async () => texts().includes('✓5 ✗0 ?0'),
        () => texts().join(),
      );
      t.pass('numbers and signs, in every language');
    });
  });
}
