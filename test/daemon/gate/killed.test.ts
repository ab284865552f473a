import { fork } from 'node:child_process';
import { once } from 'node:events';
import { decodeLeaseAnswer } from '@meterseal/protocol';
import { startGate } from 'meterseal/internal/gate/role';
import t from 'tap';
import { exchange, GateBox, isRefused, leaseBytes } from './gate-box.js';
import { closed, RawPeer } from './http-peer.js';
import { until } from './until.js';

t.test('a gate that is stopped past the end of its lease passes nothing when it goes on', async (t) => {
  const box = await GateBox.create(t);
  const child = fork(new URL('./gate-process.js', import.meta.url), [box.folder]);
  t.teardown(() => child.kill('SIGKILL'));
  const [controlPort] = (await once(child, 'message')) as [number];
  const answer = await exchange(controlPort, leaseBytes({ max: 1_000 }));
  const { result, port } = decodeLeaseAnswer(new Uint8Array(answer));
  t.equal(result, 'connected');
  const end = performance.now() + 1_000;
  const peer = await RawPeer.connect(port);
  child.kill('SIGSTOP');
  // The kernel takes all of this for a process that does not run.
  const late = await RawPeer.connect(port);
  for (const each of [peer, late]) each.send('GET /checkpoint HTTP/1.1\r\nhost: x\r\n\r\n');
  await until('the lease is over', () => performance.now() > end);
  child.kill('SIGCONT');
  await until('both are cut off', () => peer.over && late.over);
  t.equal(peer.received + late.received, '');
  t.equal(box.proof.requests.length, 0);
  await until('the transitions are committed', () => box.chain.transitions.length === 4);
  t.equal(box.chain.line, 'connecting connected isolating isolated');
});

t.test(
  'a gate that is killed while connected leaves nothing connected, and says so at its next start',
  async (t) => {
    const box = await GateBox.create(t);
    const child = fork(new URL('./gate-process.js', import.meta.url), [box.folder]);
    t.teardown(() => child.kill('SIGKILL'));
    const [controlPort] = (await once(child, 'message')) as [number];
    const { result, port } = decodeLeaseAnswer(new Uint8Array(await exchange(controlPort, leaseBytes())));
    t.equal(result, 'connected');
    await until('connected is committed', () => box.chain.transitions.length === 2);
    const peer = await RawPeer.connect(port);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await closed(peer.socket);
    t.ok(await isRefused(port));

    box.gate = await startGate(box.options);
    await until('the end is committed', () => box.chain.transitions.length === 3);
    t.equal(box.chain.line, 'connecting connected isolated:end-unknown');
  },
);
