import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

/*
 * The direction of imports, and what a file may be called. A reading's way through the house is one straight walk:
 * modbus → meters → agent → chain, and agent → delivery → collector.
 */

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const ROOMS = [
  'protocol/src',
  'native/js',
  'node-red-nodes/core',
  'node-red-nodes/controllers',
  'node-red-nodes/adapters',
  'daemon/src',
];

type Source = { readonly path: string; readonly text: string; readonly imports: readonly string[] };

function sourcesOf(folder: string): Source[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts'))
    .map((entry) => {
      const path = relative(ROOT, join(entry.parentPath ?? entry.path, entry.name));
      const text = readFileSync(join(ROOT, path), 'utf8');
      return { path, text, imports: importsOf(path, text) };
    });
}

/** What a file imports: packages by name, our own files by their path from the root. */
function importsOf(path: string, text: string): string[] {
  const specifiers = [
    ...text.matchAll(/^(?:import|export)\b[^'"]*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm),
  ];
  return specifiers.map(([, from, bare, dynamic]) => {
    const specifier = from ?? bare ?? dynamic!;
    if (!specifier.startsWith('.')) return specifier;
    return relative(ROOT, resolve(ROOT, dirname(path), specifier)).replace(/\.js$/, '.ts');
  });
}

/** Files of `folder` that import what `isAllowed` refuses, as `file → import`. */
function breaches(folder: string, isAllowed: (imported: string, path: string) => boolean): string[] {
  return sourcesOf(folder).flatMap(({ path, imports }) =>
    imports.filter((imported) => !isAllowed(imported, path)).map((imported) => `${path} → ${imported}`),
  );
}

const isIn = (imported: string, ...folders: string[]): boolean =>
  folders.some((folder) => imported === folder || imported.startsWith(`${folder}/`));
const isPackage = (imported: string): boolean => !imported.includes('.ts');

t.test('protocol is pure: nothing of the platform, and one tiny package', async (t) => {
  t.same(
    breaches('protocol/src', (imported) => isIn(imported, 'protocol/src') || imported === 'canonicalize'),
    [],
  );
  const impure =
    /\b(?:Date\.now|new Date\(\)|Math\.random|setTimeout|setInterval|process\.|Buffer\b|globalThis|require\()/;
  const offenders = sourcesOf('protocol/src').filter(({ text }) =>
    impure.test(text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')),
  );
  t.same(
    offenders.map(({ path }) => path),
    [],
  );
});

t.test('native knows protocol only, and one file loads the addon', async (t) => {
  t.same(
    breaches(
      'native/js',
      (imported) =>
        isIn(imported, 'native/js') || imported === '@meterseal/protocol' || imported.startsWith('node:'),
    ),
    [],
  );
  const loaders = ROOMS.flatMap(sourcesOf).filter(({ text }) => /dlopen|createRequire/.test(text));
  t.same(
    loaders.map(({ path }) => path),
    ['native/js/addon.ts'],
  );
});

t.test("the collector's core knows neither Node-RED nor the daemon nor a native module", async (t) => {
  const allowed = ['@meterseal/protocol', '@meterseal/native/javascript'];
  t.same(
    breaches(
      'node-red-nodes/core',
      (imported) =>
        isIn(imported, 'node-red-nodes/core') || allowed.includes(imported) || imported.startsWith('node:'),
    ),
    [],
  );
});

t.test('controllers never see Node-RED, and adapters see the core through them', async (t) => {
  const own = '@meterseal/node-red-meterseal';
  const pure = ['@meterseal/protocol', '@meterseal/native/javascript', `${own}/core`];
  t.same(
    breaches(
      'node-red-nodes/controllers',
      (imported) =>
        isIn(imported, 'node-red-nodes/controllers') ||
        pure.includes(imported) ||
        imported.startsWith('node:'),
    ),
    [],
  );
  t.same(
    breaches(
      'node-red-nodes/adapters',
      (imported) =>
        isIn(imported, 'node-red-nodes/adapters', 'node-red-nodes/controllers') ||
        pure.includes(imported) ||
        imported.startsWith('node:'),
    ),
    [],
  );
});

/*
 * A callback that throws, or a promise that nobody hears, ends Node-RED with all flows in it. Nodes hand their callbacks to
 * Node-RED through adapters/guard.ts alone.
 */
t.test('nothing of a node can end Node-RED', async (t) => {
  const LOOSE =
    /\.on\(|\.once\(|\.then\(|\bvoid [a-z]|new Promise\b|setInterval\(|setImmediate\(|nextTick\(|queueMicrotask\(/;
  // The badge's timers show a status, in a block of their own.
  const TIMERS: readonly string[] = [
    'node-red-nodes/adapters/guard.ts',
    'node-red-nodes/adapters/status-badge.ts',
  ];
  const offenders = sourcesOf('node-red-nodes/adapters').flatMap(({ path, text }) => {
    if (path === 'node-red-nodes/adapters/guard.ts') return [];
    return text
      .split('\n')
      .filter((line) => !/^\s*(?:\/?\*|\/\/)/.test(line) && !path.endsWith('/red.ts'))
      .filter((line) => LOOSE.test(line) || (line.includes('setTimeout(') && !TIMERS.includes(path)))
      .map((line) => `${path}: ${line.trim()}`);
  });
  t.same(offenders, []);
});

t.test('the rooms of the daemon import downwards only', async (t) => {
  const rooms: Record<string, readonly string[]> = {
    host: [],
    // The bus address is part of the configuration.
    config: ['host', 'modbus'],
    // Bytes and nothing else: frames and digits.
    dlt645: [],
    modbus: ['host', 'dlt645'],
    meters: ['host', 'modbus', 'dlt645'],
    agent: ['host'],
    delivery: ['host'],
    chain: ['host'],
    // A relay is on a line as a meter is.
    gate: ['host', 'modbus'],
    // Puts the rooms of the field together, as main does with the roles.
    field: ['host', 'config', 'modbus', 'meters', 'agent', 'delivery'],
  };
  for (const [room, below] of Object.entries(rooms)) {
    const mayEnter = [room, ...below].map((name) => `daemon/src/${name}`);
    t.same(
      breaches(`daemon/src/${room}`, (imported) => isPackage(imported) || isIn(imported, ...mayEnter)),
      [],
      room,
    );
  }
});

t.test('nothing but the command line imports main, cli or commands', async (t) => {
  const isTop = (path: string): boolean =>
    isIn(path, 'daemon/src/commands', 'daemon/src/cli.ts', 'daemon/src/main.ts');
  t.same(
    breaches('daemon/src', (imported, path) => !isTop(imported) || isTop(path)),
    [],
  );
});

t.test('no file imports, by whatever way, itself', async (t) => {
  const sources = ROOMS.flatMap(sourcesOf);
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    const at = way.indexOf(path);
    if (at >= 0) circles.push([...way.slice(at), path].join(' → '));
    if (at >= 0 || done.has(path)) return;
    for (const imported of byPath.get(path)?.imports ?? []) visit(imported, [...way, path]);
    done.add(path);
  };
  for (const { path } of sources) visit(path, []);
  t.same(circles, []);
});

t.test('a file is named after the one thing in it', async (t) => {
  const names = ROOMS.flatMap(sourcesOf).map(({ path }) => path);
  t.same(
    names.filter((path) => /\/(?:utils?|helpers?|common|types|misc|lib)\.ts$/.test(path)),
    [],
  );
  t.same(
    names.filter((path) => !/\/[a-z0-9]+(?:-[a-z0-9]+)*\.ts$/.test(path)),
    [],
  );
});
