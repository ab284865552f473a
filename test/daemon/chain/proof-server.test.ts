import {
  decodeEntries,
  emptyRoot,
  HASH_BYTES,
  leafHashes,
  openCheckpoint,
  TILE_WIDTH,
  tilePath,
  verifyConsistency,
} from '@meterseal/protocol';
import { createProofServer } from 'meterseal/internal/chain/proof-server';
import { Verdicts } from 'meterseal/internal/chain/verdicts';
import { listenOnSocket, stopApiServer } from 'meterseal/internal/host/api-server';
import { HttpClient } from 'meterseal/internal/host/http-client';
import { createLogger } from 'meterseal/internal/host/logger';
import type { Test } from 'tap';
import t from 'tap';
import { addEvents, ChainBench } from './chain-bench.js';
import { engine, TestBox } from './test-box.js';

async function get(box: TestBox, path: string): Promise<Uint8Array> {
  return new Uint8Array((await box.ask('proof', { method: 'GET', path })).body);
}

/** A chain of more than two tiles. */
async function filled(t: Test): Promise<TestBox> {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  for (let seq = 1; seq <= 500; seq += 250) {
    await box.submit(...Array.from({ length: 250 }, (_, i) => meter.frame(seq + i)));
  }
  return box;
}

t.test(
  'a mirror can follow: entries hash to the root, and each head is consistent with the one before',
  async (t) => {
    const box = await filled(t);
    const meter = await box.metering('EM:2');
    let from = 0;
    let fromRoot = emptyRoot(engine);
    const kept: Uint8Array[] = [];
    for (let seq = 1; seq <= 4; seq++) {
      await box.submit(meter.frame(seq));
      const { checkpoint } = openCheckpoint(engine, box.policy, await box.checkpoint());
      const { size: to, root: toRoot } = checkpoint;
      kept.push(...decodeEntries(await get(box, `/entries?from=${from}&to=${to}`), to - from));
      t.equal(kept.length, to);
      t.same(engine.merkleRoot(leafHashes(engine, kept)), toRoot);
      const hashes = await get(box, `/consistency?from=${from}&to=${to}`);
      const proof = Array.from({ length: hashes.length / HASH_BYTES }, (_, i) =>
        hashes.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES),
      );
      t.doesNotThrow(() => verifyConsistency(engine, { from, to, fromRoot, toRoot, proof }));
      from = to;
      fromRoot = toRoot;
    }
    t.equal((await get(box, `/entries?from=${from}&to=${from}`)).length, 0);
  },
);

t.test('tiles and bundles are those of tlog-tiles', async (t) => {
  const box = await filled(t);
  const { size } = box.role.status();
  const entries = decodeEntries(await get(box, `/entries?from=0&to=${size}`), size);
  const leaves = leafHashes(engine, entries);
  for (const index of [0, 1, 2]) {
    const width = Math.min(TILE_WIDTH, size - index * TILE_WIDTH);
    if (width <= 0) continue;
    const from = index * TILE_WIDTH;
    const tile = await get(box, `/${tilePath({ level: 0, index, width })}`);
    t.same(tile, leaves.slice(from * HASH_BYTES, (from + width) * HASH_BYTES));
    const bundle = await get(box, `/${tilePath({ level: 'entries', index, width })}`);
    t.same(decodeEntries(bundle), entries.slice(from, from + width));
  }
  const roots = await get(box, `/${tilePath({ level: 1, index: 0, width: 1 })}`);
  t.same(roots, engine.merkleRoot(leaves.slice(0, TILE_WIDTH * HASH_BYTES)));
});

t.test('what is not there, or not asked for rightly, is refused', async (t) => {
  const box = await TestBox.start(t);
  const { size } = box.role.status();
  const refusals: [string, string][] = [
    [`/entries?from=0&to=${size + 1}`, 'bad-request'],
    ['/entries?from=2&to=1', 'bad-request'],
    ['/entries?from=0', 'bad-request'],
    ['/entries?from=-1&to=1', 'bad-request'],
    ['/entries?from=0&to=1e0', 'bad-request'],
    ['/entries?from=0&from=0&to=1', 'bad-request'],
    ['/entries?from=0&to=9007199254740993', 'bad-request'],
    [`/consistency?from=0&to=${size + 1}`, 'bad-request'],
    ['/tile/0/000', 'not-found'],
    ['/tile/0/000.p/200', 'not-found'],
    ['/tile/0/001.p/1', 'not-found'],
    ['/tile/9/000.p/1', 'not-found'],
    ['/tile/entries/000', 'not-found'],
    ['/tile/0/0', 'bad-request'],
    ['/tile/0/000.p/0', 'bad-request'],
    ['/tile/00/000.p/1', 'bad-request'],
    ['/tile/entries/x000/000.p/1', 'bad-request'],
    ['/tile/', 'bad-request'],
    ['/tile/../checkpoint', 'bad-request'],
    ['/v1/status', 'not-found'],
    ['/transitions/last', 'not-found'],
  ];
  for (const [path, code] of refusals) await t.rejects(get(box, path), { code }, path);
  t.ok(await get(box, '/tile/0/000.p/3'));
  await t.rejects(box.ask('proof', { method: 'POST', path: '/v1/events', json: {} }), { code: 'not-found' });
});

t.test('no more than 4,096 entries come at once', async (t) => {
  const bench = new ChainBench(t);
  const chain = await bench.open();
  await addEvents(chain, 4_200);
  const log = createLogger('silent');
  const server = createProofServer(chain, new Verdicts(chain, []), log);
  const socketPath = bench.state.sockets.proof;
  await listenOnSocket(server, socketPath);
  const client = new HttpClient({ socketPath }, 'proof.sock');
  const { body } = await client.send({ method: 'GET', path: '/entries?from=5&to=4101' });
  t.equal(decodeEntries(body, 4_096).length, 4_096);
  await t.rejects(client.send({ method: 'GET', path: '/entries?from=5&to=4102' }), { code: 'bad-request' });
  await stopApiServer(server);
});
