// Debian's packages for tests that need more than Node: a browser, a container. Only root can install them; without them those
// tests are skipped, and say so.

import { spawnSync } from 'node:child_process';

const WANTED = [
  // A browser, and fonts for Latin and for Chinese.
  { what: 'in a browser', packages: ['chromium', 'fonts-dejavu-core', 'fonts-wqy-zenhei'] },
  // Of one source with systemd, and so of one version.
  { what: 'in a container', packages: ['systemd-container'], like: 'systemd' },
];

export function setUpDebian(say = (line) => process.stderr.write(`${line}\n`)) {
  for (const { what, packages, like } of WANTED) {
    const version = like === undefined ? undefined : versionOf(like);
    // Where there is no systemd there is nothing to boot.
    if (like !== undefined && version === undefined) continue;
    const missing = packages.filter((name) => versionOf(name) === undefined);
    if (missing.length === 0) continue;
    if (process.geteuid?.() !== 0 || !run('apt-get', ['--version'], 'ignore')) {
      say(`tests ${what} may be skipped: ${missing.join(', ')} not installed (Debian: apt-get install)`);
      continue;
    }
    say(`installing ${missing.join(', ')}`);
    const exact = missing.map((name) => (version === undefined ? name : `${name}=${version}`));
    const isDone = run('apt-get', ['update', '--quiet=2']) && (install(exact) || (like && install(missing)));
    if (!isDone) say(`tests ${what} are skipped: see the lines above`);
  }
}

function install(packages) {
  return run('apt-get', ['install', '--yes', '--quiet=2', '--no-install-recommends', ...packages]);
}

/** Undefined where it is not installed. */
function versionOf(name) {
  const { stdout } = spawnSync('dpkg', ['--status', name], { encoding: 'utf8' });
  if (!/^Status: .* installed$/m.test(stdout ?? '')) return undefined;
  return /^Version: (.*)$/m.exec(stdout)?.[1];
}

function run(command, args, output = 2) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync(command, args, { env, stdio: ['ignore', output, output] }).status === 0;
}
