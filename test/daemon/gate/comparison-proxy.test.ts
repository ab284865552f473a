import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ComparisonProxy } from 'meterseal/internal/gate/comparison-proxy';
import { ProcessDriver } from 'meterseal/internal/gate/drivers/process';
import type { Test } from 'tap';
import t from 'tap';
import { ask, RawPeer } from './http-peer.js';
import { ManualClock } from './manual-clock.js';
import { ProofServer } from './proof-server.js';
import { until } from './until.js';

const folder = await mkdtemp(join(tmpdir(), 'meterseal-proxy-'));
t.teardown(() => rm(folder, { recursive: true }));
let sockets = 0;
let passing = true;

function accept(response: ServerResponse): void {
  response.statusCode = 202;
  response.end();
}

/** A connected comparison port in front of a proof.sock of its own. */
async function connected(t: Test) {
  const path = join(folder, `${sockets++}.sock`);
  const proof = new ProofServer();
  await proof.start(path);
  const clock = new ManualClock();
  const handler = new ComparisonProxy({ proofSocket: path, clock, mayPass: () => passing });
  const driver = new ProcessDriver({ host: '127.0.0.1', port: 0, handler, clock });
  passing = true;
  const port = await driver.connect();
  t.teardown(async () => {
    await driver.isolate();
    await proof.stop();
  });
  return { proof, clock, driver, port, path };
}

t.test('requests of the protocol reach proof.sock, and its answers come back as they are', async (t) => {
  const { proof, port } = await connected(t);
  proof.answer = (request, response) => {
    if (request.method === 'POST') return accept(response);
    const missing = request.url.startsWith('/verdicts/');
    response.statusCode = missing ? 404 : 200;
    response.setHeader('content-type', missing ? 'application/json' : 'text/plain');
    response.end(missing ? '{"code":"not-found"}' : `answer to ${request.url}`);
  };
  const checkpoint = await ask(port, 'GET', '/checkpoint');
  t.equal(checkpoint.status, 200);
  t.equal(checkpoint.headers['content-type'], 'text/plain');
  t.equal(checkpoint.body.toString(), 'answer to /checkpoint');
  t.equal((await ask(port, 'GET', '/entries?from=3&to=9')).body.toString(), 'answer to /entries?from=3&to=9');
  const missing = await ask(port, 'GET', `/verdicts/${'0'.repeat(64)}`);
  t.equal(missing.status, 404, 'refusals of the chain pass too');
  t.equal(missing.body.toString(), '{"code":"not-found"}');
  const statement = randomBytes(3_072);
  t.equal((await ask(port, 'POST', '/verdicts', statement)).status, 202);
  t.same(proof.requests.at(-1)?.body, statement);
  t.equal((await ask(port, 'POST', '/cosignatures', Buffer.from('— w AAAA\n'))).status, 202);
});

t.test('nothing else reaches proof.sock, not even as a connection', async (t) => {
  const { proof, port } = await connected(t);
  const refused: [string, string, number][] = [
    ['GET', '/', 404],
    ['GET', '/v1/status', 404],
    ['POST', '/transitions?seq=1', 404],
    ['POST', '/checkpoint', 405],
    ['DELETE', '/verdicts', 405],
    ['GET', '/entries?from=0&to=5000', 400],
  ];
  for (const [method, path, status] of refused) {
    const answer = await ask(port, method, path);
    t.equal(answer.status, status, `${method} ${path}`);
    if (status === 405) t.ok(answer.headers['allow']);
    const code = status === 400 ? 'bad-request' : 'not-found';
    if (method !== 'HEAD') t.match(JSON.parse(answer.body.toString()), { code });
  }
  t.equal((await ask(port, 'POST', '/verdicts', Buffer.alloc(3_073))).status, 413);
  t.equal((await ask(port, 'GET', '/checkpoint', Buffer.alloc(1))).status, 413, 'a GET has no body');
  t.equal(proof.connections, 0);
});

t.test('what the peer says about itself stays outside', async (t) => {
  const { proof, port } = await connected(t);
  await ask(port, 'GET', '/checkpoint', undefined, {
    authorization: 'Bearer x',
    cookie: 'a=b',
    'x-forwarded-for': '10.0.0.1',
    host: 'elsewhere',
  });
  const { headers } = proof.requests[0]!;
  t.same(Object.keys(headers).sort(), ['connection', 'host']);
  t.equal(headers['host'], 'localhost');
});

t.test('requests that are not simple HTTP/1.1 are reset', async (t) => {
  const { proof, port } = await connected(t);
  const bad: Record<string, string> = {
    'HTTP/1.0': 'GET /checkpoint HTTP/1.0\r\nhost: x\r\n\r\n',
    chunked:
      'POST /verdicts HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    'an endless body': 'POST /verdicts HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n',
    'a long head': `GET /checkpoint HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(5_000)}\r\n\r\n`,
    garbage: '\u0000\u0001\u0002\r\n\r\n',
    CONNECT: 'CONNECT elsewhere:80 HTTP/1.1\r\nhost: x\r\n\r\n',
    upgrade: 'GET /checkpoint HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    'two lengths': 'POST /verdicts HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab',
  };
  for (const [what, text] of Object.entries(bad)) {
    const peer = await RawPeer.connect(port);
    peer.send(text);
    await until(`${what} is cut off`, () => peer.over);
    t.equal(peer.received, '', what);
  }
  t.equal(proof.connections, 0);
});

t.test('a connection serves many requests, also when they are sent at once', async (t) => {
  const { proof, port } = await connected(t);
  proof.answer = (request, response) => response.end(`<${request.url}>`);
  const peer = await RawPeer.connect(port);
  let text = '';
  for (let i = 0; i < 8; i++) text += `GET /entries?from=${i}&to=9 HTTP/1.1\r\nhost: x\r\n\r\n`;
  peer.send(text);
  await until('all are answered', () => peer.received.includes('<'.concat('/entries?from=7&to=9>')));
  const order = [...peer.received.matchAll(/<\/entries\?from=(\d)/g)].map((match) => match[1]);
  t.same(order, ['0', '1', '2', '3', '4', '5', '6', '7']);
});

t.test('an answer of many megabytes passes whole', async (t) => {
  const { proof, port } = await connected(t);
  const entries = randomBytes(24 * 1024 * 1024);
  proof.answer = (_request, response) => response.end(entries);
  const answer = await ask(port, 'GET', '/entries?from=0&to=4096');
  t.ok(answer.body.equals(entries));
});

t.test('a peer that does not read holds up its own answer only', async (t) => {
  const { proof, port, clock } = await connected(t);
  const entries = Buffer.alloc(64 * 1024 * 1024);
  let sent: { writableLength: number } | null = null;
  proof.answer = (request, response) => {
    if (request.url === '/checkpoint') return void response.end('note');
    sent = response.socket;
    response.end(entries);
  };
  const before = process.memoryUsage().external;
  const lazy = await RawPeer.connect(port);
  lazy.socket.pause();
  lazy.send('GET /entries?from=0&to=4096 HTTP/1.1\r\nhost: x\r\n\r\n');
  await until('the answer is under way', () => sent !== null);
  t.equal((await ask(port, 'GET', '/checkpoint')).body.toString(), 'note');
  t.ok(
    (sent as unknown as { writableLength: number }).writableLength > 32 * 1024 * 1024,
    'most of it waits at its source',
  );
  t.ok(process.memoryUsage().external - before < 16 * 1024 * 1024, 'not here');
  lazy.socket.resume();
  await clock.advance(30_001);
  await until('it is cut off at its deadline', () => lazy.over);
  await until('and proof.sock is let go', () => proof.live === 0);
});

t.test('slow and silent peers are cut off', async (t) => {
  const { proof, port, clock } = await connected(t);
  const silent = await RawPeer.connect(port);
  const dripping = await RawPeer.connect(port);
  const unfinished = await RawPeer.connect(port);
  dripping.send('GET /chec');
  unfinished.send('POST /verdicts HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf of it');
  t.equal((await ask(port, 'GET', '/checkpoint')).status, 200, 'their bytes have arrived');
  for (let s = 0; s < 14; s++) {
    dripping.send('k');
    await clock.advance(1_000);
  }
  t.notOk(silent.over);
  await clock.advance(1_500);
  await until('the silent one is cut off', () => silent.over);
  await until('the dripping one too', () => dripping.over);
  t.notOk(unfinished.over, 'a request has longer');
  await clock.advance(15_000);
  await until('but not for ever', () => unfinished.over);
  t.equal(proof.requests.length, 1);
});

t.test('a peer that ends its half is reset, with whatever was on its way to it', async (t) => {
  const { proof, port } = await connected(t);
  proof.answer = (_request, response) => response.end(Buffer.alloc(8 * 1024 * 1024));
  const peer = await RawPeer.connect(port);
  peer.socket.pause();
  peer.send('GET /entries?from=0&to=1 HTTP/1.1\r\nhost: x\r\n\r\n');
  await until('the answer is under way', () => proof.requests.length === 1);
  peer.socket.end();
  await until('proof.sock is let go', () => proof.live === 0);
  peer.socket.resume();
  await until('the peer is cut off', () => peer.over);
  t.ok(peer.received.length < 8 * 1024 * 1024);
});

t.test('a flood is answered 429, then cut off, and proof.sock hears only what the rate allows', async (t) => {
  const { proof, port, clock } = await connected(t);
  proof.answer = (_request, response) => response.end('x');
  let statuses = '';
  const before = process.memoryUsage().rss;
  const line = 'GET /checkpoint HTTP/1.1\r\nhost: x\r\n\r\n';
  for (let i = 0; i < 6; i++) {
    const peer = await RawPeer.connect(port);
    let sent = 0;
    while (!peer.over && sent < 3_000) {
      peer.send(line.repeat(50));
      sent += 50;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(
      'it is cut off or answered',
      () => peer.over || peer.received.split('HTTP/1.1 ').length > sent,
    );
    statuses += [...peer.received.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1]).join(' ');
    peer.socket.destroy();
  }
  t.match(statuses, /429/);
  t.ok(proof.requests.length <= 2_000, `${proof.requests.length} passed, the clock stood still`);
  t.ok(process.memoryUsage().rss - before < 64 * 1024 * 1024, 'memory stays flat');
  const refused = await ask(port, 'GET', '/checkpoint');
  t.equal(refused.status, 429);
  t.equal(refused.headers['retry-after'], '1');
  await clock.advance(1_000);
  t.equal((await ask(port, 'GET', '/checkpoint')).status, 200);
});

t.test('a stream of verdicts is slowed down', async (t) => {
  const { proof, port, clock } = await connected(t);
  proof.answer = (_request, response) => accept(response);
  const statuses: number[] = [];
  for (let i = 0; i < 70; i++) statuses.push((await ask(port, 'POST', '/verdicts', Buffer.alloc(9))).status);
  t.equal(statuses.filter((status) => status === 202).length, 64);
  t.equal(statuses.at(-1), 429);
  t.equal((await ask(port, 'GET', '/checkpoint')).status, 202, 'reading goes on');
  await clock.advance(1_000);
  t.equal((await ask(port, 'POST', '/verdicts', Buffer.alloc(9))).status, 202);
});

t.test('no more than sixteen requests are at proof.sock at once', async (t) => {
  const { proof, port } = await connected(t);
  const held: (() => void)[] = [];
  proof.answer = (_request, response) => held.push(() => response.end('x'));
  const peers = await Promise.all(Array.from({ length: 4 }, () => RawPeer.connect(port)));
  for (const peer of peers) peer.send('GET /checkpoint HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(6));
  await until('sixteen are there', () => held.length === 16);
  for (const answer of held) answer();
  await until('eight are refused', () => {
    const text = peers.map(({ received }) => received).join('');
    return text.split(' 429 ').length === 9 && text.split(' 200 ').length === 17;
  });
  t.equal(proof.requests.length, 16);
});

t.test(
  'a chain that is away is 503; one that dies in the middle of an answer is never half an answer',
  async (t) => {
    const { proof, port } = await connected(t);
    proof.answer = (_request, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('half', () => response.socket?.destroy());
    };
    await t.rejects(ask(port, 'GET', '/checkpoint'));
    proof.answer = (_request, response) => {
      response.write('half', () => response.socket?.destroy());
    };
    t.equal((await ask(port, 'GET', '/checkpoint')).status, 503, 'without a length it is no answer');
    await proof.stop();
    const away = await ask(port, 'GET', '/checkpoint');
    t.equal(away.status, 503);
    t.match(JSON.parse(away.body.toString()), { code: 'unreachable' });
    await proof.start(join(folder, `${sockets - 1}.sock`));
  },
);

t.test(
  'a process that was stopped past the end of the lease passes nothing that it finds when it goes on',
  async (t) => {
    const { proof, port } = await connected(t);
    const entries = Buffer.alloc(16 * 1024 * 1024);
    proof.answer = (_request, response) => response.end(entries);
    const reading = await RawPeer.connect(port);
    reading.socket.pause();
    reading.send('GET /entries?from=0&to=4096 HTTP/1.1\r\nhost: x\r\n\r\n');
    const sending = await RawPeer.connect(port);
    sending.send('POST /verdicts HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345');
    const idle = await RawPeer.connect(port);
    await until('the answer is under way', () => proof.requests.length === 1);
    t.equal((await ask(port, 'GET', '/tile/0/0')).status, 400, 'all of it has arrived');
    passing = false;
    sending.send('67890');
    idle.send('GET /checkpoint HTTP/1.1\r\nhost: x\r\n\r\n');
    reading.socket.resume();
    await until('all are cut off', () => reading.over && sending.over && idle.over);
    t.ok(reading.received.length < entries.length);
    t.equal(sending.received + idle.received, '');
    t.equal(proof.requests.length, 1);
  },
);

t.test('isolation in the middle of everything: nothing arrives later, in either direction', async (t) => {
  const { proof, driver, port } = await connected(t);
  const held: (() => void)[] = [];
  proof.answer = (_request, response) => held.push(() => response.end('late'));
  const asking = await RawPeer.connect(port);
  const sending = await RawPeer.connect(port);
  asking.send('GET /checkpoint HTTP/1.1\r\nhost: x\r\n\r\n');
  sending.send('POST /verdicts HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345');
  await until('a request waits at proof.sock', () => held.length === 1);
  await driver.isolate();
  await until('both are cut off', () => asking.over && sending.over);
  sending.send('67890');
  for (const answer of held) answer();
  await until('proof.sock is let go', () => proof.live === 0);
  t.equal(asking.received, '');

  const again = await driver.connect();
  t.equal(proof.requests.length, 1, 'the half statement never came');
  proof.answer = (_request, response) => accept(response);
  const whole = await RawPeer.connect(again);
  whole.send('POST /verdicts HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345');
  whole.send('67890');
  await until('the same bytes pass while connected', () => whole.received.includes(' 202 '));
  t.equal(proof.requests.at(-1)?.body.toString(), '1234567890');
});
