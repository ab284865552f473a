import { chmodSync, existsSync, lstatSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { makePrivateFolder, prepareStateFolder, stateFolder } from 'meterseal/internal/host/state-folder';
import t from 'tap';
import { temporaryFolder } from './temporary-folder.js';

const modeOf = (path: string): number => statSync(path).mode & 0o777;

t.test('all folders are made, for this user alone', (t) => {
  const root = join(temporaryFolder(t), 'deep', 'state');
  const before = process.umask(0);
  prepareStateFolder(stateFolder(root));
  process.umask(before);
  const state = stateFolder(root);
  for (const folder of [root, state.run, state.field, state.identityKeys, state.chain, state.gate]) {
    t.equal(modeOf(folder), 0o700, folder);
  }
  t.notOk(existsSync(state.collector), 'the collector is another process, with a folder of its own');
  prepareStateFolder(state);
  t.end();
});

t.test('everything lies under the folder that is named, by its absolute path', (t) => {
  const state = stateFolder('./some/where');
  const paths = Object.entries(state).flatMap(([name, value]) =>
    typeof value === 'string' ? [[name, value] as const] : Object.entries(value),
  );
  for (const [name, path] of paths) t.ok(path.startsWith(resolve('./some/where')), name);
  t.end();
});

t.test('a role makes its own folders, and leaves a folder of sockets that is elsewhere alone', (t) => {
  const root = temporaryFolder(t);
  const sockets = join(root, 'sockets');
  const state = stateFolder(join(root, 'gate'), { sockets, fieldState: join(root, 'field') });
  prepareStateFolder(state, ['gate']);
  t.ok(existsSync(state.gate));
  t.strictSame(
    [state.chain, state.field, sockets, join(root, 'gate', 'run')].filter((path) => existsSync(path)),
    [],
  );
  t.equal(state.sockets.proof, join(sockets, 'proof.sock'));
  t.equal(state.fieldDatabase, join(root, 'field', 'field', 'field.db'));
  t.end();
});

t.test('a folder that others can enter is closed to them', (t) => {
  const root = temporaryFolder(t);
  chmodSync(root, 0o755);
  mkdirSync(join(root, 'chain'), { mode: 0o777 });
  prepareStateFolder(stateFolder(root));
  t.equal(modeOf(root), 0o700);
  t.equal(modeOf(join(root, 'chain')), 0o700);
  t.end();
});

t.test('a path that is too long for sockets is refused before anything is made', (t) => {
  const folder = temporaryFolder(t);
  const longest = 107 - Buffer.byteLength('/run/platform.sock');
  const fits = join(folder, 'x'.repeat(longest - folder.length - 1));
  prepareStateFolder(stateFolder(fits));
  t.equal(Buffer.byteLength(stateFolder(fits).sockets.platform), 107);

  const tooLong = `${fits}x`;
  t.throws(() => prepareStateFolder(stateFolder(tooLong)), {
    code: 'socket-path-too-long',
    message: /108 bytes, at most 107/,
    hint: 'Choose a state folder with a shorter path.',
  });
  t.notOk(existsSync(tooLong));
  const bytes = join(folder, 'ü'.repeat((longest - folder.length) / 2 + 1));
  t.throws(() => prepareStateFolder(stateFolder(bytes)), { code: 'socket-path-too-long' }, 'bytes count');
  t.end();
});

t.test('a link inside is refused and not followed', (t) => {
  const folder = temporaryFolder(t);
  const elsewhere = join(folder, 'elsewhere');
  mkdirSync(elsewhere, { mode: 0o755 });
  const root = join(folder, 'state');
  mkdirSync(root);
  symlinkSync(elsewhere, join(root, 'chain'));
  t.throws(() => prepareStateFolder(stateFolder(root)), { code: 'file-unusable' });
  t.equal(modeOf(elsewhere), 0o755);
  symlinkSync(join(folder, 'nowhere'), join(root, 'gate'));
  t.throws(() => makePrivateFolder(join(root, 'gate')), { code: 'file-unusable' });
  t.notOk(existsSync(join(folder, 'nowhere')));
  t.end();
});

t.test('the state folder itself may be a link of ours, as systemd makes it', (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'private'), { mode: 0o755 });
  symlinkSync('private', join(folder, 'state'));
  prepareStateFolder(stateFolder(join(folder, 'state')));
  t.ok(lstatSync(join(folder, 'state')).isSymbolicLink());
  t.equal(modeOf(join(folder, 'private')), 0o700);
  t.throws(() => makePrivateFolder(join(folder, 'state')), { code: 'file-unusable' });
  t.end();
});

t.test('a file in the place of a folder is refused', (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'run'), '');
  t.throws(() => prepareStateFolder(stateFolder(folder)), { code: 'file-unusable' });
  writeFileSync(join(folder, 'file'), '');
  t.throws(() => prepareStateFolder(stateFolder(join(folder, 'file', 'state'))), { code: 'state-readonly' });
  t.end();
});

t.test('a folder that cannot be written is refused with a hint', (t) => {
  const folder = temporaryFolder(t);
  chmodSync(folder, 0o555);
  // Nothing is read-only for root.
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    t.throws(() => prepareStateFolder(stateFolder(join(folder, 'state'))), {
      code: 'state-readonly',
      hint: /^The state folder must be writable/,
    });
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
  t.end();
});
