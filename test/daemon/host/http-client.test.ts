import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { MetersealError } from '@meterseal/protocol';
import { HttpClient, isOutage, RefusedRequest } from 'meterseal/internal/host/http-client';
import type { Test } from 'tap';
import t from 'tap';
import { temporaryFolder } from './temporary-folder.js';

async function listen(t: Test, server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function clientOf(t: Test, answer: RequestListener, path = ''): Promise<HttpClient> {
  const port = await listen(t, createServer(answer));
  return new HttpClient({ url: `http://127.0.0.1:${port}${path}` }, 'the peer');
}

/** A peer that says these bytes to whoever connects, and then does `after`. */
async function rawClient(t: Test, bytes: string, after: (socket: Socket) => void): Promise<HttpClient> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write(bytes, () => after(socket)));
    t.teardown(() => socket.destroy());
  });
  const port = await listen(t, server);
  return new HttpClient({ url: `http://127.0.0.1:${port}` }, 'the peer');
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('latin1');
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

const GET = { method: 'GET', path: '/x' } as const;

t.test('a request has its method, path, type and body, over TCP and over a Unix socket', async (t) => {
  const seen = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method, url, headers } = request;
    const { 'content-type': type, 'content-length': length, authorization } = headers;
    json(response, 200, { method, url, type, length, authorization, body: await bodyOf(request) });
  };
  const server = createServer(seen);
  const port = await listen(t, server);
  const tcp = new HttpClient({ url: `http://127.0.0.1:${port}/base/`, token: 's3cret' }, 'the peer');
  t.match(await tcp.json({ method: 'POST', path: '/v1/a?b=c', json: { d: 1 } }), {
    method: 'POST',
    url: '/base/v1/a?b=c',
    type: 'application/json',
    length: '7',
    authorization: 'Bearer s3cret',
    body: '{"d":1}',
  });

  const socketPath = join(temporaryFolder(t), 'x.sock');
  const local = createServer(seen);
  await new Promise<void>((resolve) => local.listen(socketPath, resolve));
  t.teardown(() => local.close());
  const unix = new HttpClient({ socketPath }, 'the peer');
  const bytes = new Uint8Array([1, 255, 3]).subarray(1);
  t.match(await unix.json({ method: 'POST', path: '/b', bytes }), {
    url: '/b',
    type: 'application/octet-stream',
    length: '2',
    body: '\u00ff\u0003',
  });
  t.match(await unix.json({ method: 'POST', path: '/c', text: 'note' }), {
    type: 'text/plain; charset=utf-8',
    body: 'note',
  });
  const asked = await unix.json<object>(GET);
  t.notOk('type' in asked, 'no body, no type');
});

t.test('over TCP one connection serves many requests, over a Unix socket each has its own', async (t) => {
  const answer: RequestListener = (_request, response) => json(response, 200, {});
  const server = createServer(answer);
  let connections = 0;
  server.on('connection', () => connections++);
  const port = await listen(t, server);
  const tcp = new HttpClient({ url: `http://127.0.0.1:${port}` }, 'the peer');
  for (let i = 0; i < 5; i++) await tcp.json(GET);
  t.equal(connections, 1);
  tcp.close();

  const socketPath = join(temporaryFolder(t), 'x.sock');
  const local = createServer(answer);
  local.on('connection', () => connections++);
  await new Promise<void>((resolve) => local.listen(socketPath, resolve));
  t.teardown(() => local.close());
  const unix = new HttpClient({ socketPath }, 'the peer');
  for (let i = 0; i < 5; i++) await unix.json(GET);
  t.equal(connections, 6);
});

t.test('a refusal keeps its code, message, hint and status', async (t) => {
  const refusal = { code: 'lease-replayed', message: "couldn't accept lease", hint: 'Take a new one.' };
  const client = await clientOf(t, (_request, response) => json(response, 409, refusal));
  const error = await client.send(GET).catch((error: unknown) => error);
  t.type(error, RefusedRequest);
  t.match(error, { ...refusal, status: 409 });
  t.notOk(isOutage(error));
});

t.test('what is not our form of refusal has the status and nothing of the peer', async (t) => {
  const bodies: [string, number][] = [
    ['<html>Gateway</html>', 502],
    ['{"code":7,"message":"x"}', 400],
    ['{"code":"not a code\\n","message":"x"}', 400],
    ['null', 404],
    ['', 503],
  ];
  for (const [body, status] of bodies) {
    const client = await clientOf(t, (_request, response) => response.writeHead(status).end(body));
    const error = await client.send(GET).catch((error: unknown) => error);
    t.match(error, { code: 'bad-request', status, message: `the peer answered with status ${status}` });
    t.equal(isOutage(error), status >= 500);
  }
});

t.test('a redirection is no success', async (t) => {
  const client = await clientOf(t, (_request, response) =>
    response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
  );
  await t.rejects(client.send({ method: 'POST', path: '/x', json: [] }), {
    status: 302,
    code: 'bad-request',
  });
});

t.test('an answer without content is a success, and not JSON', async (t) => {
  const client = await clientOf(t, (_request, response) => response.writeHead(204).end());
  t.match(await client.send(GET), { status: 204 });
  await t.rejects(client.json(GET), { code: 'bad-message' });
});

t.test('an answer that is not UTF-8 or not JSON is refused', async (t) => {
  for (const body of [Buffer.from([0x22, 0xff, 0x22]), Buffer.from('{"a":1'), Buffer.from('NaN')]) {
    const client = await clientOf(t, (_request, response) => response.end(body));
    await t.rejects(client.json(GET), { code: 'bad-message' });
  }
});

t.test('an answer that is too long is cut off, with and without a stated length', async (t) => {
  const endless: RequestListener = (_request, response) => {
    response.on('error', () => {});
    const more = (): void => {
      while (response.write(Buffer.alloc(65_536))) if (response.destroyed) return;
      response.once('drain', more);
    };
    more();
  };
  const client = await clientOf(t, endless);
  await t.rejects(client.send({ ...GET, maxBytes: 100_000 }), { code: 'too-large' });
  const stated = await clientOf(t, (_request, response) => response.end(Buffer.alloc(1_001)));
  await t.rejects(stated.send({ ...GET, maxBytes: 1_000 }), { code: 'too-large' });
  t.equal((await stated.send({ ...GET, maxBytes: 1_001 })).body.length, 1_001);
});

t.test('the time limit holds for the whole exchange, whatever the peer does meanwhile', async (t) => {
  const silent = await clientOf(t, () => {});
  await t.rejects(silent.send({ ...GET, timeoutMs: 50 }), { code: 'timeout' });
  const dripping = await clientOf(t, (_request, response) => {
    const drip = setInterval(() => response.write('.'), 5);
    t.teardown(() => clearInterval(drip));
  });
  const error = await dripping.send({ ...GET, timeoutMs: 80 }).catch((error: unknown) => error);
  t.match(error, { code: 'timeout' });
  t.ok(isOutage(error));
});

t.test('a connection that breaks is an outage, at whatever moment', async (t) => {
  const reset = (socket: Socket): void => {
    socket.resetAndDestroy();
  };
  const breaks: [string, (socket: Socket) => void][] = [
    ['', reset],
    ['HTTP/1.1 200 OK\r\nContent-Length: 10\r\n', reset],
    ['HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', reset],
    ['HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', (socket) => socket.end()],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n', (socket) => socket.end()],
    ['this is no HTTP\r\n\r\n', () => {}],
    [`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(100_000)}\r\n`, () => {}],
  ];
  for (const [bytes, after] of breaks) {
    const client = await rawClient(t, bytes, after);
    const error = await client.send(GET).catch((error: unknown) => error);
    t.match(error, { code: 'unreachable' }, JSON.stringify(bytes.slice(0, 60)));
    t.ok(isOutage(error));
  }
  const port = await listen(t, createServer());
  const gone = new HttpClient({ url: `http://127.0.0.1:${port}` }, 'the peer');
  await t.rejects(new HttpClient({ socketPath: '/nonexistent/x.sock' }, 'the box').send(GET), {
    code: 'unreachable',
    message: "couldn't reach the box: ENOENT",
  });
  gone.close();
});

t.test('closing and aborting end what is under way with `stopped`', async (t) => {
  let arrived = (): void => {};
  const client = await clientOf(t, (_request, response) => {
    response.write('half an answer');
    arrived();
  });
  const arrival = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const abort = new AbortController();
  const first = client.send({ ...GET, signal: abort.signal });
  await arrival;
  abort.abort();
  await t.rejects(first, { code: 'stopped' });
  await t.rejects(client.send({ ...GET, signal: abort.signal }), { code: 'stopped' });

  const many = Array.from({ length: 12 }, () => client.send(GET));
  client.close();
  for (const one of many) await t.rejects(one, { code: 'stopped' });
  await t.rejects(client.send(GET), { code: 'stopped' });
});

t.test('a secret of the endpoint is in no error', async (t) => {
  const client = new HttpClient({ url: 'http://127.0.0.1:1', token: 'very-secret-token' }, 'the peer');
  const error = (await client.send(GET).catch((error: unknown) => error)) as MetersealError;
  t.equal(error.code, 'unreachable');
  t.notMatch(JSON.stringify([error.message, error.hint, error.stack, String(error.cause)]), /very-secret/);
});

t.test('an address or an authority file that cannot be used is refused at once', (t) => {
  t.throws(() => new HttpClient({ url: 'ftp://127.0.0.1/' }, 'the peer'), { code: 'bad-config' });
  t.throws(() => new HttpClient({ url: 'no address' }, 'the peer'), { code: 'bad-config' });
  t.throws(() => new HttpClient({ url: 'https://127.0.0.1', caFile: '/nonexistent' }, 'the peer'), {
    code: 'file-missing',
  });
  t.end();
});

const skip = spawnSync('openssl', ['version']).error === undefined ? false : 'openssl is not installed';
t.test('a certificate is checked, against the authority that was given', { skip }, async (t) => {
  const folder = temporaryFolder(t);
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=collector', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert],
  ]);
  const tls = { key: readFileSync(key), cert: readFileSync(cert) };
  const server = createTlsServer(tls, (_request, response) => json(response, 200, { secure: true }));
  const port = await listen(t, server);
  const url = `https://127.0.0.1:${port}`;
  const trusting = new HttpClient({ url, caFile: cert }, 'the peer');
  t.same(await trusting.json(GET), { secure: true });
  trusting.close();
  const strict = new HttpClient({ url }, 'the peer');
  await t.rejects(strict.json(GET), { code: 'unreachable', message: /DEPTH_ZERO_SELF_SIGNED_CERT/ });
  const elsewhere = new HttpClient({ url: `https://localhost:${port}`, caFile: cert }, 'the peer');
  await t.rejects(elsewhere.json(GET), { code: 'unreachable', message: /ERR_TLS_CERT_ALTNAME_INVALID/ });
});

t.test('outages are told from refusals', (t) => {
  t.ok(isOutage(new MetersealError('timeout', 'x')));
  t.ok(isOutage(new RefusedRequest(503, 'commit-failed', 'x', '')));
  t.notOk(isOutage(new RefusedRequest(429, 'rate-limited', 'x', '')));
  t.notOk(isOutage(new MetersealError('bad-message', 'x')));
  t.notOk(isOutage(new Error('x')));
  t.end();
});
