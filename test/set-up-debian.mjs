// Debian's Chromium and fonts for the tests in a browser. Only root can install them; without them those tests are skipped,
// and say so.

import { spawnSync } from 'node:child_process';

/** A browser, and fonts for Latin and for Chinese. */
const PACKAGES = ['chromium', 'fonts-dejavu-core', 'fonts-wqy-zenhei'];

export function setUpBrowser(say = (line) => process.stderr.write(`${line}\n`)) {
  const missing = PACKAGES.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  if (process.geteuid?.() !== 0 || !run('apt-get', ['--version'], 'ignore')) {
    say(`tests in a browser may be skipped: ${missing.join(', ')} not installed (Debian: apt-get install)`);
    return;
  }
  say(`installing ${missing.join(', ')} (about a minute)`);
  const install = ['install', '--yes', '--quiet=2', '--no-install-recommends', ...missing];
  if (!run('apt-get', ['update', '--quiet=2']) || !run('apt-get', install)) {
    say('tests in a browser are skipped: see the lines above');
  }
}

function isInstalled(name) {
  const { stdout } = spawnSync('dpkg', ['--status', name], { encoding: 'utf8' });
  return /^Status: .* installed$/m.test(stdout ?? '');
}

function run(command, args, output = 2) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync(command, args, { env, stdio: ['ignore', output, output] }).status === 0;
}
