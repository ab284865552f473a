import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { bundleNodes, installed, NodeRed, notInstalled } from './running-node-red.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const STUB = join(ROOT, 'test', 'nodes', 'validator-stub.cjs');
const VALIDATOR = join(ROOT, 'node-red-nodes', 'runtime', 'node_modules', 'node-red-dev', 'bin', 'run');
const TYPES = ['collector', 'link', 'platform', 'replay', 'switch', 'verify'].map(
  (name) => `meterseal-${name}`,
);
const run = promisify(execFile);

t.setTimeout(300_000);
bundleNodes();

/** The package as npm packs it. @returns the tarball */
async function pack(folder: string): Promise<string> {
  const args = ['pack', '-w', '@meterseal/node-red-meterseal', '--pack-destination', folder, '--silent'];
  await run('npm', args, { cwd: ROOT });
  return join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz'))!);
}

/** Installs a tarball into a fresh user folder, offline and without a single script. */
async function install(tarball: string, userDir: string): Promise<void> {
  mkdirSync(userDir, { recursive: true });
  writeFileSync(join(userDir, 'package.json'), '{ "private": true }\n');
  const args = ['install', tarball, '--offline', '--ignore-scripts', '--no-audit', '--no-fund'];
  await run('npm', args, { cwd: userDir });
}

for (const major of ['5', '4'] as const) {
  t.test(`the packed package in Node-RED ${major}`, { skip: notInstalled(major) }, async (t) => {
    const folder = t.testdir({ packed: {} });
    const userDir = join(folder, 'user');
    await install(await pack(join(folder, 'packed')), userDir);
    t.same(
      readdirSync(join(userDir, 'node_modules')).filter((name) => !name.startsWith('.')),
      ['@meterseal'],
    );

    const red = await NodeRed.start(t, installed(major)!, userDir, { linked: false });
    const sets = await red.get<{ id: string; err?: string; types: string[] }[]>('nodes');
    const ours = sets.filter(({ id }) => id.startsWith('@meterseal/'));
    t.same(ours.flatMap(({ types }) => types).sort(), TYPES);
    t.same(
      ours.filter(({ err }) => err !== undefined),
      [],
    );
    const examples = await red.get<Record<string, unknown>>(
      'library/examples/flows/@meterseal/node-red-meterseal/',
    );
    t.ok(JSON.stringify(examples).includes('quick-start'));
    const icons = await red.get<Record<string, string[]>>('icons');
    t.same([...(icons['@meterseal/node-red-meterseal'] ?? [])].sort(), [
      'meterseal-collector.svg',
      'meterseal-replay.svg',
      'meterseal-switch.svg',
      'meterseal-verify.svg',
    ]);
  });
}

const noValidator = existsSync(VALIDATOR) ? notInstalled('4') : 'node-red-dev is not installed here';
t.test('node-red-dev has no complaint', { skip: noValidator }, async (t) => {
  const folder = t.testdir({ packed: {} });
  const userDir = join(folder, 'user');
  await install(await pack(join(folder, 'packed')), userDir);
  const path = join(userDir, 'node_modules', '@meterseal', 'node-red-meterseal');
  const card = join(folder, 'card.json');
  const args = ['--require', STUB, VALIDATOR, 'validate', '--path', path, '--output', card];
  const { stdout, stderr } = await run(process.execPath, args);
  const results = JSON.parse(readFileSync(card, 'utf8')) as Record<string, { test?: boolean }>;
  const judged = Object.entries(results).filter(([, { test }]) => test !== undefined);
  t.same(
    judged.filter(([, { test }]) => test !== true),
    [],
    `${stdout}${stderr}`,
  );
  t.ok(judged.length >= 11, 'all of its checks were made');
  t.notMatch(`${stdout}${stderr}`, /warning|Unable/i);
  const { keywords } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
  t.ok(keywords.includes('node-red'), 'which it reports as well where it is missing');
});
