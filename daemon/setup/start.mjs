// npm start: sets up what is missing, then runs the demo. Arguments go on: npm start -- --fresh
// Node-RED is set up only where it is used.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setUpNodeRed } from './node-red.mjs';
import { root, setUpOrExit } from './set-up.mjs';

const isTerminalOnly = process.argv.some((word) => word === '--headless' || word === '--check');
setUpOrExit(...(isTerminalOnly ? [] : [() => setUpNodeRed()]));
const child = spawn(
  process.execPath,
  [join(root, 'daemon', 'bin', 'meterseal.js'), 'demo', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
);
// The terminal sends Ctrl-C to both; this process waits for the other to end in its own way.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
