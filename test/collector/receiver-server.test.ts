import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { Collector, ReceiverServer, ReceiverServerOptions } from '@meterseal/node-red-meterseal/core';
import { serveReceiver } from '@meterseal/node-red-meterseal/core';
import t from 'tap';
import { openSample } from './sample-collector.js';
import { SampleMeter } from './sample-meter.js';

const TOKEN = 'correct horse battery';

async function start(
  t: { testdir(): string; teardown(end: () => Promise<void>): void },
  options: Partial<ReceiverServerOptions> = {},
): Promise<{ collector: Collector; server: ReceiverServer; at: string; port: number }> {
  const collector = await openSample({ dir: t.testdir() });
  const server = await serveReceiver(collector.receiver, { host: '127.0.0.1', port: 0, ...options });
  t.teardown(async () => {
    await server.close();
    await collector.close();
  });
  const { port } = server.address;
  return { collector, server, port, at: `http://127.0.0.1:${port}` };
}

/** What the server says to raw bytes, until it closes. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let got = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (piece) => {
      got += piece;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(got));
  });
}

t.test('only what interface 2 has is answered', async (t) => {
  const { at, port } = await start(t);
  for (const [method, path, status] of [
    ['GET', '/', 404],
    ['GET', '/v1/records', 404],
    ['PUT', '/v1/openings', 404],
    ['GET', '/v1/state', 400],
    ['GET', '/v1/state?meter=', 404],
    ['GET', '/v1/state?meter=a&meter=b', 400],
    ['GET', '/v1/state?meter=a&x=1', 400],
    ['GET', '/v1/state?meter=EM-1', 404],
    ['GET', '/v1/../v1/state/', 404],
  ] as const) {
    const answer = await fetch(at + path, { method });
    t.equal(answer.status, status, `${method} ${path}`);
    const body = (await answer.json()) as Record<string, unknown>;
    t.strictSame(Object.keys(body).sort(), ['code', 'hint', 'message']);
  }
  for (const [what, type, query] of [
    ['another content type', 'text/plain', ''],
    ['a query', 'application/octet-stream', '?x=1'],
  ] as const) {
    const answer = await fetch(`${at}/v1/records${query}`, {
      method: 'POST',
      body: 'x',
      headers: { 'content-type': type },
    });
    t.equal(answer.status, 400, what);
  }
  const json = { method: 'POST', headers: { 'content-type': 'application/json' } };
  t.equal((await fetch(`${at}/v1/openings`, { ...json, body: '[' })).status, 400);
  t.equal((await fetch(`${at}/v1/openings`, { ...json, body: Buffer.from([0xff, 0xfe]) })).status, 400);
  t.match(await raw(port, 'nonsense\r\n\r\n'), /^HTTP\/1.1 400/);
});

t.test('a body that is too large is refused before it is read, announced or not', async (t) => {
  const { at, port } = await start(t);
  const head = 'POST /v1/openings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  t.match(await raw(port, `${head}Content-Length: 99999999\r\n\r\n`), /^HTTP\/1.1 413/);
  const piece = `10000\r\n${'x'.repeat(65_536)}\r\n`;
  t.match(await raw(port, `${head}Transfer-Encoding: chunked\r\n\r\n${piece.repeat(17)}`), /^HTTP\/1.1 413/);
  t.match(await raw(port, `GET /${'x'.repeat(9_000)} HTTP/1.1\r\nHost: x\r\n\r\n`), /^HTTP\/1.1 4/);
  t.equal((await fetch(`${at}/v1/state?meter=EM-1`)).status, 404, 'and others are served');
});

t.test('a request that drips is ended', async (t) => {
  const { port } = await start(t, { requestTimeoutMs: 200 });
  const head =
    'POST /v1/records HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 10\r\n\r\nab';
  t.match(await raw(port, head), /^HTTP\/1.1 408/);
});

t.test('the token opens, and nothing else does', async (t) => {
  const { at, collector } = await start(t, { token: TOKEN });
  const meter = new SampleMeter('EM-1', 1);
  await collector.receiver.openings([meter.opening()]);
  const ask = (authorization?: string): Promise<Response> =>
    fetch(`${at}/v1/state?meter=EM-1`, authorization === undefined ? {} : { headers: { authorization } });
  t.equal((await ask(`Bearer ${TOKEN}`)).status, 200);
  for (const wrong of [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    `Bearer ${TOKEN}x`,
    `bearer ${TOKEN}`,
    TOKEN,
    `Bearer ${TOKEN.slice(1)}`,
  ]) {
    const answer = await ask(wrong);
    t.equal(answer.status, 401, String(wrong));
    t.match(await answer.json(), { code: 'unauthorised' });
  }
});

t.test('beyond this machine it does not listen without TLS and a token', async (t) => {
  const { collector } = await start(t);
  const serve = (options: Partial<ReceiverServerOptions>): Promise<ReceiverServer> =>
    serveReceiver(collector.receiver, { host: '0.0.0.0', port: 0, ...options });
  await t.rejects(serve({}), { code: 'bad-config' });
  await t.rejects(serve({ token: TOKEN }), { code: 'bad-config' });
  await t.rejects(serve({ tls: {} }), { code: 'bad-config' });
  await t.rejects(serve({ tls: { requestCert: true, rejectUnauthorized: false } }), { code: 'bad-config' });
  await t.rejects(serve({ host: 'example.com' }), { code: 'bad-config' });
  await t.rejects(serve({ host: '::' }), { code: 'bad-config' });
  await t.rejects(serve({ host: '127.0.0.1', token: 'short' }), { code: 'bad-config' });
  for (const host of ['127.0.0.1', 'localhost', '127.1.2.3']) await (await serve({ host })).close();
});

t.test('TLS is passed through', async (t) => {
  const key = Buffer.alloc(32, 7);
  const ciphers = 'PSK-AES256-GCM-SHA384';
  const common = { ciphers, maxVersion: 'TLSv1.2' } as const;
  const { port } = await start(t, { tls: { ...common, pskCallback: () => key }, token: TOKEN });
  const said = await new Promise<string>((resolve) => {
    let got = '';
    const client = { psk: key, identity: 'field' };
    const checkServerIdentity = () => undefined;
    const socket = tlsConnect({
      ...common,
      host: '127.0.0.1',
      port,
      pskCallback: () => client,
      checkServerIdentity,
    });
    socket.write(
      `GET /v1/state?meter=EM-1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`,
    );
    socket.on('data', (piece) => {
      got += piece;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(got));
  });
  t.match(said, /^HTTP\/1.1 404.*unknown-meter/s);
  t.notMatch(await raw(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'), /HTTP\/1.1 [2-4]0[^0]/, 'no plain text');
});

t.test('deliveries that nobody finishes do not fill the memory', async (t) => {
  const { at, port } = await start(t);
  const head =
    'POST /v1/records HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\n';
  const sockets = Array.from({ length: 8 }, () =>
    connect(port, '127.0.0.1', function (this: Socket) {
      this.write(head);
    }),
  );
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (const socket of sockets) socket.on('error', () => {});
  const post = (): Promise<number> =>
    fetch(`${at}/v1/records`, {
      method: 'POST',
      body: 'x',
      headers: { 'content-type': 'application/octet-stream' },
    }).then(({ status }) => status);
  await until(async () => (await post()) === 429);
  t.equal((await fetch(`${at}/v1/state?meter=EM-1`)).status, 404, 'what needs no memory is served');
  for (const socket of sockets) socket.destroy();
  await until(async () => (await post()) === 400);
});

/** Polls until something is so. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000;
  while (!(await isSo())) if (performance.now() > end) throw new Error('not in time');
}

t.test('a port that is taken is an error with a code', async (t) => {
  const { collector, port } = await start(t);
  await t.rejects(serveReceiver(collector.receiver, { host: '127.0.0.1', port }), { code: 'address-in-use' });
});

t.test('closing ends connections that stand open, also half a request', async (t) => {
  const collector = await openSample({ dir: t.testdir() });
  const server = await serveReceiver(collector.receiver, { host: '127.0.0.1', port: 0 });
  const open = raw(server.address.port, 'POST /v1/records HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n');
  const started = performance.now();
  await server.close();
  await open;
  t.ok(performance.now() - started < 5_000);
  await collector.close();
  await t.rejects(collector.receiver.state('EM-1'), { code: 'stopped' });
});
