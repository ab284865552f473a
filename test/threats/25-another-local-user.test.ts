import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stateFolder } from 'meterseal/internal/host/state-folder';
import t from 'tap';
import { cannotBeNobody, PLAIN_NODE } from '../command-line.js';
import { temporaryFolder } from '../daemon/host/temporary-folder.js';
import { filesBelow } from '../scenarios/line.js';
import { RunningCommand } from '../scenarios/running-command.js';

const ATTEMPTS = fileURLToPath(new URL('./attempts.js', import.meta.url));
const NOBODY = { uid: 65_534, gid: 65_534 };

/** How each attempt ends, by this user or another. */
function attempt(attempts: readonly string[], user: object): Record<string, string> {
  const options = { ...user, cwd: '/', encoding: 'utf8' } as const;
  const [command, before] = PLAIN_NODE;
  return JSON.parse(execFileSync(command, [...before, ATTEMPTS, ...attempts], options)) as Record<
    string,
    string
  >;
}

const skip = await cannotBeNobody();
t.test(
  'another user of the machine reaches no socket and no file of a box or a collector',
  { skip },
  async (t) => {
    const parent = temporaryFolder(t);
    chmodSync(parent, 0o755);
    const state = stateFolder(join(parent, 'box'));
    mkdirSync(state.root);
    writeFileSync(state.config, "site: { operator: m.example, box: b }\ngate: { control: '127.0.0.1:0' }\n");
    const box = new RunningCommand(t, 'run', '--state', state.root);
    await box.shows(/"msg":"running"/);
    const dir = join(parent, 'collector');
    const token = join(parent, 'token');
    writeFileSync(token, 'x'.repeat(32), { mode: 0o600 });
    const options = ['--dir', dir, '--platform-id', 'm.example/meterseal/b', '--policy', state.policy];
    const addresses = ['--control', '127.0.0.1:1', '--listen', '127.0.0.1:0', '--token-file', token];
    const collector = new RunningCommand(t, 'collector', ...options, ...addresses);
    await collector.shows(/"port"/);

    const isPublic = (path: string): boolean =>
      [state.policy, state.checkpoint, state.config].includes(path) || path.endsWith('.pub');
    const sockets = [...Object.values(state.sockets), join(dir, 'control.sock')];
    const files = [...filesBelow(state.root), ...filesBelow(dir), token];
    t.ok(files.length > 12 && files.includes(state.logKey) && files.includes(join(dir, 'collector.key')));
    const folders = [state.root, state.run, state.chain, state.field, state.identityKeys, state.gate, dir];
    const attempts = [
      ...sockets.map((path) => `connect=${path}`),
      ...files.map((path) => `read=${path}`),
      ...folders.flatMap((path) => [`list=${path}`, `write=${join(path, 'planted')}`]),
    ];
    const harmless = attempts.filter((one) => !one.startsWith('write'));
    const refused = Object.fromEntries(attempts.map((one) => [one, 'EACCES']));

    t.strictSame(attempt(attempts, NOBODY), refused);
    const reached = Object.fromEntries(harmless.map((one) => [one, 'reached']));
    t.strictSame(
      attempt(harmless, {}),
      reached,
      'a positive control: the user who runs them reaches all of it',
    );

    await t.test('even if somebody opens the state folder itself, what matters stays closed', async (t) => {
      chmodSync(state.root, 0o755);
      const secret = attempts.filter(
        (one) =>
          one.includes(`${state.root}/`) && !one.endsWith('box/planted') && !isPublic(one.split('=')[1]!),
      );
      t.strictSame(attempt(secret, NOBODY), Object.fromEntries(secret.map((one) => [one, 'EACCES'])));
    });

    await t.test('every key, database and socket is for its user alone, whatever the folders are', (t) => {
      for (const path of [...sockets, ...files]) {
        if ([state.policy, state.checkpoint, state.config].includes(path) || path.endsWith('.pub')) continue;
        t.equal(lstatSync(path).mode & 0o077, 0, path);
      }
      t.end();
    });
  },
);
