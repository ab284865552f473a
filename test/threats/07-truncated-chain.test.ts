import { rmSync } from 'node:fs';
import { Database } from 'meterseal/internal/host/database';
import type { Test } from 'tap';
import t from 'tap';
import { meterseal } from '../command-line.js';
import type { TestBox } from '../daemon/chain/test-box.js';
import { DeliveryBench } from '../daemon/delivery/delivery-bench.js';

const READINGS = 6;
/** The four transitions of a comparison, which nobody but the gate has seen whole, and two blocks with readings. */
const DROPPED = 6;

/** Drops the last blocks from a store, and everything else that belongs to them, so that what is left fits together. */
async function dropBlocks({ state }: TestBox, count: number): Promise<void> {
  const database = await Database.open(state.chainDatabase);
  const head = (await database.get<{ height: number }>('SELECT max(height) AS height FROM block'))!;
  const height = head.height - count;
  const { size } = (await database.get<{ size: number }>(
    'SELECT first_index + count AS size FROM block WHERE height = ?',
    height,
  ))!;
  for (const statement of [
    `DELETE FROM block WHERE height > ${height}`,
    `DELETE FROM entry_range WHERE height > ${height}`,
    `DELETE FROM enrolment WHERE entry_index >= ${size}`,
    `DELETE FROM verdict WHERE entry_index >= ${size}`,
  ]) {
    await database.exec(statement);
  }
  await database.close();
}

/** A line at rest, with its chain closed; readings lie in its last blocks. */
async function atRest(t: Test): Promise<{ bench: DeliveryBench; box: TestBox; copy: string }> {
  const bench = await DeliveryBench.start(t);
  const { field } = bench;
  const { box } = field;
  const meter = await bench.meter('EM:1');
  const copy = await field.backUp();
  bench.restart();
  for (let block = 0; block < READINGS; block++) {
    await field.record(meter, 1);
    await field.submitAll();
  }
  await bench.deliverAll();
  t.match(await bench.compare(), { outcome: 'judged', counts: { verified: READINGS, tampered: 0 } });
  await box.stop();
  return { bench, box, copy };
}

t.test(
  'the last blocks dropped: the published checkpoint knows more, for the chain and for fsck',
  async (t) => {
    const { box } = await atRest(t);
    t.equal((await meterseal('fsck', '--state', box.state.root)).code, 0, 'before');
    await dropBlocks(box, DROPPED);
    await t.rejects(box.start(), { code: 'behind-witness' });
    const { code, stdout } = await meterseal('fsck', '--state', box.state.root);
    t.equal(code, 1);
    t.match(stdout, /^damaged: the published checkpoint: a head of \d+ entries was signed/);
  },
);

t.test('the published checkpoint removed as well: the field’s receipt knows more', async (t) => {
  const { box, bench } = await atRest(t);
  await dropBlocks(box, DROPPED);
  rmSync(box.state.checkpoint);
  t.equal(
    (await meterseal('fsck', '--state', box.state.root)).code,
    0,
    'nothing in the folder gives it away',
  );
  await box.start();
  const { size } = box.role.status();
  await bench.field.restart();
  await t.rejects(bench.field.submitter.submit(), { code: 'behind-witness' });
  t.equal((await box.role.failed).code, 'behind-witness');
  t.equal(box.role.status().size, size, 'nothing more was signed');
});

t.test('the field put back to the same moment: the collector’s mirror knows more', async (t) => {
  const { box, bench, copy } = await atRest(t);
  await dropBlocks(box, DROPPED);
  rmSync(box.state.checkpoint);
  await box.start();
  await bench.putBackField(copy);
  const { outcome, evidence, counts } = await bench.compare();
  t.match({ outcome, evidence }, { outcome: /^history-(rewritten|unproven)$/, evidence: /evidence/ });
  t.equal(counts.verified, 0);
});
