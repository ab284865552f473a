import { createServer, connect as dial } from 'node:net';
import { javascriptEngine } from '@meterseal/native';
import type { LeaseAnswer, LeaseRequest } from '@meterseal/protocol';
import { decodeLeaseAnswer } from '@meterseal/protocol';
import type { AskGate, ControlPort } from 'meterseal/internal/gate/control-port';
import { openControlPort } from 'meterseal/internal/gate/control-port';
import { LeaseGuard } from 'meterseal/internal/gate/lease-guard';
import type { Test } from 'tap';
import t from 'tap';
import { COLLECTOR, exchange, leaseBytes, PLATFORM_ID, STRANGER } from './gate-box.js';
import { RawPeer } from './http-peer.js';
import { ManualClock } from './manual-clock.js';
import { until } from './until.js';

const granted = (request: LeaseRequest): LeaseAnswer => ({
  result: 'connected',
  lease: request.lease,
  port: 4_242,
  granted: 1_000,
});

async function open(t: Test, ask?: AskGate) {
  const clock = new ManualClock();
  const guard = new LeaseGuard(PLATFORM_ID, [COLLECTOR.publicKey], javascriptEngine);
  const asked: LeaseRequest[] = [];
  const control: ControlPort = await openControlPort({
    host: '127.0.0.1',
    port: 0,
    guard,
    clock,
    ask: async (request, gone) => {
      asked.push(request);
      return ask === undefined ? granted(request) : ask(request, gone);
    },
  });
  t.teardown(() => control.close());
  return { clock, asked, port: control.port, control };
}

t.test('a signed request is answered with 23 bytes, and the connection ends', async (t) => {
  const { port, asked } = await open(t);
  const answer = await exchange(port, leaseBytes({ counter: 3 }));
  t.same(decodeLeaseAnswer(new Uint8Array(answer)), granted(asked[0]!));
  t.equal(asked[0]?.counter, 3);
});

t.test('a request may come in pieces', async (t) => {
  const { port } = await open(t);
  const bytes = leaseBytes();
  const peer = await RawPeer.connect(port);
  for (let at = 0; at < bytes.length; at += 7) {
    peer.send(bytes.subarray(at, at + 7));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until('it is answered', () => peer.over);
  t.equal(peer.received.length, 23);
});

t.test('everything else is closed without a byte, and asks for nothing', async (t) => {
  const { port, asked } = await open(t);
  const good = leaseBytes({ counter: 9 });
  const refused: Record<string, Uint8Array> = {
    unsigned: Uint8Array.from([...good.slice(0, -64), ...new Uint8Array(64)]),
    'an unknown key': leaseBytes({}, STRANGER),
    'a wrong platform': leaseBytes({ platformId: 'meterseal.example/meterseal/box-8' }),
    'counter 0': leaseBytes({ counter: 0 }),
    'an unlisted action': good.map((byte, i) => (i === good.length - 64 - 6 ? 3 : byte)),
    'a byte too many': Uint8Array.from([...good, 0]),
    HTTP: new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'),
    'a flood': new Uint8Array(1_000_000),
    zeros: new Uint8Array(good.length),
  };
  for (const [what, bytes] of Object.entries(refused)) {
    t.equal((await exchange(port, bytes)).length, 0, what);
  }
  t.equal(asked.length, 0);
  t.equal((await exchange(port, good)).length, 23);
  t.equal((await exchange(port, good)).length, 0, 'replayed');
  t.equal((await exchange(port, leaseBytes({ counter: 8 }))).length, 0, 'a stale counter');
  t.equal(asked.length, 1);
});

t.test('a request that stops in its middle is closed without a byte', async (t) => {
  const { port } = await open(t);
  const peer = await RawPeer.connect(port);
  peer.send(leaseBytes().subarray(0, 100));
  peer.socket.end();
  await until('it is closed', () => peer.over);
  t.equal(peer.received, '');
});

t.test('a sender that drips is cut off at its deadline, however busily it drips', async (t) => {
  const { port, clock, asked } = await open(t);
  const bytes = leaseBytes();
  const silent = await RawPeer.connect(port);
  const dripping = await RawPeer.connect(port);
  // The answer to this one shows that both connections were accepted before the clock moves.
  await exchange(port, leaseBytes({ counter: 5 }));
  for (let i = 0; i < 49; i++) {
    dripping.send(bytes.subarray(i, i + 1));
    await clock.advance(100);
  }
  t.notOk(silent.over || dripping.over);
  await clock.advance(200);
  await until('both are cut off', () => silent.over && dripping.over);
  t.equal(silent.received + dripping.received, '');
  t.equal(asked.length, 1);
});

t.test('idle connections do not keep a collector out', async (t) => {
  const { port } = await open(t);
  const idle: RawPeer[] = [];
  for (let i = 0; i < 40; i++) idle.push(await RawPeer.connect(port));
  t.equal((await exchange(port, leaseBytes())).length, 23);
  await until('the oldest made room', () => idle.filter(({ over }) => over).length >= 24);
  t.ok(idle.filter(({ over }) => over).length <= 26, 'and no more than needed');
});

t.test('who hangs up before the answer is noticed, however it is done', async (t) => {
  let gone = 0;
  const { port, asked } = await open(t, async (request, signal) => {
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    gone++;
    return granted(request);
  });
  const ways = [
    (peer: RawPeer) => peer.socket.resetAndDestroy(),
    (peer: RawPeer) => peer.socket.destroy(),
    (peer: RawPeer) => peer.socket.end(),
  ];
  for (const [i, hangUp] of ways.entries()) {
    const peer = await RawPeer.connect(port);
    peer.send(leaseBytes({ counter: i + 1 }));
    await until('it is being answered', () => asked.length === i + 1);
    hangUp(peer);
    await until('the gate knows', () => gone === i + 1);
    t.equal(peer.received, '');
  }
});

t.test('who floods while it waits is cut off', async (t) => {
  const { port, asked } = await open(t, () => new Promise(() => {}));
  const peer = await RawPeer.connect(port);
  peer.send(leaseBytes());
  await until('it is being answered', () => asked.length === 1);
  peer.send('more');
  await until('it is cut off', () => peer.over);
  t.equal(peer.received, '');
});

t.test('a failure inside tells nothing', async (t) => {
  const { port } = await open(t, async () => {
    throw new Error('secret');
  });
  t.equal((await exchange(port, leaseBytes())).length, 0);
});

t.test('closing ends the senders, and lets those who wait have their answer', async (t) => {
  let answer: () => void = () => {};
  const { port, asked, control } = await open(t, async (request) => {
    await new Promise<void>((resolve) => {
      answer = resolve;
    });
    return granted(request);
  });
  const idle = await RawPeer.connect(port);
  const waiting = await RawPeer.connect(port);
  waiting.send(leaseBytes());
  await until('it is being answered', () => asked.length === 1);
  const closed = control.close();
  await until('the idle one is closed', () => idle.over);
  answer();
  await closed;
  await until('the other has its answer', () => waiting.over);
  t.equal(waiting.received.length, 23);
  const socket = dial(port, '127.0.0.1');
  const refused = await new Promise((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    socket.once('connect', () => resolve('accepted'));
  });
  t.equal(refused, 'ECONNREFUSED');
});

t.test('a port that is taken, or an address of another machine, is said plainly', async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.teardown(() => taken.close());
  const { port } = taken.address() as { port: number };
  const guard = new LeaseGuard(PLATFORM_ID, [COLLECTOR.publicKey], javascriptEngine);
  const options = { guard, clock: new ManualClock(), ask: async (request: LeaseRequest) => granted(request) };
  await t.rejects(openControlPort({ ...options, host: '127.0.0.1', port }), { code: 'address-in-use' });
  await t.rejects(openControlPort({ ...options, host: '192.0.2.1', port: 0 }), { code: 'bad-config' });
});
