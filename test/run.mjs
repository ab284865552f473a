// npm test: sets up, lints, runs all tests (tap and cargo), and ends with `N passed, N failed[, N skipped]`, counted from
// what the runners themselves said. Arguments are test files: npm test -- test/dist/protocol/record.test.js

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root, setUpOrExit } from '../daemon/setup/set-up.mjs';

const count = { passed: 0, failed: 0, skipped: 0 };

setUpOrExit();
step('lint', 'node_modules/.bin/biome', ['check', '.'], () => ({}));
step('Rust format', 'cargo', ['fmt', '--check'], () => ({}), 'native');
step(
  'Rust lint',
  'cargo',
  ['clippy', '--quiet', '--locked', '--all-targets', '--', '-D', 'warnings'],
  () => ({}),
  'native',
);
step('Rust tests', 'cargo', ['test', '--quiet', '--locked'], cargoCounts, 'native');
step('tests', 'node_modules/.bin/tap', ['run', '--reporter=terse', ...testFiles()], tapCounts);

const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
console.log(`${count.passed} passed, ${count.failed} failed${skipped}`);
process.exit(count.failed > 0 || count.passed === 0 ? 1 : 0);

/** Runs one step; a step that fails without a failed test of its own counts as one. */
function step(name, command, args, countsOf, folder = '.') {
  console.log(`\n# ${name}`);
  const started = performance.now();
  const { status, stdout, error } = spawnSync(command, args, {
    cwd: join(root, folder),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '--enable-source-maps' },
  });
  if (error?.code === 'ENOENT' && command === 'cargo') {
    console.log('skipped: cargo is not installed');
    count.skipped++;
    return;
  }
  process.stdout.write(stdout ?? '');
  const { passed = 0, failed = 0, skipped = 0 } = countsOf(stdout ?? '');
  count.passed += passed;
  count.failed += failed;
  count.skipped += skipped;
  if (status !== 0 && failed === 0) count.failed++;
  console.log(
    `# ${name}: ${status === 0 ? 'ok' : 'FAILED'}, ${((performance.now() - started) / 1000).toFixed(1)} s`,
  );
}

/** `# { total: 16, pass: 12, fail: 1, skip: 4 }`, the last line that tap writes. */
function tapCounts(output) {
  const line = output.match(/# \{ total:[^}]*\}/g)?.at(-1) ?? '';
  const number = (name) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(line)?.[1] ?? 0);
  return { passed: number('pass'), failed: number('fail'), skipped: number('skip') + number('todo') };
}

/** Every `test result: ok. 15 passed; 0 failed; 1 ignored; …` */
function cargoCounts(output) {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const [, passed, failed, ignored] of output.matchAll(/(\d+) passed; (\d+) failed; (\d+) ignored/g)) {
    sum.passed += Number(passed);
    sum.failed += Number(failed);
    sum.skipped += Number(ignored);
  }
  return sum;
}

/** The compiled form of every *.test.ts, so that a stale file of a test that is gone never runs. */
function testFiles() {
  if (process.argv.length > 2) return process.argv.slice(2);
  const folder = join(root, 'test');
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .filter((file) => !relative(folder, file).startsWith('dist'))
    .map((file) => join('test', 'dist', relative(folder, file).replace(/\.ts$/, '.js')))
    .sort();
}
