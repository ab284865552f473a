import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseCheckpoint, parseNote } from '@meterseal/protocol';
import t from 'tap';
import { addEvents, ChainBench } from './chain-bench.js';
import { seededRandom } from './test-box.js';

const SECTOR = 512;

/** Something that was published, and how much of the write-ahead log was synced by then. */
type Published = { readonly size: number; readonly root: Uint8Array; readonly synced: number };

t.test(
  'whatever a power cut leaves of the write-ahead log, everything that was published is in the chain',
  async (t) => {
    const bench = new ChainBench(t);
    const chain = await bench.open();
    const wal = `${bench.state.chainDatabase}-wal`;
    const published: Published[] = [];
    const remember = (note: string): void => {
      const { size, root } = parseCheckpoint(parseNote(note).text);
      published.push({ size, root, synced: statSync(wal).size });
    };
    remember(chain.published.note);
    for (const n of [1, 40, 220, 3, 300]) remember((await addEvents(chain, n)).note);
    const database = readFileSync(bench.state.chainDatabase);
    const log = readFileSync(wal);
    const key = readFileSync(bench.state.logKey);
    t.ok(log.length > 20 * SECTOR, 'all of it still stands in the log');

    const random = seededRandom('crash');
    const byte = (): number => random(1)[0]!;
    let states = 0;
    for (let cut = 0; cut <= log.length; cut += SECTOR * (1 + (byte() % 13))) {
      const safe = published.filter(({ synced }) => synced <= cut);
      const behind = safe.at(-1)?.synced ?? 0;
      const left = Buffer.from(log.subarray(0, cut));
      // Sectors that were not synced may be written in any order: one of them is still missing, or half old.
      const unsynced = cut - behind;
      if (unsynced > 0 && states % 2 === 1) {
        const at = behind + Math.floor((byte() / 256) * unsynced);
        left.fill(byte(), at, Math.min(cut, at + SECTOR));
      }
      const after = new ChainBench(t);
      mkdirSync(dirname(after.state.logKey), { recursive: true });
      writeFileSync(after.state.chainDatabase, database);
      writeFileSync(`${after.state.chainDatabase}-wal`, left);
      writeFileSync(after.state.logKey, key, { mode: 0o600 });
      const reopened = await after.open();
      for (const { size, root } of safe) {
        t.strictSame(
          await reopened.tree.rootAt(size),
          root,
          `log cut at ${cut}: the checkpoint of ${size} entries`,
        );
      }
      const findings = await after.findings(reopened);
      if (findings.length > 0) t.fail(`log cut at ${cut}: ${findings.join('; ')}`);
      await after.close();
      states++;
    }
    t.ok(states > 30, `${states} states`);
  },
);

t.test('a positive control: a log that has lost a synced sector loses what was published', async (t) => {
  const bench = new ChainBench(t);
  const chain = await bench.open();
  const { note } = await addEvents(chain, 50);
  const wal = `${bench.state.chainDatabase}-wal`;
  const after = new ChainBench(t);
  copyFileSync(bench.state.chainDatabase, after.state.chainDatabase);
  const log = readFileSync(wal);
  writeFileSync(`${after.state.chainDatabase}-wal`, log.subarray(0, log.length - SECTOR));
  writeFileSync(after.state.logKey, readFileSync(bench.state.logKey), { mode: 0o600 });
  const reopened = await after.open();
  const { size, root } = parseCheckpoint(parseNote(note).text);
  const kept = size <= reopened.published.size ? await reopened.tree.rootAt(size) : undefined;
  t.notSame(kept, root);
  // With the published checkpoint beside it, that start is refused.
  await after.close();
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${after.state.chainDatabase}${suffix}`, { force: true });
  copyFileSync(bench.state.chainDatabase, after.state.chainDatabase);
  writeFileSync(`${after.state.chainDatabase}-wal`, log.subarray(0, log.length - SECTOR));
  writeFileSync(after.state.checkpoint, note);
  await t.rejects(after.open(), { code: 'behind-witness' });
});
