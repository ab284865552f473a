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
  t.equal(functions.length, 16);
  for (const [, options] of functions) t.match(options, /\bcatch_unwind\b/);
  const tasks = readFileSync(join(root, 'native/src/tasks.rs'), 'utf8');
  const computing = [...tasks.matchAll(/fn compute[^{]*\{((?:\n {8}.*)*)/g)];
  t.equal(computing.length, 2);
  for (const [, body] of computing) t.match(body, /\bcaught\(/);
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
  const { MAX_RECORD_BYTES, MAX_KEY_TABLES, ...rust } = read(
    'src/bounds.rs',
    /pub const (\w+): usize = ([\d_]+);/g,
  );
  t.same(rust, typescript);
  t.equal(MAX_RECORD_BYTES, '16_384');
  t.equal(MAX_KEY_TABLES, '256', 'which node:crypto has none of');
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

t.test('a worker that ends while its work is under way leaves the main thread well', async (t) => {
  const native = pathToFileURL(join(root, 'native/dist/index.js')).href;
  const source = `
    const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(native)}).then(({ loadEngine }) => {
      const { engine } = loadEngine();
      const bounds = Uint32Array.from({ length: 2 * 20_000 }, (_, i) => 300 * ((i + 1) >> 1));
      for (let i = 0; i < 4; i++) void engine.hashSlicesAsync(new Uint8Array(300 * 20_000), bounds);
      parentPort.postMessage('busy');
    });`;
  for (let round = 0; round < 10; round++) {
    const worker = new Worker(source, { eval: true });
    await once(worker, 'message');
    await worker.terminate();
  }
  t.equal((await loadEngine().engine.hashSlicesAsync(new Uint8Array(9), Uint32Array.of(0, 9))).length, 32);
});

t.test('a hundred thousand calls leave no more memory than some thousands', { skip: addonSkip }, (t) => {
  const url = pathToFileURL(join(root, 'native/dist/index.js')).href;
  const script = `
    const { loadEngine } = await import(${JSON.stringify(url)});
    const { engine } = loadEngine();
    const session = engine.generateKey();
    const record = new Uint8Array(300);
    const sealed = session.seal(record);
    const many = Buffer.concat(Array.from({ length: 60 }, () => sealed));
    const bounds = Uint32Array.from({ length: 120 }, (_, i) => sealed.length * ((i + 1) >> 1));
    const batch = { keys: session.publicKey, keyOf: new Uint32Array(60), packed: many, bounds };
    const big = new Uint8Array(300_000);
    const cut = Uint32Array.from({ length: 2_000 }, (_, i) => 300 * ((i + 1) >> 1));
    const calls = async (count) => {
      for (let i = 0; i < count; i++) {
        engine.hashSlices(record, Uint32Array.of(0, 300));
        engine.merkleRoot(record.subarray(0, 64));
        engine.openSeal(session.publicKey, sealed);
        if (i % 100 === 0) {
          engine.generateKey().seal(record);
          session.sealBatch(many, bounds);
          await engine.openBatch(batch);
          await engine.hashSlicesAsync(big, cut);
        }
      }
      gc();
      return process.memoryUsage.rss();
    };
    const warm = await calls(20_000);
    console.log(JSON.stringify({ warm, after: await calls(100_000) }));`;
  const out = execFileSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  const { warm, after } = JSON.parse(out) as { warm: number; after: number };
  t.ok(after <= 1.1 * warm, `${warm} bytes, then ${after}`);
  t.end();
});
