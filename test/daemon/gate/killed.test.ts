import { fork } from 'node:child_process';
import { once } from 'node:events';
import { decodeLeaseAnswer } from '@meterseal/protocol';
import { startGate } from 'meterseal/internal/gate/role';
import t from 'tap';
import { exchange, GateBox, isRefused, leaseBytes } from './gate-box.js';
import { closed, RawPeer } from './http-peer.js';
import { until } from './until.js';

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
