import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { request } from 'node:https';
import { join } from 'node:path';
import t from 'tap';
import { bundleNodes, installed, NodeRed, notInstalled, until } from './running-node-red.js';
import { SampleSite, TOKEN } from './sample-flow.js';

t.setTimeout(120_000);
bundleNodes();

const noOpenssl = spawnSync('openssl', ['version']).status !== 0 && 'openssl is not installed';

/** A certificate authority in a folder, and what it signs. */
function certify(folder: string): void {
  const run = (...args: string[]): void => {
    const { status, stderr } = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' });
    if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`);
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  run(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '2',
    '-subj',
    '/CN=sample authority',
  );
  writeFileSync(join(folder, 'names'), 'subjectAltName=IP:127.0.0.1\n');
  for (const name of ['server', 'field']) {
    run('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names'];
    run('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...by);
  }
}

t.test('the collector with TLS', { skip: notInstalled('5') || noOpenssl }, async (t) => {
  const userDir = t.testdir();
  certify(userDir);
  const file = (name: string): string => readFileSync(join(userDir, name), 'utf8');
  const site = await SampleSite.start(t, userDir);
  const red = await NodeRed.start(t, installed('5')!, userDir);
  const tls = {
    ...{ id: 'tls', type: 'tls-config', name: '', servername: '', alpnprotocol: '', verifyservercert: true },
    ...{ cert: join(userDir, 'server.pem'), key: join(userDir, 'server.key'), ca: join(userDir, 'ca.pem') },
    ...{ certname: '', keyname: '', caname: '' },
  };
  const serve = async (changed: Readonly<Record<string, unknown>>): Promise<void> => {
    await red.deploy([
      ...site.configNodes(),
      tls,
      ...site.collectorNode([], { host: '0.0.0.0', tls: 'tls', ...changed }),
    ]);
    await until('the collector listens', () =>
      ask({}).then(
        () => true,
        (error: { code?: string }) => error.code !== 'ECONNREFUSED',
      ),
    );
  };
  const ask = (options: RequestOptions): Promise<number> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', ...options.headers };
      const to = {
        host: '127.0.0.1',
        port: site.collectorPort,
        path: '/v1/openings',
        method: 'POST',
        agent: false,
      } as const;
      const asked = request({ ...to, ca: file('ca.pem'), ...options, headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      asked.on('error', reject);
      asked.end(JSON.stringify(site.meters.map((meter) => meter.opening())));
    });

  await t.test('beyond this machine a token opens it, and nothing else', async (t) => {
    await serve({});
    t.equal(await ask({ headers: { authorization: `Bearer ${TOKEN}` } }), 204);
    t.equal(await ask({}), 401);
  });

  await t.test('client certificates of its authority open it, and nothing else', async (t) => {
    await serve({ clientCertificates: true, credentials: { token: '' } });
    t.equal(await ask({ cert: file('field.pem'), key: file('field.key') }), 204);
    await t.rejects(ask({}));
  });
});
