import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  ALG_ED25519,
  decodeRecord,
  encodeDeliveryGroup,
  formatPolicy,
  fromBase64,
  verifierKeyOf,
} from '@meterseal/protocol';
import { HttpClient } from 'meterseal/internal/host/http-client';
import { stateFolder } from 'meterseal/internal/host/state-folder';
import type { Test } from 'tap';
import t from 'tap';
import { PLATFORM_ID, SampleMeter } from '../collector/sample-meter.js';
import { meterseal, PLAIN_NODE } from '../command-line.js';
import { engine } from '../daemon/chain/test-box.js';
import { until } from '../daemon/gate/until.js';
import { temporaryFolder } from '../daemon/host/temporary-folder.js';
import { spooledRecords } from '../scenarios/line.js';

const BIN = fileURLToPath(new URL('../../../daemon/bin/meterseal.js', import.meta.url));
const CONFIG = "site: { operator: m.example, box: b }\ngate: { control: '127.0.0.1:0' }\n";
const TOKEN = 'a-token-for-this-test';

/** `meterseal` that may write no file longer than this. */
class Limited {
  output = '';
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown[]>;

  constructor(t: Test, blocksOf512: number | 'unlimited', ...args: readonly string[]) {
    const script = 'ulimit -f "$1"; shift; exec "$@"';
    const command = ['-c', script, 'sh', String(blocksOf512), ...PLAIN_NODE.flat(), BIN, ...args];
    this.#process = spawn('sh', command, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#process.stdout!, this.#process.stderr!]) {
      stream.on('data', (piece) => {
        this.output += piece;
      });
    }
    this.#ended = once(this.#process, 'close');
    t.teardown(() => this.#process.kill('SIGKILL'));
  }

  async shows(pattern: RegExp): Promise<RegExpMatchArray> {
    await until(`${pattern}`, () => pattern.test(this.output), 20_000);
    return this.output.match(pattern)!;
  }

  async end(signal?: NodeJS.Signals): Promise<unknown> {
    if (signal !== undefined) this.#process.kill(signal);
    return (await this.#ended)[0];
  }
}

/** Has the chain of a box grow until it fails. @returns the commits that were answered, and the code of the refusal */
async function commitUntilRefused(root: string): Promise<{ committed: number; code: string }> {
  const http = new HttpClient({ socketPath: stateFolder(root).sockets.platform }, 'the platform');
  try {
    for (let committed = 0; ; committed++) {
      try {
        const json = { kind: 'clock-step', ms: -1_000 - committed };
        await http.send({ method: 'POST', path: '/v1/events', json });
      } catch (error) {
        return { committed, code: (error as { code: string }).code };
      }
    }
  } finally {
    http.close();
  }
}

/** The chain has everything that was answered, is whole, and goes on. */
async function assertWhole(t: Test, root: string, committed: number): Promise<void> {
  const fsck = await meterseal('fsck', '--state', root, '--json');
  t.equal(fsck.code, 0, fsck.stdout);
  // Epoch, boot and block-close, then two entries of each commit.
  t.ok(
    (JSON.parse(fsck.stdout) as { size: number }).size >= 3 + 2 * committed,
    'nothing that was answered is missing',
  );
  const again = new Limited(t, 'unlimited', 'run', '--state', root);
  await again.shows(/"msg":"running"/);
  t.equal(await again.end('SIGTERM'), 0);
}

t.test(
  'a disk that takes no more ends the box with 10, and nothing that was answered is missing',
  async (t) => {
    const root = temporaryFolder(t);
    writeFileSync(stateFolder(root).config, CONFIG);
    const box = new Limited(t, 300, 'run', '--state', root);
    await box.shows(/"msg":"running"/);
    const { committed, code } = await commitUntilRefused(root);
    t.equal(code, 'commit-failed');
    t.ok(committed > 3, `${committed} commits before`);
    t.equal(await box.end(), 10);
    t.match(box.output, /"level":"fatal".*"the chain has stopped"/);
    await assertWhole(t, root, committed);
  },
);

const mount = (...args: readonly string[]): boolean => spawnSync('mount', args).status === 0;

/** A folder on a disk of its own that is soon full; undefined where none can be mounted. */
function smallDisk(t: Test): string | undefined {
  const root = join(temporaryFolder(t), 'disk');
  mkdirSync(root);
  if (process.geteuid?.() !== 0 || !mount('-t', 'tmpfs', '-o', 'size=500k', 'none', root)) return undefined;
  t.teardown(() => spawnSync('umount', ['-l', root]));
  return root;
}

t.test('a full disk ends the box with 14, and it goes on when there is space', async (t) => {
  const root = smallDisk(t);
  if (root === undefined) return void t.pass('a small disk', { skip: 'only root can mount one' });
  writeFileSync(stateFolder(root).config, CONFIG);
  const box = new Limited(t, 'unlimited', 'run', '--state', root);
  await box.shows(/"msg":"running"/);
  const { committed, code } = await commitUntilRefused(root);
  t.equal(code, 'disk-full');
  t.equal(await box.end(), 14);
  t.ok(mount('-o', 'remount,size=2m', root));
  await assertWhole(t, root, committed);
});

t.test('a collector whose disk takes no more ends with 10, and has what it acknowledged', async (t) => {
  const folder = temporaryFolder(t);
  const key = verifierKeyOf(engine, `${PLATFORM_ID}/1`, ALG_ED25519, engine.generateKey().publicKey);
  const policy = { logs: [{ key, url: undefined }], witnesses: [], groups: [], quorum: undefined };
  writeFileSync(join(folder, 'policy'), formatPolicy(policy));
  writeFileSync(join(folder, 'token'), TOKEN, { mode: 0o600 });
  const dir = join(folder, 'collector');
  const { stdout } = await meterseal('collector', 'init', '--dir', dir);
  const { key: publicKey } = JSON.parse(stdout) as { key: string };
  const collectorKey = fromBase64(publicKey);
  const args = ['--dir', dir, '--platform-id', PLATFORM_ID, '--policy', join(folder, 'policy')];
  const rest = ['--control', '127.0.0.1:1', '--token-file', join(folder, 'token'), '--listen', '127.0.0.1:0'];
  const start = async (
    blocksOf512: number | 'unlimited',
  ): Promise<{ process: Limited; http: HttpClient }> => {
    const process = new Limited(t, blocksOf512, 'collector', ...args, ...rest);
    const [, port] = await process.shows(/\{"port":(\d+)\}/);
    const http = new HttpClient({ url: `http://127.0.0.1:${port}`, token: TOKEN }, 'the collector');
    t.teardown(() => http.close());
    return { process, http };
  };
  const meter = new SampleMeter('EM-1', 1);
  const deliver = async (http: HttpClient, seq: number): Promise<void> => {
    const statement = meter.statement(1, meter.records(1, seq), { collectorKey });
    const bytes = encodeDeliveryGroup(statement, [meter.record(seq)]);
    await http.send({ method: 'POST', path: '/v1/records', bytes });
  };

  const limited = await start(60);
  await limited.http.send({ method: 'POST', path: '/v1/openings', json: [meter.opening()] });
  let acknowledged = 0;
  let refusal: unknown;
  while (refusal === undefined) {
    try {
      await deliver(limited.http, acknowledged + 1);
      acknowledged++;
    } catch (error) {
      refusal = error;
    }
  }
  t.match(refusal, { code: 'commit-failed' });
  t.ok(acknowledged > 10, `${acknowledged} readings before`);
  t.equal(await limited.process.end(), 10);
  t.match(limited.process.output, /\nmeterseal: couldn't .* \[commit-failed\]\n {2}hint: /);

  const { process, http } = await start('unlimited');
  const state = await http.json<{ seq: number }>({ method: 'GET', path: '/v1/state?meter=EM-1' });
  t.equal(state.seq, acknowledged, 'nothing that was acknowledged is missing');
  for (let seq = acknowledged + 1; seq <= acknowledged + 3; seq++) await deliver(http, seq);
  const after = await http.json<{ seq: number }>({ method: 'GET', path: '/v1/state?meter=EM-1' });
  t.equal(after.seq, acknowledged + 3, 'it goes on');
  const held = spooledRecords(dir, 'EM-1').map((record) => decodeRecord(record).seq);
  t.strictSame(
    held,
    Array.from({ length: acknowledged + 3 }, (_, i) => i + 1),
    'each reading once',
  );
  t.equal(await process.end('SIGTERM'), 0);
});
