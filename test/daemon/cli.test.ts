import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { assertRefused, meterseal } from '../command-line.js';

const VALID = 'site: { operator: meterseal.example, box: test }\n';

t.test('a missing configuration is refused with where to put it', async (t) => {
  const state = t.testdir({});
  const ran = await meterseal('run', '--state', state);
  assertRefused(t, ran, 2, 'file-missing', /meterseal\.yaml/);
  t.match(ran.stderr, /hint: .*--config/);
});

t.test('an unknown key is refused with its path', async (t) => {
  const state = t.testdir({
    'meterseal.yaml': `${VALID}field: { buses: [{ address: 'tcp://127.0.0.1:1', metres: [] }] }\n`,
  });
  assertRefused(
    t,
    await meterseal('run', '--state', state),
    2,
    'bad-config',
    /field\.buses\[0\].*metres|meters is missing/,
  );
});

t.test('a wrong type is refused with its path', async (t) => {
  const state = t.testdir({ 'meterseal.yaml': `${VALID}field: { interval: 15 }\n` });
  assertRefused(t, await meterseal('run', '--state', state), 2, 'bad-config', /field\.interval/);
});

t.test(
  'a state folder whose sockets would have too long a path is refused before anything starts',
  async (t) => {
    const state = join(t.testdir({}), 'x'.repeat(100));
    mkdirSync(state);
    writeFileSync(join(state, 'meterseal.yaml'), VALID);
    const ran = await meterseal('run', '--state', state);
    assertRefused(t, ran, 15, 'socket-path-too-long', /at most 107/);
  },
);

t.test('verify without a policy is misuse', async (t) => {
  const folder = t.testdir({ proof: 'x' });
  assertRefused(t, await meterseal('verify', join(folder, 'proof')), 2, 'misuse', /no trust policy/);
});

t.test('verify of a file that is not there is misuse', async (t) => {
  const folder = t.testdir({ policy: 'quorum none\n' });
  const ran = await meterseal('verify', join(folder, 'proof'), '--policy', join(folder, 'policy'));
  assertRefused(t, ran, 2, 'file-missing', /couldn't read proof/);
});

t.test('fsck of a folder without a chain is refused', async (t) => {
  assertRefused(t, await meterseal('fsck', '--state', t.testdir({})), 2, 'file-missing', /there is no chain/);
});

t.test('status of a box that does not run says so with exit code 1', async (t) => {
  const ran = await meterseal('status', '--state', t.testdir({}), '--json');
  t.equal(ran.code, 1);
  t.same(JSON.parse(ran.stdout), { chain: null, field: null, gate: null });
});

t.test('an unknown command or option is misuse', async (t) => {
  t.equal((await meterseal('frobnicate')).code, 2);
  t.equal((await meterseal('status', '--frobnicate')).code, 2);
});

t.test('help and version end well', async (t) => {
  const help = await meterseal('--help');
  t.equal(help.code, 0);
  for (const command of [
    'run',
    'poll',
    'status',
    'prove',
    'verify',
    'fsck',
    'roster',
    'profile',
    'collector',
    'demo',
  ]) {
    t.match(help.stdout, new RegExp(`^  ${command}\\b`, 'm'), command);
  }
  t.match((await meterseal('--version')).stdout, /^\d+\.\d+\.\d+\n$/);
});
