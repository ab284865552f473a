import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEMO_METERS } from 'meterseal/internal/commands/demo/demo-box';
import t from 'tap';
import { meterseal } from '../command-line.js';
import { RunningCommand } from './running-command.js';

t.test(
  'demo --check names the three edits of an insider, ends all it started, and leaves a sound state',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'ms-demo-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const state = join(folder, 'state');
    const demo = new RunningCommand(t, 'demo', '--check', '--json', '--state', state);
    t.equal(await demo.end(), 0, demo.output);
    t.strictSame(demo.processes(), [], 'no process is left');

    const lines = demo.output.trimEnd().split('\n');
    t.equal(lines.length, 1, 'nothing but the result');
    const result = JSON.parse(lines[0]!);
    t.strictSame(Object.keys(result), ['readings', 'verified', 'tampered', 'chain', 'windows']);
    const { readings, verified, tampered, chain, windows } = result;
    const [first, second, third] = DEMO_METERS.map(({ id }) => id);
    t.match(tampered, [
      { meter: first, reason: 'hash-differs' },
      { meter: second, reason: 'missing-at-collector' },
      { meter: third, reason: 'not-in-chain' },
    ]);
    t.equal(tampered.length, 3, 'exactly these three');
    for (const finding of tampered) {
      t.strictSame(Object.keys(finding), ['meter', 'seq', 'reason']);
      t.type(finding.seq, 'number');
    }
    t.equal(verified, readings - 3);
    t.ok(readings >= 3 * 20 + 1, 'at least 20 readings of each meter, and the invented one');
    t.strictSame(Object.keys(chain), ['size', 'root']);
    t.match(chain, { size: Number, root: /^[0-9a-f]{64}$/ });
    t.equal(windows.length, 4);
    for (const ms of windows) t.ok(ms > 0 && Number.isInteger(ms), `${ms} ms`);

    const fsck = await meterseal('fsck', '--state', state, '--json');
    t.equal(fsck.code, 0, fsck.stdout);
    t.match(JSON.parse(fsck.stdout), { clean: true, findings: [], records: readings - 1 });
  },
);
