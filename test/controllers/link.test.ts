import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { javascriptEngine as crypto, toPkcs8Pem } from '@meterseal/native/javascript';
import { systemClock } from '@meterseal/node-red-meterseal/core';
import { LinkController } from '@meterseal/node-red-meterseal/internal/controllers/link';
import { tcpPortWitness } from '@meterseal/node-red-meterseal/internal/controllers/port-witness';
import { toBase64, utf8 } from '@meterseal/protocol';
import type { Test } from 'tap';
import t from 'tap';
import { SampleChain } from '../collector/sample-chain.js';
import { collectorKey, PLATFORM_ID, SampleMeter } from '../collector/sample-meter.js';
import { SamplePlatform } from '../collector/sample-platform.js';

/** A link beside a platform on real sockets, holding three readings that are on the chain. */
async function start(t: Test) {
  const dir = t.testdir();
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'collector.key'), toPkcs8Pem(crypto.sha256(utf8('collector'))), { mode: 0o600 });
  const chain = new SampleChain();
  const meter = new SampleMeter('EM-1', 1);
  chain.enrol(meter);
  chain.anchorAll(chain.openSession(meter), 1, 3);
  chain.close();
  const platform = await SamplePlatform.start(chain, collectorKey.publicKey);
  t.teardown(() => platform.stop());
  const errors: unknown[] = [];
  const open = (): LinkController => {
    const link = new LinkController(
      {
        platform: { platformId: PLATFORM_ID, policy: SampleChain.policyOf(chain) },
        dir,
        control: { host: '127.0.0.1', port: platform.port },
        maxWindow: 10_000,
        anchoringDelay: 3_600_000,
      },
      { clock: systemClock, witness: tcpPortWitness, onError: (error) => errors.push(error) },
    );
    t.teardown(() => link.close());
    return link;
  };
  const link = open();
  const { receiver } = await link.collector();
  await receiver.openings([meter.opening()]);
  await receiver.records(meter.delivery(1, meter.records(1, 3)));
  const states: string[] = [];
  link.switched.join(({ state }) => states.push(state));
  /** Resolves when the switch was told to be so. */
  const until = async (state: string): Promise<void> => {
    while (link.switch.state !== state) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  return { link, open, platform, states, until, errors, meter };
}

t.test('a comparison connects by itself, and isolates', async (t) => {
  const { link, platform, states, until } = await start(t);
  const { outcome, counts } = await link.compare();
  t.equal(outcome, 'judged');
  t.equal(counts.verified, 3);
  await until('isolated');
  t.same(states, ['connecting', 'connected', 'isolating', 'isolated']);
  t.equal(link.switch.witness, 'refused');
  t.equal(platform.isConnected, false);
});

t.test('a window that is held stays connected until a comparison has used it', async (t) => {
  const { link, platform, until } = await start(t);
  await link.connect();
  t.equal(link.switch.state, 'connected');
  t.equal(platform.isConnected, true);
  t.same(platform.paths, [], 'nothing is asked before the comparison');
  const { lease } = link.switch;
  const { outcome, counts, lease: used } = await link.compare();
  t.equal(outcome, 'judged');
  t.equal(counts.verified, 3);
  t.equal(Buffer.from(used).toString('hex'), lease);
  await until('isolated');
  t.equal((await link.compare()).outcome, 'judged', 'the next one connects anew');
});

t.test('a window that is held ends on request, and the next comparison is as any other', async (t) => {
  const { link, platform, until } = await start(t);
  await link.connect();
  await t.rejects(link.connect(), { code: 'busy' });
  await link.isolate();
  await until('isolated');
  t.equal(platform.isConnected, false);
  t.same(platform.paths, []);
  t.equal((await link.compare()).outcome, 'judged');
});

t.test('a window that is held ends with its lease', async (t) => {
  const { link, platform, until } = await start(t);
  await link.connect(200);
  await until('isolated');
  t.equal(platform.isConnected, false);
  t.equal((await link.compare()).outcome, 'judged');
});

t.test('a connect that the gate refuses is an error, and holds nothing', async (t) => {
  const { link, platform } = await start(t);
  platform.patches = { lease: () => 'busy' };
  await t.rejects(link.connect(), { code: 'link-denied' });
  platform.patches = { lease: () => 'fault' };
  await t.rejects(link.connect(), { code: 'link-fault' });
  platform.patches = {};
  t.equal((await link.compare()).outcome, 'judged');
});

t.test('who asks while a comparison runs gets the next one, together with all others', async (t) => {
  const { link, platform } = await start(t);
  const results = await Promise.all([link.compare(), link.compare(), link.compare(), link.compare()]);
  t.same(
    results.map(({ outcome }) => outcome),
    ['judged', 'judged', 'judged', 'judged'],
  );
  t.equal(new Set(results).size, 2);
  t.equal(platform.requests.filter(({ action }) => action === 'connect').length, 2);
});

t.test('closing ends a window, and gives the folder to whoever opens it next', async (t) => {
  const { link, open, platform } = await start(t);
  await link.connect();
  const closed = link.close();
  const next = open();
  t.equal((await next.collector()).status().records, 3);
  await closed;
  t.equal(platform.isConnected, false);
  await t.rejects(link.compare(), { code: 'stopped' });
});

t.test('a link knows its public key, and what it holds', async (t) => {
  const { link, meter } = await start(t);
  const keys = await Promise.all([link.publicKey(), link.publicKey()]);
  t.same(keys, Array(2).fill(toBase64(collectorKey.publicKey)), 'also when it is asked twice at once');
  const { held } = await link.collector();
  const bytes = [];
  for await (const reading of held.read({ meter: meter.id, from: 2 })) bytes.push(reading.bytes);
  t.same(
    bytes.map((one) => Buffer.from(one)),
    [2, 3].map((seq) => Buffer.from(meter.record(seq))),
  );
});
