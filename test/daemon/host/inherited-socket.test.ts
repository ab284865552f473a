import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { HttpClient } from 'meterseal/internal/host/http-client';
import { inheritedSocket } from 'meterseal/internal/host/inherited-socket';
import t from 'tap';
import { PLAIN_NODE } from '../../command-line.js';
import { temporaryFolder } from './temporary-folder.js';

t.test('a socket is taken by its name, and only by the process that it was meant for', async (t) => {
  const env = { LISTEN_PID: '42', LISTEN_FDS: '3', LISTEN_FDNAMES: 'platform:proof:switch' };
  t.equal(inheritedSocket('platform', env, 42), 3);
  t.equal(inheritedSocket('switch', env, 42), 5);
  t.equal(inheritedSocket('gate', env, 42), undefined);
  t.equal(inheritedSocket('platform', env, 43), undefined, 'of another process');
  t.equal(inheritedSocket('switch', { ...env, LISTEN_FDS: '2' }, 42), undefined, 'more names than sockets');
  t.equal(inheritedSocket('platform', {}, 42), undefined);
  t.equal(inheritedSocket('', { LISTEN_PID: '42', LISTEN_FDS: '0' }, 42), undefined);
});

/** Serves on the socket that it inherits; the shell's process id is kept by `exec`. */
const SERVE = `
import { createApiServer, listenOnSocket, stopApiServer } from 'meterseal/internal/host/api-server';
import { createLogger } from 'meterseal/internal/host/logger';
const app = createApiServer({ bodyLimit: 1024, log: createLogger('silent') });
app.get('/v1/status', async () => ({ well: true }));
await listenOnSocket(app, process.argv[1]);
console.log('ready');
process.stdin.once('data', () => stopApiServer(app).then(() => process.exit()));`;

t.test('what was made before is served, and is there afterwards', async (t) => {
  const path = join(temporaryFolder(t), 'gate.sock');
  // Whoever passes it on keeps it, as systemd does.
  const server = createServer().listen(path);
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  const [node, before] = PLAIN_NODE;
  const command = ['-c', 'export LISTEN_PID=$$; exec "$@"', 'sh', node, ...before];
  const child = spawn('sh', [...command, '--input-type=module', '-e', SERVE, path], {
    stdio: ['pipe', 'pipe', 'inherit', fd],
    env: { ...process.env, LISTEN_FDS: '1', LISTEN_FDNAMES: 'gate' },
    cwd: new URL('.', import.meta.url).pathname,
  });
  t.teardown(() => child.kill('SIGKILL'));
  // It would otherwise take every second connection itself.
  server.on('connection', (socket) => socket.destroy());
  await once(child.stdout!, 'data');
  const http = new HttpClient({ socketPath: path }, 'the gate');
  t.teardown(() => http.close());
  let answer: unknown;
  for (let tries = 0; tries < 50 && answer === undefined; tries++) {
    answer = await http.json({ method: 'GET', path: '/v1/status' }).catch(() => undefined);
  }
  t.strictSame(answer, { well: true });
  const ended = once(child, 'exit');
  child.stdin!.write('stop\n');
  await ended;
  t.ok(server.listening, 'the socket stays with whoever made it');
});
