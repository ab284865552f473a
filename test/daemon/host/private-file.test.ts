import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { readPrivateFile, writeFileAtomically } from 'meterseal/internal/host/private-file';
import t from 'tap';
import { temporaryFolder } from './temporary-folder.js';

t.test('a file gets the mode that is asked for, whatever the umask and whatever stood there', (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'key');
  for (const umask of [0o000, 0o077, 0o777]) {
    const before = process.umask(umask);
    writeFileAtomically(path, 'secret', 0o600);
    writeFileAtomically(join(folder, 'policy'), 'public', 0o644);
    process.umask(before);
    t.equal(statSync(path).mode & 0o777, 0o600);
    t.equal(statSync(join(folder, 'policy')).mode & 0o777, 0o644);
  }
  chmodSync(path, 0o666);
  writeFileAtomically(path, new Uint8Array([1, 2, 255]), 0o600);
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.same([...readFileSync(path)], [1, 2, 255]);
  t.same(readdirSync(folder).sort(), ['key', 'policy'], 'nothing else is left');
  t.end();
});

t.test('a link is replaced, never written through', (t) => {
  const folder = temporaryFolder(t);
  const target = join(folder, 'target');
  writeFileSync(target, 'untouched');
  symlinkSync(target, join(folder, 'key'));
  symlinkSync(target, join(folder, 'key.new'));
  writeFileAtomically(join(folder, 'key'), 'secret', 0o600);
  t.equal(readFileSync(target, 'utf8'), 'untouched');
  t.ok(lstatSync(join(folder, 'key')).isFile());
  t.equal(readFileSync(join(folder, 'key'), 'utf8'), 'secret');
  t.end();
});

t.test('what an interrupted write left does not matter', (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'key');
  writeFileSync(`${path}.new`, 'half of a sec', { mode: 0o666 });
  writeFileAtomically(path, 'secret', 0o600);
  t.equal(readFileSync(path, 'utf8'), 'secret');
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.end();
});

t.test('a write that fails leaves the old file as it was', (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'key');
  writeFileAtomically(path, 'old', 0o600);
  mkdirSync(`${path}.new`);
  t.throws(() => writeFileAtomically(path, 'new', 0o600), { code: 'file-unusable' });
  t.equal(readFileSync(path, 'utf8'), 'old');
  t.throws(() => writeFileAtomically(join(folder, 'missing', 'key'), 'x', 0o600), { code: 'file-unusable' });
  t.end();
});

t.test('a reader sees the old content or the new one, never a part', (t) => {
  // Every write goes to a file of its own: the inode that is in place is never opened for writing.
  const path = join(temporaryFolder(t), 'key');
  writeFileAtomically(path, 'a'.repeat(10_000), 0o600);
  const before = statSync(path).ino;
  const held = readFileSync(path);
  writeFileAtomically(path, 'b'.repeat(5_000), 0o600);
  t.not(statSync(path).ino, before);
  t.equal(held.toString(), 'a'.repeat(10_000));
  t.equal(readFileSync(path, 'utf8'), 'b'.repeat(5_000));
  t.end();
});

t.test('a secret is read from a plain file of ours alone', (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'secret');
  writeFileAtomically(path, 'the secret\n', 0o600);
  t.equal(readPrivateFile(path, 'token'), 'the secret\n');
  chmodSync(path, 0o400);
  t.equal(readPrivateFile(path, 'token'), 'the secret\n');
  for (const mode of [0o640, 0o604, 0o660, 0o601]) {
    chmodSync(path, mode);
    t.throws(() => readPrivateFile(path, 'token'), {
      code: 'file-unusable',
      message: /^couldn't read token: .* can be read by others$/,
      hint: /chmod 600/,
    });
  }
  chmodSync(path, 0o600);
  symlinkSync(path, join(folder, 'link'));
  t.throws(() => readPrivateFile(join(folder, 'link'), 'token'), {
    code: 'file-unusable',
    message: /is a link/,
  });
  t.throws(() => readPrivateFile(folder, 'token'), { code: 'file-unusable' });
  t.throws(() => readPrivateFile(join(folder, 'none'), 'token'), { code: 'file-missing' });
  writeFileAtomically(join(folder, 'long'), 'x'.repeat(70_000), 0o600);
  t.throws(() => readPrivateFile(join(folder, 'long'), 'token'), { code: 'file-unusable' });
  t.end();
});

t.test('a pipe in the place of a secret is refused and not waited for', (t) => {
  const pipe = join(temporaryFolder(t), 'pipe');
  spawnSync('mkfifo', ['-m', '600', pipe]);
  t.ok(existsSync(pipe));
  t.throws(() => readPrivateFile(pipe, 'token'), { code: 'file-unusable' });
  t.end();
});
