import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { IdentityKeys } from 'meterseal/internal/agent/identity-keys';
import t from 'tap';
import { engine } from '../chain/test-box.js';
import { temporaryFolder } from '../host/temporary-folder.js';

t.test('a key that was saved is the one that is loaded, from a file for this user alone', (t) => {
  const folder = temporaryFolder(t);
  const keys = new IdentityKeys(folder, engine);
  const seed = new Uint8Array(32).fill(5);
  keys.save(17, seed);
  t.same(keys.load(17).publicKey, engine.keyFromSeed(seed).publicKey);
  t.equal(statSync(join(folder, '17.key')).mode & 0o777, 0o600);
  keys.save(17, new Uint8Array(32).fill(6));
  t.notSame(keys.load(17).publicKey, engine.keyFromSeed(seed).publicKey);
  t.end();
});

t.test('a key that is missing, damaged or open to others is refused', (t) => {
  const folder = temporaryFolder(t);
  const keys = new IdentityKeys(folder, engine);
  t.throws(() => keys.load(1), { code: 'file-missing' });
  writeFileSync(join(folder, '2.key'), 'no key', { mode: 0o600 });
  t.throws(() => keys.load(2), { code: 'bad-key' });
  keys.save(3, new Uint8Array(32).fill(5));
  chmodSync(join(folder, '3.key'), 0o640);
  t.throws(() => keys.load(3), { code: 'file-unusable', hint: /chmod 600/ });
  t.end();
});
