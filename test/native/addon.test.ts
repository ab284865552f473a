import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { loadEngine } from '@meterseal/native';
import t, { type Test } from 'tap';
import { enginesUnderTest } from './engines.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const addonSkip = enginesUnderTest.find(({ name }) => name === 'addon')!.skip;
const fileName = `meterseal-native.${process.platform}-${process.arch}${process.platform === 'linux' ? '-gnu' : ''}.node`;

/** A copy of the package of its own, whose prebuilt folder holds `addon` under the name that is looked for. */
function packageWith(t: Test, addon: Uint8Array | null): string {
  const folder = mkdtempSync(join(tmpdir(), 'meterseal-native-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  cpSync(join(root, 'native/dist'), join(folder, 'dist'), { recursive: true });
  cpSync(join(root, 'native/package.json'), join(folder, 'package.json'));
  mkdirSync(join(folder, 'node_modules/@meterseal'), { recursive: true });
  symlinkSync(join(root, 'protocol'), join(folder, 'node_modules/@meterseal/protocol'));
  mkdirSync(join(folder, 'prebuilt'));
  if (addon !== null) writeFileSync(join(folder, 'prebuilt', fileName), addon);
  return folder;
}

/** What `loadEngine` says in a process of its own, since an addon cannot be unloaded. */
function loadedIn(
  folder: string,
  env: NodeJS.ProcessEnv = {},
): { name: string; why?: string; good: boolean } {
  const url = pathToFileURL(join(folder, 'dist/index.js')).href;
  const script = `
    const { loadEngine } = await import(${JSON.stringify(url)});
    const { engine, why } = loadEngine();
    const key = engine.generateKey();
    const good = engine.openSeal(key.publicKey, key.seal(new Uint8Array(3)))?.length === 3;
    console.log(JSON.stringify({ name: engine.name, why, good }));`;
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    env: { PATH: process.env.PATH, ...env },
    encoding: 'utf8',
  });
  return JSON.parse(out);
}

t.test('without an addon the JavaScript twin serves, and says why', (t) => {
  const loaded = loadedIn(packageWith(t, null));
  t.match(loaded, { name: 'javascript', why: /none is built for this platform/, good: true });
  t.end();
});

t.test('a damaged addon is not the end', (t) => {
  const loaded = loadedIn(packageWith(t, new Uint8Array(1_000)));
  t.match(loaded, { name: 'javascript', why: /couldn't load addon/, good: true });
  t.end();
});

t.test('another addon in its place is not taken', (t) => {
  const other = createRequire(import.meta.url).resolve('sqlite3/package.json');
  const loaded = loadedIn(packageWith(t, readFileSync(join(other, '../build/Release/node_sqlite3.node'))));
  t.match(loaded, { name: 'javascript', why: /built for another version/, good: true });
  t.end();
});

t.test('no environment variable redirects the loader', { skip: addonSkip }, (t) => {
  const folder = packageWith(t, readFileSync(join(root, 'native/prebuilt', fileName)));
  const elsewhere = join(root, 'native/Cargo.toml');
  const loaded = loadedIn(folder, {
    NAPI_RS_NATIVE_LIBRARY_PATH: elsewhere,
    NAPI_RS_FORCE_WASI: '1',
    NODE_PATH: root,
    METERSEAL_NATIVE: elsewhere,
  });
  t.same(loaded, { name: 'addon', good: true });
  t.end();
});

t.test('every function that Node can call catches panics', (t) => {
  const source = readFileSync(join(root, 'native/src/lib.rs'), 'utf8');
  const bindings = [...source.matchAll(/#\[napi(?:\(([^)]*)\))?\]\s*(?:pub )?(fn|struct|impl)/g)];
  const functions = bindings.filter(([, , kind]) => kind === 'fn');
  t.equal(functions.length, 12);
  for (const [, options] of functions) t.match(options, /\bcatch_unwind\b/);
  t.end();
});

t.test('both halves agree on the bounds', (t) => {
  const read = (file: string, pattern: RegExp) =>
    Object.fromEntries(
      [...readFileSync(join(root, 'native', file), 'utf8').matchAll(pattern)].map(([, name, value]) => [
        name,
        value,
      ]),
    );
  const typescript = read('js/bounds.ts', /export const (\w+) = ([\d_]+);/g);
  const { MAX_RECORD_BYTES, ...rust } = read('src/bounds.rs', /pub const (\w+): usize = ([\d_]+);/g);
  t.same(rust, typescript);
  t.equal(MAX_RECORD_BYTES, '16_384');
  t.end();
});

t.test('a key made in a worker seals there, and its death leaves the main thread well', async (t) => {
  const native = pathToFileURL(join(root, 'native/dist/index.js')).href;
  const source = `
    const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(native)}).then(({ loadEngine }) => {
      const key = loadEngine().engine.generateKey();
      parentPort.postMessage([key.publicKey, key.seal(new Uint8Array(5))]);
    });`;
  const { engine } = loadEngine();
  for (let round = 0; round < 3; round++) {
    const worker = new Worker(source, { eval: true });
    const [[publicKey, sealed]] = (await once(worker, 'message')) as [[Uint8Array, Uint8Array]];
    await worker.terminate();
    t.same(engine.openSeal(publicKey, sealed), new Uint8Array(5));
  }
});
