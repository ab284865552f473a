// npm test: sets up, lints, runs all tests (tap and cargo), and ends with `N passed, N failed[, N skipped]`, counted from
// what the runners themselves said. Arguments are test files: npm test -- test/dist/protocol/record.test.js

import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { setUpNodeRed } from '../daemon/setup/node-red.mjs';
import { root, setUpOrExit } from '../daemon/setup/set-up.mjs';
import { setUpDebian } from './set-up-debian.mjs';

const count = { passed: 0, failed: 0, skipped: 0 };

setUpOrExit(() => setUpNodeRed({ forTests: true }), setUpDebian);
await step('lint', 'node_modules/.bin/biome', ['check', '.'], () => ({}), { show: true });
const rust = { folder: 'native' };
await step('Rust format', 'cargo', ['fmt', '--check'], () => ({}), rust);
await step(
  'Rust lint',
  'cargo',
  ['clippy', '--quiet', '--locked', '--all-targets', '--', '-D', 'warnings'],
  () => ({}),
  rust,
);
await step('Rust tests', 'cargo', ['test', '--quiet', '--locked'], cargoCounts, rust);
await step('tests', 'node_modules/.bin/tap', ['run', '--reporter=tap', ...testFiles()], tapCounts, {
  show: tapLine(),
});

const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
console.log(`${count.passed} passed, ${count.failed} failed${skipped}`);
process.exit(count.failed > 0 || count.passed === 0 ? 1 : 0);

/**
 * Runs one step; a step that fails without a failed test of its own counts as one.
 *
 * @param show true for every line as it comes, or a filter; else the output is shown only if the step fails
 */
async function step(name, command, args, countsOf, { folder = '.', show = () => false } = {}) {
  console.log(`\n# ${name}`);
  const started = performance.now();
  const { status, output, missing } = await run(command, args, folder, show === true ? () => true : show);
  if (missing && command === 'cargo') {
    console.log('skipped: cargo is not installed');
    count.skipped++;
    return;
  }
  const { passed = 0, failed = 0, skipped = 0 } = countsOf(output);
  count.passed += passed;
  count.failed += failed;
  count.skipped += skipped;
  if (status !== 0 && failed === 0) count.failed++;
  if (status !== 0 && typeof show === 'function') console.log(output.split('\n').slice(-200).join('\n'));
  console.log(
    `# ${name}: ${status === 0 ? 'ok' : 'FAILED'}, ${((performance.now() - started) / 1000).toFixed(1)} s`,
  );
}

function run(command, args, folder, shows) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: join(root, folder),
      stdio: ['ignore', 'pipe', 'inherit'],
      // With the second, tests that set up by themselves find nothing left to do.
      env: { ...process.env, NODE_OPTIONS: '--enable-source-maps', METERSEAL_SET_UP: '1' },
    });
    const lines = [];
    child.once('error', (error) =>
      resolve({ status: 1, output: error.message, missing: error.code === 'ENOENT' }),
    );
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      if (shows(line)) console.log(line);
    });
    child.once('close', (status) => resolve({ status, output: lines.join('\n') }));
  });
}

/** One line per test file, and all that stands under an assertion that failed. */
function tapLine() {
  let block = -1;
  return (line) => {
    const indent = line.length - line.trimStart().length;
    if (block >= 0 && indent > block) return true;
    block = /^\s*not ok /.test(line) ? indent : -1;
    return block >= 0 || /^ok \d/.test(line);
  };
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
