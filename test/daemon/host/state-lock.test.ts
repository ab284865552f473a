import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lockState } from 'meterseal/internal/host/state-lock';
import type { Test } from 'tap';
import t from 'tap';
import { temporaryFolder } from './temporary-folder.js';

const MODULE = import.meta.resolve('meterseal/internal/host/state-lock');
const SCRIPT = `
  const { lockState } = await import(${JSON.stringify(MODULE)});
  try {
    await lockState(process.argv[1]);
    console.log('locked');
    setInterval(() => {}, 1_000);
  } catch ({ code }) {
    console.log(code);
  }`;

/** Another process that takes the lock and keeps it; says how that went. */
async function lockElsewhere(t: Test, path: string): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, said: said.toString().trim() };
}

t.test('a second process is refused, until the first gives the lock back', async (t) => {
  const path = join(temporaryFolder(t), 'lock');
  const unlock = await lockState(path);
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.equal((await lockElsewhere(t, path)).said, 'state-in-use');
  t.equal((await lockElsewhere(t, path)).said, 'state-in-use', 'whoever is refused changes nothing');
  await unlock();
  const { said } = await lockElsewhere(t, path);
  t.equal(said, 'locked');
  await t.rejects(lockState(path), { code: 'state-in-use', hint: /--state/ });
});

t.test('kill -9 releases the lock', async (t) => {
  const path = join(temporaryFolder(t), 'lock');
  const { child, said } = await lockElsewhere(t, path);
  t.equal(said, 'locked');
  await t.rejects(lockState(path), { code: 'state-in-use' });
  child.kill('SIGKILL');
  await once(child, 'exit');
  await (await lockState(path))();
});

t.test('the lock holds from start to start, and in a folder that was used before', async (t) => {
  const path = join(temporaryFolder(t), 'lock');
  await (await lockState(path))();
  const unlock = await lockState(path);
  t.equal((await lockElsewhere(t, path)).said, 'state-in-use');
  await unlock();
});

t.test('a lock file that is none is not taken for one', async (t) => {
  const path = join(temporaryFolder(t), 'lock');
  writeFileSync(path, 'x'.repeat(5_000));
  await t.rejects(lockState(path), { code: 'file-damaged' });
});
