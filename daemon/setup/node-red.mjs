// Brings Node-RED with its dashboard, and a Node that is new enough for it, into node-red-nodes/runtime. Only the demo's page
// and the tests need them, so nothing else waits for them or carries their size.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { INSTALL_ENVIRONMENT, root, SetUpError } from './set-up.mjs';

/** What Node-RED 5 needs at least. */
const LEAST_NODE = [22, 9];

/**
 * @param forTests with everything: also Node-RED 4, and the Node that the folder pins, whatever the machine has
 */
export function setUpNodeRed({ forTests = false } = {}, say = (line) => process.stderr.write(`${line}\n`)) {
  const folder = join(root, 'node-red-nodes', 'runtime');
  const done = join(folder, 'node_modules', '.meterseal-installed');
  const lock = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex');
  const left = forTests ? [] : ['dev', ...(isNewEnough() ? ['optional'] : [])];
  const [installed, omitted = ''] = existsSync(done) ? readFileSync(done, 'utf8').split(' ') : [];
  const missing = omitted.split(',').filter((kind) => kind !== '' && !left.includes(kind));
  if (installed === lock && missing.length === 0) return;

  say('installing Node-RED and its dashboard into node-red-nodes/runtime (about half a minute)');
  const omit = left.map((kind) => `--omit=${kind}`);
  const args = ['ci', '--ignore-scripts', '--loglevel=error', ...omit];
  const env = { ...process.env, ...INSTALL_ENVIRONMENT };
  const result = spawnSync('npm', args, { cwd: folder, env, stdio: ['ignore', 2, 2] });
  if (result.status !== 0) {
    throw new SetUpError(
      'Node-RED could not be installed',
      'is the package registry in reach? Without Node-RED: npm start -- --headless',
    );
  }
  writeFileSync(done, `${lock} ${left.join(',')}`);
}

function isNewEnough() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
}
