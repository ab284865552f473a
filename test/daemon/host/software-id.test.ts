import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { softwareId } from 'meterseal/internal/host/software-id';
import type { Test } from 'tap';
import t from 'tap';
import { temporaryFolder } from './temporary-folder.js';

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));

/** A copy of the built daemon and what it seals with, so that bytes of it can be changed. */
function copyOf(t: Test): string {
  const folder = temporaryFolder(t);
  const copy = (from: string, to: string): void => {
    mkdirSync(dirname(join(folder, to)), { recursive: true });
    cpSync(join(ROOT, from), join(folder, to), { recursive: true });
  };
  copy('daemon/dist', 'daemon/dist');
  copy('daemon/package.json', 'daemon/package.json');
  for (const name of ['protocol', 'native']) {
    copy(`${name}/dist`, `node_modules/@meterseal/${name}/dist`);
    copy(`${name}/package.json`, `node_modules/@meterseal/${name}/package.json`);
  }
  if (existsSync(join(ROOT, 'native/prebuilt'))) {
    copy('native/prebuilt', 'node_modules/@meterseal/native/prebuilt');
  }
  symlinkSync(join(ROOT, 'node_modules/canonicalize'), join(folder, 'node_modules/canonicalize'));
  return folder;
}

function idOf(folder: string): string {
  const script = `const { softwareId } = await import(${JSON.stringify(`${folder}/daemon/dist/host/software-id.js`)});
    console.log(softwareId('1.2.3'));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  return stdout.trim() || stderr;
}

t.test('the identity is name, version and digest, the same in every copy', (t) => {
  const folder = copyOf(t);
  t.match(idOf(folder), /^meterseal\/1\.2\.3 [0-9a-f]{16}$/);
  t.equal(idOf(folder), softwareId('1.2.3'));
  t.equal(softwareId('1.2.3'), softwareId('1.2.3'));
  t.ok([...softwareId('100.200.300-beta.100')].length <= 64, 'it fits a record');
  t.end();
});

t.test('a changed byte in a relevant module changes it, a changed command or screen does not', (t) => {
  const folder = copyOf(t);
  const sealing = [
    'daemon/dist/agent/recorder.js',
    'daemon/dist/meters/decimal.js',
    'daemon/dist/modbus/framing.js',
    'daemon/dist/host/clock-state.js',
    'node_modules/@meterseal/protocol/dist/record.js',
    'node_modules/@meterseal/native/dist/javascript.js',
  ];
  const addon = 'node_modules/@meterseal/native/prebuilt/meterseal-native.linux-x64-gnu.node';
  if (existsSync(join(folder, addon))) sealing.push(addon);
  let before = idOf(folder);
  for (const file of sealing) {
    appendFileSync(join(folder, file), '\n');
    const after = idOf(folder);
    t.match(after, /^meterseal\//);
    t.not(after, before, file);
    before = after;
  }
  for (const file of ['commands/status.js', 'delivery/deliverer.js', 'host/logger.js', 'cli.js']) {
    appendFileSync(join(folder, 'daemon/dist', file), '\n');
    t.equal(idOf(folder), before, file);
  }
  t.end();
});
