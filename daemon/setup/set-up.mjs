// Makes a checkout ready: dependencies, TypeScript, the Rust addon, the simulator's helper. Node's own modules only, since
// nothing else is there yet. Each step is skipped while what it made is newer than what it is made from.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));

const LEAST_NODE = 20;

/** npm installs, and says nothing that nobody asked for. */
export const INSTALL_ENVIRONMENT = {
  npm_config_fund: 'false',
  npm_config_audit: 'false',
  npm_config_update_notifier: 'false',
};

export class SetUpError extends Error {
  constructor(message, remedy) {
    super(message);
    this.remedy = remedy;
  }
}

/** Runs all steps; `say` gets one line per step. */
export function setUp(say = (line) => process.stderr.write(`${line}\n`)) {
  checkNode();
  install(say);
  compile(say);
  bundleNodes();
  buildAddon(say);
  buildPty(say);
}

function checkNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < LEAST_NODE) {
    throw new SetUpError(`Node ${process.version} is too old`, `install Node ${LEAST_NODE} or newer`);
  }
}

function install(say) {
  const done = join(root, 'node_modules', '.meterseal-installed');
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .update(process.versions.modules)
    .digest('hex');
  if (existsSync(done) && readFileSync(done, 'utf8') === wanted) return;

  const env = { ...process.env, ...INSTALL_ENVIRONMENT };
  // sqlite3 is compiled where no prebuilt file can be had; that needs Python, a C++ compiler and Node's headers.
  const headers = nodeHeaders();
  if (headers !== undefined) env.npm_config_nodedir ??= headers;
  say('installing dependencies (sqlite3 may be compiled: about two minutes)');
  const result = spawnSync('npm', ['ci', '--loglevel=error'], { cwd: root, env, stdio: ['ignore', 2, 2] });
  if (result.error !== undefined)
    throw new SetUpError(`npm cannot be started: ${result.error.message}`, 'install npm');
  if (result.status !== 0) throw new SetUpError('npm ci failed', installRemedy(headers));
  writeFileSync(done, wanted);
}

function installRemedy(headers) {
  const missing = [];
  if (!runs('python3', ['--version'])) missing.push('Python 3 (Debian: python3)');
  if (!runs('c++', ['--version']) && !runs('g++', ['--version']))
    missing.push('a C++ compiler (Debian: g++)');
  if (!runs('make', ['--version'])) missing.push('make (Debian: make)');
  if (headers === undefined) {
    missing.push(
      "Node's headers beside the running Node (include/node/node_api.h; a Node from nodejs.org brings them)",
    );
  }
  return missing.length > 0
    ? `to compile sqlite3 install: ${missing.join('; ')}`
    : 'see the lines above: is the package registry in reach?';
}

/** The folder above include/node of the running Node, or undefined where its headers are not installed. */
function nodeHeaders() {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? prefix : undefined;
}

function compile(say) {
  say('compiling TypeScript');
  run(
    process.execPath,
    [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b'],
    {},
    'the TypeScript build failed',
  );
}

/** What Node-RED loads; a fraction of a second. */
function bundleNodes() {
  run(
    process.execPath,
    [join(root, 'node-red-nodes', 'setup', 'bundle.mjs')],
    {},
    'the nodes did not bundle',
  );
}

function buildAddon(say) {
  const folder = join(root, 'native');
  const built = join(folder, 'prebuilt');
  if (
    newest(built) >
    Math.max(
      newest(join(folder, 'src')),
      newest(join(folder, 'Cargo.toml')),
      newest(join(folder, 'Cargo.lock')),
    )
  )
    return;
  if (!runs('cargo', ['--version'])) {
    say(
      'cargo is missing: the JavaScript fallback is used in place of the Rust addon (install Rust from rustup or Debian for speed)',
    );
    return;
  }
  say('building the Rust addon (about half a minute)');
  run('npm', ['run', '--silent', 'build', '-w', '@meterseal/native'], {}, 'the Rust build failed');
}

function buildPty(say) {
  if (!runs('cc', ['--version'])) {
    throw new SetUpError('no C compiler', 'install one (Debian: gcc); the simulated serial bus needs it');
  }
  say('building the simulator');
  run(
    process.execPath,
    [join(root, 'test', 'simulator', 'build-helpers.mjs')],
    {},
    'the simulator did not build',
  );
}

function run(command, args, options, what) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options });
  if (result.status !== 0) throw new SetUpError(what, 'see the lines above');
}

function runs(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** Milliseconds of the newest file in `path`, 0 where there is none. */
function newest(path) {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}

/**
 * Runs `setUp` and ends the process with one clear line where it fails.
 *
 * @param more further steps
 */
export function setUpOrExit(...more) {
  try {
    mkdirSync(join(root, 'node_modules'), { recursive: true });
    setUp();
    for (const step of more) step();
  } catch (error) {
    const remedy = error instanceof SetUpError ? `\n  remedy: ${error.remedy}` : '';
    process.stderr.write(`set-up stopped: ${error instanceof Error ? error.message : error}${remedy}\n`);
    process.exit(1);
  }
}
