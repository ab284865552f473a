import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MetersealError } from '@meterseal/protocol';
import type { ApiServer } from 'meterseal/internal/host/api-server';
import { createApiServer, listenOnSocket, stopApiServer } from 'meterseal/internal/host/api-server';
import { HttpClient } from 'meterseal/internal/host/http-client';
import { createLogger } from 'meterseal/internal/host/logger';
import t from 'tap';

const folder = await mkdtemp(join(tmpdir(), 'meterseal-api-'));
t.teardown(() => rm(folder, { recursive: true }));
let sockets = 0;
const freshSocket = () => join(folder, `${sockets++}.sock`);

function server(): ApiServer {
  const app = createApiServer({ bodyLimit: 1000, log: createLogger('silent') });
  const body = {
    type: 'object',
    required: ['number'],
    additionalProperties: false,
    properties: { number: { type: 'integer' } },
  };
  app.post('/json', { schema: { body } }, async (request) => request.body);
  app.post('/bytes', async (request) => ({ length: (request.body as Buffer).length }));
  app.get('/refused', async () => {
    throw new MetersealError('lease-replayed', "couldn't accept lease: replayed", {
      hint: 'Take a new one.',
    });
  });
  app.get('/broken', async () => {
    throw new MetersealError('file-unusable', "couldn't open /var/lib/secret/place");
  });
  app.get('/thrown', async () => {
    throw new Error('secret detail');
  });
  app.get('/never', () => new Promise(() => {}));
  return app;
}

t.test('a request gets its answer, or an error of the one form', async (t) => {
  const path = freshSocket();
  const app = server();
  await listenOnSocket(app, path);
  t.equal(statSync(path).mode & 0o777, 0o600);
  const client = new HttpClient({ socketPath: path }, 'server');

  t.same(await client.json({ method: 'POST', path: '/json', json: { number: 7 } }), { number: 7 });
  t.same(await client.json({ method: 'POST', path: '/bytes', bytes: new Uint8Array(9) }), { length: 9 });
  t.same(await client.json({ method: 'POST', path: '/bytes', text: 'note' }), { length: 4 });

  const refusals: [string, object, { status: number; code: string }][] = [
    ['an unknown key', { json: { number: 7, more: 1 } }, { status: 400, code: 'bad-request' }],
    ['a number as a text', { json: { number: '7' } }, { status: 400, code: 'bad-request' }],
    ['no body', {}, { status: 400, code: 'bad-request' }],
    ['bytes where JSON belongs', { bytes: new Uint8Array(1) }, { status: 400, code: 'bad-request' }],
    ['a huge body', { json: { number: 'x'.repeat(2000) } }, { status: 413, code: 'too-large' }],
  ];
  for (const [name, content, expected] of refusals) {
    await t.rejects(client.send({ method: 'POST', path: '/json', ...content }), expected, name);
  }
  await t.rejects(client.send({ method: 'GET', path: '/nothing' }), { status: 404, code: 'not-found' });
  await t.rejects(client.send({ method: 'GET', path: '/refused' }), {
    status: 409,
    code: 'lease-replayed',
    message: "couldn't accept lease: replayed",
    hint: 'Take a new one.',
  });
  await stopApiServer(app);
});

t.test('a failure inside is told without paths, causes and stacks', async (t) => {
  const path = freshSocket();
  const app = server();
  await listenOnSocket(app, path);
  const client = new HttpClient({ socketPath: path }, 'server');
  for (const [place, code] of [
    ['/broken', 'file-unusable'],
    ['/thrown', 'internal'],
  ]) {
    const error = await client.send({ method: 'GET', path: place! }).catch((error: unknown) => error);
    t.match(error, { status: 500, code });
    t.notMatch(String((error as Error).message), /secret|var|at /);
  }
  await stopApiServer(app);
});

t.test('stopping ends idle, half-sent and waiting connections at once', async (t) => {
  const path = freshSocket();
  const app = server();
  await listenOnSocket(app, path);
  const ended: Promise<unknown>[] = [];
  for (const bytes of ['', 'POST /json HTT', 'GET /never HTTP/1.1\r\nHost: x\r\n\r\n']) {
    const socket = connect(path);
    socket.on('error', () => {});
    await new Promise<void>((resolve) => socket.once('connect', resolve));
    socket.write(bytes);
    ended.push(new Promise((resolve) => socket.once('close', resolve)));
  }
  const client = new HttpClient({ socketPath: path }, 'server');
  await client.send({ method: 'POST', path: '/bytes', bytes: new Uint8Array(1) });
  const started = performance.now();
  await stopApiServer(app);
  await Promise.all(ended);
  t.ok(performance.now() - started < 2_000);
  t.notOk(existsSync(path));
});

t.test('a stale socket is replaced; a live one and any other file stay', async (t) => {
  const path = freshSocket();
  const first = server();
  await listenOnSocket(first, path);
  const second = server();
  await t.rejects(listenOnSocket(second, path), { code: 'address-in-use' });
  await stopApiServer(first);

  // A listener that is closed without unlinking is what kill -9 leaves behind.
  const raw = createServer();
  const stale = freshSocket();
  await new Promise<void>((resolve) => raw.listen(stale, resolve));
  await rename(stale, `${stale}.kept`);
  await new Promise((resolve) => raw.close(resolve));
  await rename(`${stale}.kept`, stale);
  t.ok(readdirSync(folder).includes(stale.slice(folder.length + 1)));
  await listenOnSocket(second, stale);
  await stopApiServer(second);

  const file = freshSocket();
  writeFileSync(file, 'mine');
  await t.rejects(listenOnSocket(server(), file), { code: 'file-unusable' });
  t.ok(existsSync(file));
  await t.rejects(listenOnSocket(server(), join(folder, 'x'.repeat(100))), { code: 'socket-path-too-long' });
});
