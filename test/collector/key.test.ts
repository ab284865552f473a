import {
  chmodSync,
  existsSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { KEY_FILE, openCollectorKey, PUBLIC_KEY_FILE } from '@meterseal/node-red-meterseal/core';
import { lockFolder } from '@meterseal/node-red-meterseal/internal/storage/lock-file';
import { toBase64, toHex } from '@meterseal/protocol';
import t from 'tap';

t.test('the key is made once, readable to its user alone, with its public key beside it', async (t) => {
  const dir = join(t.testdir(), 'collector');
  const key = await openCollectorKey(dir);
  const path = join(dir, KEY_FILE);
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.equal(statSync(dir).mode & 0o777, 0o700);
  t.match(readFileSync(path, 'utf8'), /^-----BEGIN PRIVATE KEY-----\n/);
  t.equal(readFileSync(join(dir, PUBLIC_KEY_FILE), 'utf8'), `${toBase64(key.publicKey)}\n`);
  const again = await openCollectorKey(dir);
  t.equal(toHex(again.publicKey), toHex(key.publicKey));
  unlinkSync(join(dir, PUBLIC_KEY_FILE));
  await openCollectorKey(dir);
  t.ok(existsSync(join(dir, PUBLIC_KEY_FILE)));
});

t.test('a key that others may read, that is a link or no key, is refused', async (t) => {
  const dir = t.testdir();
  await openCollectorKey(dir);
  const path = join(dir, KEY_FILE);
  chmodSync(path, 0o640);
  await t.rejects(openCollectorKey(dir), { code: 'file-unusable' });
  chmodSync(path, 0o600);
  writeFileSync(path, 'hello');
  await t.rejects(openCollectorKey(dir), { code: 'bad-key' });
  unlinkSync(path);
  symlinkSync(join(dir, 'elsewhere'), path);
  await t.rejects(openCollectorKey(dir), { code: 'file-unusable' });
});

t.test('a folder has one collector; what a killed one left is taken over', async (t) => {
  const path = join(t.testdir(), 'lock');
  const unlock = await lockFolder(path);
  await t.rejects(lockFolder(path), { code: 'state-in-use' });
  await unlock();
  t.notOk(existsSync(path));
  writeFileSync(path, '999999999 boot/1\n');
  await (await lockFolder(path))();
  // A process of that ID is alive, but it is another one.
  writeFileSync(path, `${process.ppid} another-boot/1\n`);
  await (await lockFolder(path))();
  writeFileSync(path, '');
  await (await lockFolder(path))();
  writeFileSync(path, `${process.ppid}\n`);
  await t.rejects(lockFolder(path), { code: 'state-in-use' });
});
