import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import t from 'tap';
import {
  bundleNodes,
  freePort,
  installed,
  NodeRed,
  notInstalled,
  Outlet,
  until,
} from './running-node-red.js';
import { SampleSite, TOKEN } from './sample-flow.js';

const INJECTION = fileURLToPath(new URL('../../nodes/fault-injection.cjs', import.meta.url));
const TAGS = [
  'reading',
  'verified',
  'tampered',
  'unverifiable',
  'state',
  'done',
  'replayed',
  'caught',
  'complete',
];

t.setTimeout(600_000);
bundleNodes();

/** Node-RED with every node of ours in one flow, beside a platform on real sockets. */
async function start(t: Test, major: '5' | '4') {
  const userDir = t.testdir();
  const faults = join(userDir, 'faults');
  writeFileSync(faults, '');
  const site = await SampleSite.start(t, userDir);
  const outlet = await Outlet.start(t);
  const env = { NODE_OPTIONS: `--require ${INJECTION}`, METERSEAL_FAULTS: faults };
  const red = await NodeRed.start(t, installed(major)!, userDir, { env });
  const verify = { interval: '0', batch: '1000', patience: '0', most: '1000' };
  const flow = (collector: Readonly<Record<string, unknown>> = {}) => [
    ...site.configNodes(),
    ...site.collectorNode(['tap-reading'], collector),
    { id: 'ask', type: 'inject', z: 'flow', props: [], wires: [['verify']] },
    {
      ...{ id: 'verify', type: 'meterseal-verify', z: 'flow', link: 'link', ...verify },
      wires: [['tap-verified'], ['tap-tampered'], ['tap-unverifiable']],
    },
    ...['connect', 'isolate', 'open'].map((payload) => ({
      ...{ id: payload, type: 'inject', z: 'flow', payload, payloadType: 'str' },
      ...{ props: [{ p: 'payload' }], wires: [['switch']] },
    })),
    { id: 'switch', type: 'meterseal-switch', z: 'flow', link: 'link', wires: [['tap-state'], ['tap-done']] },
    { id: 'again', type: 'inject', z: 'flow', props: [], wires: [['replay']] },
    { id: 'replay', type: 'meterseal-replay', z: 'flow', link: 'link', wires: [['tap-replayed']] },
    { id: 'catch', type: 'catch', z: 'flow', scope: null, wires: [['tap-caught']] },
    {
      id: 'complete',
      type: 'complete',
      z: 'flow',
      scope: ['verify', 'switch', 'replay'],
      wires: [['tap-complete']],
    },
    ...outlet.nodes('flow', ...TAGS),
  ];
  const fault = (...kinds: string[]): void => writeFileSync(faults, kinds.join(' '));
  return { site, outlet, red, flow, fault };
}

for (const major of ['5', '4'] as const) {
  t.test(`Node-RED ${major}`, { skip: notInstalled(major) }, async (t) => {
    const { site, outlet, red, flow, fault } = await start(t, major);
    const [meter] = site.meters;
    await red.deploy(flow());
    await site.open();
    await site.give(meter, 3);
    await outlet.until('reading', 3);

    await t.test('errors reach Catch with a code, and what is done reaches Complete', async (t) => {
      outlet.forget();
      await red.inject('open');
      const [caught] = await outlet.until('caught', 1);
      t.match(caught.error, { code: 'misuse', message: /neither/, source: { id: 'switch' } });
      await red.inject('ask');
      await red.inject('again');
      await outlet.until('complete', 2);
      t.equal(outlet.of('replayed').length, 3);
      t.equal(outlet.of('caught').length, 1);
    });

    await t.test(
      'it does not listen beyond this machine without TLS, nor anywhere without a token',
      async (t) => {
        outlet.forget();
        await red.deploy(flow({ host: '0.0.0.0' }));
        const [caught] = await outlet.until('caught', 1);
        t.match(caught.error, { code: 'bad-config', message: /open to the network/ });
        await t.rejects(site.post('/v1/openings', []));
        outlet.forget();
        await red.deploy(flow({ credentials: { token: 'short' } }));
        const [short] = await outlet.until('caught', 1);
        t.match(short.error, { code: 'bad-config' });
        await t.rejects(site.post('/v1/openings', []));
        await red.deploy(flow({ credentials: { token: TOKEN } }));
        await site.open();
      },
    );

    await t.test(
      'deploying takes less than a second with an upload and a comparison under way',
      async (t) => {
        outlet.forget();
        site.platform.patches = { lease: ({ action }) => (action === 'connect' ? 'silence' : undefined) };
        await red.inject('ask');
        await until('the gate was asked', async () => site.platform.requests.at(-1)?.action === 'connect');
        const upload = connect(site.collectorPort, '127.0.0.1');
        upload.on('error', () => {});
        upload.write(`POST /v1/records HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\n`);
        upload.write('Content-Type: application/octet-stream\r\nContent-Length: 100000\r\n\r\nthe beginning');
        const ended = new Promise((resolve) => upload.on('close', resolve));
        await new Promise((resolve) => upload.write('and more', resolve));
        const ms = await red.deploy(flow());
        t.comment(`deployed in ${ms.toFixed(0)} ms`);
        t.ok(ms < 5_000, 'far from the quarter of a minute that an open upload costs otherwise');
        await ended;
        site.platform.patches = {};
        await site.open();
        await site.give(meter, 1);
        await outlet.until('reading', 1);
      },
    );

    const KINDS = ['connect-throws', 'connect-errors', 'socket-errors', 'answer-throws', 'crypto-throws'];
    for (const kind of [...KINDS, 'listen-throws', 'files-throw', 'files-reject', 'disk-rejects']) {
      await t.test(`${kind}: Node-RED goes on, and so do the nodes when it is over`, async (t) => {
        outlet.forget();
        fault(kind);
        await site.post('/v1/openings', [meter.opening()]).catch(() => {});
        await site.post('/v1/records', meter.delivery(1, site.sequenceOf(meter), 1)).catch(() => {});
        for (const button of ['ask', 'connect', 'isolate', 'again']) await red.inject(button);
        await red.deploy(flow({ port: String(await freePort()) }));
        for (const button of ['ask', 'again']) await red.inject(button);
        await red.get('settings');
        t.ok(red.isRunning);

        fault();
        await red.deploy(flow());
        await site.open();
        outlet.forget();
        await site.give(meter, 1);
        await outlet.until('reading', 1);
        await red.inject('ask');
        const [asked] = await outlet.until('verified', 1);
        t.match(asked.comparison, { verdict: 'verified', readings: site.sequenceOf(meter).length });
      });
    }

    await t.test('after a disk that refused it the nodes go on by themselves', async (t) => {
      outlet.forget();
      fault('disk-rejects');
      const refused = await site.deliver(meter, 1);
      t.equal(refused.status, 503);
      fault();
      await until('the files are opened again', async () => {
        const delivered = site.sequenceOf(meter);
        return (
          (await site.post('/v1/records', meter.delivery(1, delivered, 1)).catch(() => undefined))?.status ===
          200
        );
      });
      await red.inject('ask');
      const [asked] = await outlet.until('verified', 1);
      t.match(asked.comparison, { verdict: 'verified', readings: site.sequenceOf(meter).length });
    });
  });
}
