import { readFileSync } from 'node:fs';
import { changeOneValue, deleteOneRecord, inventOneRecord } from 'meterseal/internal/commands/demo/insider';
import t from 'tap';
import { bundleNodes, installed, NodeRed, notInstalled, Outlet } from './running-node-red.js';
import { SampleSite } from './sample-flow.js';

const STREAM = 12_000;
const STORE = 100_000;
const BATCH = 1_000;
const MOST_MIB = 512;

t.setTimeout(900_000);
bundleNodes();

/** Most memory that a process ever had, MiB. */
function peakOf(pid: number): number {
  const [, kib] = readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmHWM:\s+(\d+) kB/)!;
  return Math.round(Number(kib) / 1_024);
}

t.test('many readings through one flow', { skip: notInstalled('5') }, async (t) => {
  const userDir = t.testdir();
  const site = await SampleSite.start(t, userDir);
  const outlet = await Outlet.start(t);
  const red = await NodeRed.start(t, installed('5')!, userDir);
  const flow = (wires: readonly string[]) => [
    ...site.configNodes({ maxWindow: '60' }),
    ...site.collectorNode(wires),
    { id: 'ask', type: 'inject', z: 'flow', props: [], wires: [['verify']] },
    {
      ...{ id: 'verify', type: 'meterseal-verify', z: 'flow', link: 'link' },
      ...{ interval: '1', batch: '1000', patience: '120', most: '20000' },
      wires: [['short'], ['short'], ['short']],
    },
    {
      ...{ id: 'short', type: 'function', z: 'flow', outputs: 1, wires: [['tap-out']] },
      func: `return msg.comparison
        ? { comparison: msg.comparison }
        : { seq: msg.reading.seq, meter: msg.topic, verdict: msg.verification.verdict };`,
    },
    { id: 'catch', type: 'catch', z: 'flow', scope: null, wires: [['tap-caught']] },
    ...outlet.nodes('flow', 'out', 'caught'),
  ];
  await red.deploy(flow(['verify']));
  await site.open();
  const [first, second] = site.meters;

  await t.test('of 12,000 readings each leaves verify exactly once', async (t) => {
    for (let sent = 0; sent < STREAM; sent += 2 * BATCH) {
      for (const meter of site.meters) await site.give(meter, BATCH);
    }
    const out = await outlet.until('out', STREAM);
    t.equal(out.length, STREAM);
    t.equal(new Set(out.map(({ meter, seq }) => `${meter} ${seq}`)).size, STREAM);
    t.same(
      out.filter(({ verdict }) => verdict !== 'verified'),
      [],
    );
    t.same(outlet.of('caught'), []);
    const peak = peakOf(red.pid);
    t.comment(`${STREAM} readings: at most ${peak} MiB`);
    t.ok(peak < MOST_MIB, 'memory is bounded');
  });

  await t.test('of 100,000 stored readings exactly those are named that somebody touched', async (t) => {
    await red.deploy(flow([]));
    await site.open();
    for (let held = STREAM; held < STORE; held += 2 * BATCH) {
      for (const meter of site.meters) await site.give(meter, BATCH);
    }
    await red.stop();
    const touched = [
      { ...changeOneValue(site.dir, first.id), reason: 'hash-differs' },
      { ...deleteOneRecord(site.dir, second.id), reason: 'missing-at-collector' },
      { ...inventOneRecord(site.dir, first.id, new Uint8Array(16).fill(3)), reason: 'not-in-chain' },
    ];
    outlet.forget();
    await red.run();
    await site.open();
    await red.inject('ask');
    const [{ comparison }] = await outlet.until('out', 1);
    const { windowMs, totalMs, findings, verdict } = comparison;
    t.comment(
      `${STORE} readings: connected for ${windowMs} ms, ${totalMs} ms in all, at most ${peakOf(red.pid)} MiB`,
    );
    t.equal(verdict, 'tampered');
    t.same(
      findings.map(({ meter, seq, reason }: Record<string, unknown>) => ({ meter, seq, reason })),
      touched.sort((a, b) => (a.meter === b.meter ? a.seq - b.seq : a.meter < b.meter ? -1 : 1)),
    );
    t.equal(comparison.verified, STORE - 2);
  });
});
