import { join } from 'node:path';
import { toHex } from '@meterseal/protocol';
import { startGate } from 'meterseal/internal/gate/role';
import { HttpClient } from 'meterseal/internal/host/http-client';
import { createLogger } from 'meterseal/internal/host/logger';
import t from 'tap';
import { COLLECTOR, exchange, GateBox, isRefused, leaseBytes, SECOND_COLLECTOR } from './gate-box.js';
import { ask, closed, RawPeer } from './http-peer.js';
import { until } from './until.js';

const LEASE = new Uint8Array(16).fill(0xaa);

t.test('connect, compare, release: and every transition is on the chain', async (t) => {
  const box = await GateBox.create(t);
  box.gate = await startGate(box.options);
  t.match(box.gate.status(), { state: 'isolated', assured: true, driver: 'process', grade: 0 });
  let stateAtCommit = '';
  box.chain.onPost = ({ to }) => {
    if (to === 'connecting') stateAtCommit = box.state;
  };
  const { port, granted, lease } = await box.connect({ max: 60_000 });
  t.equal(stateAtCommit, 'connecting', 'committed before the driver is asked');
  t.same(lease, LEASE);
  t.equal(granted, 60_000);
  t.match(box.gate.status(), {
    state: 'connected',
    assured: false,
    lease: { id: toHex(LEASE), purpose: 'comparison', expiresInMs: 60_000 },
    readBacks: [
      { witness: 'listener', says: 'connected' },
      { witness: 'live-sockets', says: 'connected' },
    ],
  });
  t.equal((await ask(port, 'GET', '/checkpoint')).body.toString(), 'checkpoint\n');

  const released = await box.send(leaseBytes({ counter: 2, action: 'release', purpose: 'none', max: 0 }));
  t.match(released, { result: 'refused', port: 0, granted: 0 }, 'answered when it is not connected any more');
  t.equal(box.state, 'isolated');
  t.ok(await isRefused(port));
  await until('all is committed', () => box.gate.status().transitions.uncommitted === 0);
  t.equal(box.chain.line, 'connecting connected isolating isolated');
  for (const transition of box.chain.transitions) {
    t.match(transition, { driver: 'process', grade: 0, counter: 1, purpose: 'comparison', max: 60_000 });
    t.same(transition.lease, LEASE);
    t.same(transition.who, COLLECTOR.publicKey);
    t.equal(transition.at, box.clock.now());
  }
  t.same(
    box.chain.transitions.map(({ readBacks }) => readBacks.map(({ says }) => says).join()),
    ['', 'connected,connected', '', 'isolated,isolated'],
  );
});

t.test('a lease ends at its time, whatever its holder does', async (t) => {
  const box = await GateBox.create(t);
  await box.start();
  const { port } = await box.connect({ max: 30_000 });
  const hung = await RawPeer.connect(port);
  await box.advance(14_000);
  hung.send('GET /checkpoint HTTP/1.1\r\nhost: x\r\n\r\n');
  await until('it is served', () => hung.received.includes('checkpoint'));
  await box.advance(14_000);
  t.notOk(hung.over);
  t.equal(box.gate.status().lease?.expiresInMs, 2_000);
  await box.advance(2_000);
  await closed(hung.socket);
  await until('it is isolated', () => box.state === 'isolated');
  t.ok(await isRefused(port));
  await until('all is committed', () => box.chain.transitions.length === 4);
  t.equal(box.chain.line, 'connecting connected isolating isolated');
});

t.test('after the end of a lease nothing passes, even before its timer has fired', async (t) => {
  const box = await GateBox.create(t);
  await box.start();
  const { port } = await box.connect({ max: 30_000 });
  t.equal((await ask(port, 'GET', '/checkpoint')).status, 200);
  box.clock.jump(30_000);
  t.equal(box.state, 'connected', 'the timer has not fired');
  await t.rejects(ask(port, 'GET', '/checkpoint'));
  t.equal(box.proof.requests.length, 1);
  await box.advance(0);
  await until('it is isolated', () => box.state === 'isolated');
});

t.test('no lease is longer than the configured most', async (t) => {
  const box = await GateBox.create(t);
  await box.start({ maxLeaseMs: 10_000 });
  const { granted } = await box.connect({ max: 2 ** 32 - 1 });
  t.equal(granted, 10_000);
  t.equal(box.chain.transitions[0]?.max, 10_000, 'and the chain says what was granted');
  await box.advance(10_000);
  await until('it is isolated', () => box.state === 'isolated');
});

t.test('one lease at a time: others are told so, and end nothing', async (t) => {
  const box = await GateBox.create(t);
  await box.start();
  await box.connect();
  const second = leaseBytes({ counter: 1, lease: new Uint8Array(16).fill(0xbb) }, SECOND_COLLECTOR);
  t.match(await box.send(second), { result: 'busy', port: 0 });
  t.match(await box.send(leaseBytes({ counter: 2 })), { result: 'busy' }, 'the holder itself too');
  const release = { action: 'release' } as const;
  t.match(await box.send(leaseBytes({ ...release, counter: 2 }, SECOND_COLLECTOR)), { result: 'busy' });
  const otherLease = { ...release, counter: 3, lease: new Uint8Array(16).fill(0xcc) };
  t.match(await box.send(leaseBytes(otherLease)), { result: 'busy' });
  t.equal(box.state, 'connected');
  t.match(await box.send(leaseBytes({ ...release, counter: 4 })), { result: 'refused' });
  t.equal(box.state, 'isolated');
  t.match(
    await box.send(leaseBytes({ ...release, counter: 5 })),
    { result: 'refused' },
    'again: nothing to do',
  );
  await box.connect({ counter: 6 });
});

t.test('requests that make no sense are refused without a transition', async (t) => {
  const box = await GateBox.create(t);
  await box.start();
  const refused = { result: 'refused', port: 0, granted: 0 };
  t.match(await box.send(leaseBytes({ counter: 1, purpose: 'none' })), refused);
  t.match(await box.send(leaseBytes({ counter: 2, max: 0 })), refused);
  t.match(await box.send(leaseBytes({ counter: 3, lease: new Uint8Array(16) })), refused);
  t.equal(box.chain.posts, 0);
});

t.test(
  'while isolated nothing answers at the port, and what was asked for does not come later',
  async (t) => {
    const box = await GateBox.create(t);
    await box.start();
    const first = await box.connect();
    const held: (() => void)[] = [];
    box.proof.answer = (_request, response) => held.push(() => response.end('late'));
    const peer = await RawPeer.connect(first.port);
    peer.send('GET /checkpoint HTTP/1.1\r\nhost: x\r\n\r\n');
    await until('the request waits', () => held.length === 1);
    await box.send(leaseBytes({ counter: 2, action: 'release' }));
    await closed(peer.socket);
    t.ok(await isRefused(first.port));
    for (const answer of held) answer();

    box.proof.answer = (_request, response) => response.end('fresh');
    const second = await box.connect({ counter: 3 });
    t.equal((await ask(second.port, 'GET', '/checkpoint')).body.toString(), 'fresh');
    t.equal(peer.received, '');
  },
);

t.test(
  'a recorded request is not accepted again: by the gate, and after a restart by the chain',
  async (t) => {
    const box = await GateBox.create(t);
    await box.start();
    const recorded = leaseBytes({ counter: 41 });
    t.match(await box.send(recorded), { result: 'connected' });
    await box.send(leaseBytes({ counter: 42, action: 'release' }));
    t.equal(await box.send(recorded), null, 'closed without a byte');

    await box.gate.stop();
    await box.start();
    t.match(await box.send(recorded), { result: 'refused', port: 0 }, 'the chain knows the counter');
    t.equal(box.state, 'isolated');
    t.equal(box.chain.transitions.length, 4, 'nothing was added');
    await box.connect({ counter: 43 });
    await until('all is committed', () => box.chain.transitions.length === 6);
    t.equal(box.gate.status().transitions.last, 6, 'the refused attempt used no number');
  },
);

t.test('without the chain the gate is isolated and refuses; when it comes, the gate connects', async (t) => {
  const box = await GateBox.create(t);
  await box.chain.stop();
  await box.start();
  t.match(box.gate.status(), { state: 'isolated', assured: true });
  t.match(await box.send(leaseBytes({ counter: 1 })), { result: 'refused' });
  t.match(await box.send(leaseBytes({ counter: 2 })), { result: 'refused' });
  t.equal(box.gate.status().transitions.uncommitted, 0, 'refusals leave nothing behind');
  await box.chain.start(box.switchSocket);
  await box.connect({ counter: 3 });
});

t.test('isolating does not wait for the chain; the transitions follow in order', async (t) => {
  const box = await GateBox.create(t);
  await box.start();
  const { port } = await box.connect({ max: 30_000 });
  await until('connected is committed', () => box.chain.transitions.length === 2);
  await box.chain.stop();
  await box.advance(30_000);
  await until('it is isolated', () => box.state === 'isolated');
  t.ok(await isRefused(port));
  t.equal(box.gate.status().transitions.uncommitted, 2);
  t.match(await box.send(leaseBytes({ counter: 2 })), { result: 'refused' });
  await box.chain.start(box.switchSocket);
  await until('it is tried again', async () => {
    await box.advance(1_000);
    return box.gate.status().transitions.uncommitted === 0;
  });
  t.equal(box.chain.line, 'connecting connected isolating isolated');
});

t.test('a chain that commits without an answer: refused, and the attempt has its end', async (t) => {
  const box = await GateBox.create(t);
  await box.start();
  await until('gate and chain agree', async () => box.gate.status().transitions.last === 0);
  await box.connect({ counter: 1 });
  await box.send(leaseBytes({ counter: 2, action: 'release' }));
  await until('all is committed', () => box.chain.transitions.length === 4);

  box.chain.mode = 'commits-silently';
  const answer = box.send(leaseBytes({ counter: 3 }));
  await until('the chain has it', () => box.chain.transitions.length === 5);
  await box.advance(5_000);
  t.match(await answer, { result: 'refused' });
  t.equal(box.state, 'isolated');
  await box.chain.stop();
  box.chain.mode = 'answers';
  await box.chain.start(box.switchSocket);
  await until('the rest is committed', async () => {
    await box.advance(1_000);
    return box.gate.status().transitions.uncommitted === 0;
  });
  t.equal(box.chain.line, 'connecting connected isolating isolated connecting isolating isolated');
  await box.connect({ counter: 4 });
});

t.test('an attempt that the chain refuses only later leaves no trace', async (t) => {
  const box = await GateBox.create(t);
  await box.start();
  await box.connect({ counter: 7 });
  await box.send(leaseBytes({ counter: 8, action: 'release' }));
  await until('all is committed', () => box.chain.transitions.length === 4);
  await box.gate.stop();
  await box.start();
  box.chain.mode = 'ignores';
  const answer = box.send(leaseBytes({ counter: 2 }));
  await until('it waits for the chain', () => box.state === 'connecting');
  await box.advance(5_000);
  t.match(await answer, { result: 'refused' });
  await box.chain.stop();
  box.chain.mode = 'answers';
  await box.chain.start(box.switchSocket);
  await until('nothing is left to commit', async () => {
    await box.advance(1_000);
    return box.gate.status().transitions.uncommitted === 0;
  });
  t.equal(box.chain.transitions.length, 4);
  t.equal(box.gate.status().transitions.last, 4);
  await box.connect({ counter: 9 });
});

t.test('a collector that hangs up while it waits does not get the switch connected', async (t) => {
  const box = await GateBox.create(t);
  await box.start();
  box.chain.mode = 'ignores';
  const peer = await RawPeer.connect(box.gate.status().controlPort);
  peer.send(leaseBytes());
  await until('it waits for the chain', () => box.state === 'connecting');
  peer.socket.destroy();
  await until('the gate has noticed', () => box.state === 'isolated');
  await box.chain.stop();
  box.chain.mode = 'answers';
  await box.chain.start(box.switchSocket);
  await until('the attempt is committed', async () => {
    await box.advance(1_000);
    return box.gate.status().transitions.uncommitted === 0;
  });
  t.equal(box.chain.line, 'connecting isolating isolated');
});

t.test('stopping isolates first, and the next start finds nothing to close', async (t) => {
  const box = await GateBox.create(t);
  await box.start();
  const { port } = await box.connect();
  const peer = await RawPeer.connect(port);
  const { controlPort } = box.gate.status();
  await box.gate.stop();
  await closed(peer.socket);
  t.ok(await isRefused(port));
  t.ok(await isRefused(controlPort));
  t.equal(box.chain.line, 'connecting connected isolating isolated');
  t.equal(box.gate.status().state, 'isolated');
  await box.gate.stop();
  await box.start();
  await box.connect({ counter: 2 });
  await until('all is committed', () => box.chain.transitions.length === 6);
  t.notMatch(box.chain.line, /crash|unknown/);
});

t.test('a gate that cannot have its control port does not start, and leaves nothing behind', async (t) => {
  const box = await GateBox.create(t);
  await box.start();
  const taken = { host: '127.0.0.1', port: box.gate.status().controlPort };
  const second = { ...box.options, stateDir: join(box.folder, 'second') };
  await t.rejects(startGate({ ...second, control: taken }), { code: 'address-in-use' });
  const other = await startGate(second);
  await other.stop();
});

t.test('the status is served on a socket of its own', async (t) => {
  const box = await GateBox.create(t);
  const gateSocket = join(box.folder, 'g.sock');
  await box.start({
    sockets: { proof: box.proofSocket, switch: box.switchSocket, gate: gateSocket },
    log: createLogger('silent'),
  });
  const client = new HttpClient({ socketPath: gateSocket }, 'the gate');
  const status = await client.json<unknown>({ method: 'GET', path: '/v1/status' });
  t.same(status, JSON.parse(JSON.stringify(box.gate.status())));
  await t.rejects(client.send({ method: 'POST', path: '/v1/status' }), { code: 'not-found' });
});

t.test('malformed requests reach nothing', async (t) => {
  const box = await GateBox.create(t);
  await box.start();
  const { controlPort } = box.gate.status();
  for (const bytes of [leaseBytes({ platformId: 'x' }), new Uint8Array(600), leaseBytes().slice(1)]) {
    t.equal((await exchange(controlPort, bytes)).length, 0);
  }
  t.equal(box.state, 'isolated');
  t.equal(box.chain.posts, 0);
});
