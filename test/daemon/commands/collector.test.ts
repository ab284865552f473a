import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { javascriptEngine as engine } from '@meterseal/native';
import { ALG_ED25519, formatPolicy, verifierKeyOf } from '@meterseal/protocol';
import type { Test } from 'tap';
import t from 'tap';
import { assertRefused, cannotBeNobody, meterseal, metersealAsNobody } from '../../command-line.js';
import { RunningCommand } from '../../scenarios/running-command.js';
import { temporaryFolder } from '../host/temporary-folder.js';

const PLATFORM_ID = 'meterseal.example/meterseal/test';

/** What a collector is started with; `with` takes pairs of an option and another value for it. */
function collectorIn(t: Test): { folder: string; dir: string; with: (...changed: string[]) => string[] } {
  const folder = temporaryFolder(t);
  const key = verifierKeyOf(engine, `${PLATFORM_ID}/1`, ALG_ED25519, engine.generateKey().publicKey);
  const policy = { logs: [{ key, url: undefined }], witnesses: [], groups: [], quorum: undefined };
  writeFileSync(join(folder, 'policy'), formatPolicy(policy));
  writeFileSync(join(folder, 'token'), `${'x'.repeat(32)}\n`, { mode: 0o600 });
  const dir = join(folder, 'collector');
  const usual: Record<string, string> = {
    '--dir': dir,
    '--platform-id': PLATFORM_ID,
    '--policy': join(folder, 'policy'),
    '--control': '127.0.0.1:1',
    '--token-file': join(folder, 'token'),
    '--listen': '127.0.0.1:0',
  };
  return {
    folder,
    dir,
    with: (...changed) => {
      const options = { ...usual };
      for (let i = 0; i < changed.length; i += 2) options[changed[i]!] = changed[i + 1]!;
      return ['collector', ...Object.entries(options).flat()];
    },
  };
}

t.test('what a collector cannot be started with is refused', async (t) => {
  const collector = collectorIn(t);
  const file = (name: string, text: string, mode = 0o600): string => {
    writeFileSync(join(collector.folder, name), text, { mode });
    return join(collector.folder, name);
  };
  const long = join(collector.folder, 'x'.repeat(100));
  for (const [changed, exitCode, code, words] of [
    [['--policy', '/no/such/policy'], 2, 'file-missing', /policy/],
    [['--policy', file('bad-policy', 'trust everybody\n')], 2, 'bad-policy', /line 1/],
    [['--platform-id', 'meterseal.example/meterseal/other'], 2, 'bad-policy', /names no log/],
    [['--platform-id', 'no id'], 2, 'bad-policy', /"no id"/],
    [['--control', '127.0.0.1'], 2, 'bad-config', /--control/],
    [['--token-file', '/no/such/token'], 2, 'file-missing', /token/],
    [['--token-file', file('short', 'short\n')], 2, 'bad-config', /shorter than 16/],
    [['--token-file', file('open', 'x'.repeat(32), 0o644)], 15, 'file-unusable', /read by others/],
    [['--listen', '0.0.0.0:0'], 2, 'bad-config', /open to the network/],
    [['--dir', long], 15, 'socket-path-too-long', /at most 107/],
    [['--anchoring-delay', '5'], 2, 'bad-config', /duration/],
  ] as const) {
    assertRefused(t, await meterseal(...collector.with(...changed)), exitCode, code, words);
  }
});

t.test('a port or a folder that is in use is refused, and who uses it goes on', async (t) => {
  const collector = collectorIn(t);
  const first = new RunningCommand(t, ...collector.with());
  const [, port] = await first.shows(/\{"port":(\d+)\}/);
  assertRefused(t, await meterseal(...collector.with()), 13, 'state-in-use', /its folder/);
  const other = collector.with('--dir', join(collector.folder, 'other'), '--listen', `127.0.0.1:${port}`);
  assertRefused(t, await meterseal(...other), 16, 'address-in-use', new RegExp(`127\\.0\\.0\\.1:${port}`));
  const { code, stdout } = await meterseal('collector', 'status', '--dir', collector.dir);
  t.equal(code, 0);
  t.match(JSON.parse(stdout), { records: 0, meters: [] });
  first.signal('SIGTERM');
  t.equal(await first.end(), 0);
});

t.test('a comparison with a gate that is not there, or of no collector, is told in one line', async (t) => {
  const collector = collectorIn(t);
  const nobody = await meterseal('collector', 'compare', '--dir', collector.dir);
  assertRefused(t, nobody, 1, 'unreachable', /the collector/);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const running = new RunningCommand(t, ...collector.with('--control', `127.0.0.1:${port}`));
  await running.shows(/"port"/);
  const { code, stdout, stderr } = await meterseal('collector', 'compare', '--dir', collector.dir);
  t.equal(code, 1);
  t.match(stdout, /^not compared: platform-unreachable \(couldn't reach .*\)\n$/);
  t.equal(stderr, '');
});

const skip = await cannotBeNobody();
t.test("a collector's folder that cannot be written is refused", { skip }, async (t) => {
  const folder = temporaryFolder(t);
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, 'c'), { mode: 0o755 });
  for (const dir of [join(folder, 'c'), join(folder, 'new')]) {
    const ran = await metersealAsNobody('collector', 'init', '--dir', dir);
    assertRefused(t, ran, 15, 'file-unusable', /EACCES/);
  }
});

t.test('the key is made once, and told again', async (t) => {
  const { dir } = collectorIn(t);
  const first = await meterseal('collector', 'init', '--dir', dir);
  t.equal(first.code, 0);
  const { key, keyFile } = JSON.parse(first.stdout) as { key: string; keyFile: string };
  t.equal(readFileSync(keyFile, 'utf8'), `${key}\n`);
  t.same(await meterseal('collector', 'init', '--dir', dir), first);
});
