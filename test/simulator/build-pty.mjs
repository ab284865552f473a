// Compiles pty.c to test/dist/simulator/pty if that is missing or older. Node itself cannot make a pseudo-terminal.

import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const source = fileURLToPath(new URL('./pty.c', import.meta.url));
const target = fileURLToPath(new URL('../dist/simulator/pty', import.meta.url));

/** Path of the compiled helper. */
export function buildPty() {
  if (changedAt(target) > changedAt(source)) return target;
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
    throw new Error(`couldn't compile test/simulator/pty.c: ${why}`);
  }
  renameSync(fresh, target);
  return target;
}

function changedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(buildPty());
}
