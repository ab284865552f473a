import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { javascriptEngine } from '@meterseal/native';
import type { EntryOf } from '@meterseal/protocol';
import { decodeEntries, decodeEntry, decodeLeaseAnswer } from '@meterseal/protocol';
import { startChain } from 'meterseal/internal/chain/role';
import { startGate } from 'meterseal/internal/gate/role';
import { systemClock } from 'meterseal/internal/host/clock';
import { HttpClient } from 'meterseal/internal/host/http-client';
import { createLogger } from 'meterseal/internal/host/logger';
import { prepareStateFolder, stateFolder } from 'meterseal/internal/host/state-folder';
import t from 'tap';
import { exchange, gateOptions, leaseBytes, PLATFORM_ID } from './gate-box.js';
import { ask } from './http-peer.js';
import { until } from './until.js';

t.test('the chain itself: a comparison window, a replay after a restart, a lost spool', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'meterseal-both-'));
  t.teardown(() => rm(root, { recursive: true }));
  const state = stateFolder(root);
  prepareStateFolder(state);
  const log = createLogger('silent');
  const base = gateOptions(root);
  const chain = await startChain({
    stateDir: root,
    platformId: PLATFORM_ID,
    clock: systemClock,
    random: (length) => new Uint8Array(randomBytes(length)),
    engine: javascriptEngine,
    log,
    collectorKeys: base.collectorKeys,
    session: { lifeMs: 60_000, readings: 10 },
    sockets: state.sockets,
  });
  t.teardown(() => chain.stop());
  const { sockets } = state;
  const start = () => startGate({ ...base, stateDir: state.gate, sockets, clock: systemClock });
  let gate = await start();
  const send = async (bytes: Uint8Array) => {
    const answer = await exchange(gate.status().controlPort, bytes);
    return decodeLeaseAnswer(new Uint8Array(answer));
  };
  const proof = new HttpClient({ socketPath: sockets.proof }, 'proof.sock');
  const onChain = async () => {
    const note = (await proof.send({ method: 'GET', path: '/checkpoint' })).body.toString();
    const size = Number(note.split('\n')[1]);
    const { body } = await proof.send({ method: 'GET', path: `/entries?from=0&to=${size}` });
    return decodeEntries(new Uint8Array(body), 4_096)
      .map((bytes) => decodeEntry(bytes))
      .filter((entry): entry is EntryOf<'switch'> => entry.type === 'switch');
  };
  const committed = () => until('all is committed', () => gate.status().transitions.uncommitted === 0);

  const recorded = leaseBytes({ counter: 10 });
  const { result, port } = await send(recorded);
  t.equal(result, 'connected');
  t.equal((await onChain())[0]?.to, 'connecting');
  const note = (await ask(port, 'GET', '/checkpoint')).body.toString();
  t.match(note, `${PLATFORM_ID}/1\n`);
  const range = `from=0&to=${note.split('\n')[1]}`;
  const through = await ask(port, 'GET', `/entries?${range}`);
  t.same(through.body, (await proof.send({ method: 'GET', path: `/entries?${range}` })).body);
  t.equal((await ask(port, 'POST', '/verdicts', Buffer.from('not a statement'))).status, 400);
  await send(leaseBytes({ counter: 11, action: 'release' }));
  await committed();
  await gate.stop();

  gate = await start();
  t.match(await send(recorded), { result: 'refused' }, 'replayed');
  t.match(await send(leaseBytes({ counter: 12 })), { result: 'connected' });
  await gate.stop();
  await rm(state.gate, { recursive: true });
  gate = await start();
  t.match(await send(leaseBytes({ counter: 13 })), { result: 'connected' });
  await committed();
  await gate.stop();
  const round = ['connecting', 'connected', 'isolating', 'isolated'];
  const transitions = await onChain();
  t.same(
    transitions.map(({ to }) => to),
    [...round, ...round, ...round],
  );
  t.same(
    transitions.map(({ seq }) => seq),
    transitions.map((_, i) => i + 1),
  );
});
