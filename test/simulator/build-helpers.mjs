// Compiles what Node itself cannot do, for the simulators and tests, to test/dist/simulator/: each helper if it is missing or
// older than its source.

import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A pseudo-terminal as a serial line; an eye on a network device. */
const HELPERS = process.platform === 'linux' ? ['pty', 'capture'] : ['pty'];

for (const name of HELPERS) build(name);

function build(name) {
  const source = fileURLToPath(new URL(`./${name}.c`, import.meta.url));
  const target = fileURLToPath(new URL(`../dist/simulator/${name}`, import.meta.url));
  if (changedAt(target) > changedAt(source)) return;
  mkdirSync(dirname(target), { recursive: true });
  // Others may run the old one, or build at the same time: it appears whole, by its name.
  const fresh = `${target}.${process.pid}`;
  const compiler = process.env.CC || 'cc';
  const { status, error, stderr } = spawnSync(
    compiler,
    ['-std=c11', '-O2', '-Wall', '-Wextra', '-o', fresh, source],
    { encoding: 'utf8' },
  );
  if (error !== undefined || status !== 0) {
    const why = error?.code === 'ENOENT' ? `there is no C compiler ${compiler}` : (stderr ?? error?.message);
    throw new Error(`couldn't compile test/simulator/${name}.c: ${why}`);
  }
  renameSync(fresh, target);
}

function changedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
