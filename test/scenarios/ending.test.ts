import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from 'meterseal/internal/commands/demo/demo-box';
import t from 'tap';
import { RunningCommand } from './running-command.js';

t.test('whatever asks the demo to end, at any moment, leaves no process behind', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ms-ending-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const port = ['--port', String(await freePort())];
  for (const [what, args, code, end] of [
    ['Ctrl-C, twice, while --check starts', ['--check'], 1, interruptTwice],
    ['a terminal that is closed', ['--headless'], 0, (demo: RunningCommand) => demo.signal('SIGHUP')],
    ['a reader that has gone', ['--headless'], 0, (demo: RunningCommand) => demo.stopReading()],
    ['the same, with Node-RED to come', port, 0, (demo: RunningCommand) => demo.signal('SIGTERM')],
  ] as const) {
    const demo = new RunningCommand(t, 'demo', '--state', join(folder, 'state'), ...args);
    await demo.shows(/starting three simulated meters/);
    await demo.has((processes) => processes.length >= 3);
    end(demo);
    t.equal(await demo.end(), code, `${what}: ${demo.output}`);
    t.strictSame(demo.processes(), [], what);
  }
});

function interruptTwice(demo: RunningCommand): void {
  demo.signal('SIGINT');
  demo.signal('SIGINT');
}
