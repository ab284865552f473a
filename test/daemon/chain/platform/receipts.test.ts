import { copyFileSync, readFileSync, rmSync } from 'node:fs';
import { formatCheckpoint, signNote } from '@meterseal/protocol';
import { chainFiles } from 'meterseal/internal/chain/chain-files';
import { loadLogKey } from 'meterseal/internal/chain/log-key';
import t from 'tap';
import { engine, ORIGIN, TestBox } from '../test-box.js';

const present = (box: TestBox, text: string) =>
  box.ask('platform', { method: 'POST', path: '/v1/receipts', text });

t.test('a receipt of this history is nothing to stop for', async (t) => {
  const box = await TestBox.start(t);
  const first = await box.checkpoint();
  const meter = await box.metering('EM:1');
  await box.submit(meter.frame(1));
  for (const note of [first, await box.checkpoint()]) t.equal((await present(box, note)).status, 204);
});

t.test('what this chain did not sign is refused and changes nothing', async (t) => {
  const box = await TestBox.start(t);
  const stranger = engine.generateKey();
  const text = formatCheckpoint({ origin: ORIGIN, size: 900, root: new Uint8Array(32), extensions: [] });
  for (const note of ['', 'x', signNote(engine, stranger, ORIGIN, text)]) {
    await t.rejects(present(box, note), { code: /^bad-/, status: 400 });
  }
  t.ok(await box.enrolled('EM:1'));
});

t.test(
  'a database that was put back is found out by the field’s receipt: nothing is signed any more',
  async (t) => {
    const box = await TestBox.start(t);
    const meter = await box.enrolled('EM:1');
    await box.stop();
    const yesterday = `${box.state.chainDatabase}.yesterday`;
    copyFileSync(box.state.chainDatabase, yesterday);
    await box.start();
    await meter.openSession();
    const receipt = (await box.submit(meter.frame(1), meter.frame(2), meter.frame(3))).checkpoint;
    await box.stop();
    copyFileSync(yesterday, box.state.chainDatabase);
    await t.rejects(box.start(), { code: 'behind-witness' }, 'the published checkpoint gives it away');
    rmSync(box.state.checkpoint);
    await box.start();
    const { size } = box.role.status();

    await t.rejects(present(box, receipt), { code: 'behind-witness', status: 503 });
    t.match(await box.role.failed, { code: 'behind-witness' });
    await t.rejects(meter.authenticate(await meter.challenge()), { code: 'behind-witness' });
    await t.rejects(box.post('/v1/events', { kind: 'disk-low' }), { code: 'behind-witness' });
    t.equal(box.role.status().size, size);
  },
);

t.test('a checkpoint of the same size and another root ends the chain as well', async (t) => {
  const box = await TestBox.start(t);
  const { size } = box.role.status();
  const key = loadLogKey(chainFiles(box.state), engine);
  const text = formatCheckpoint({ origin: ORIGIN, size, root: new Uint8Array(32), extensions: [] });
  const cloned = signNote(engine, key, ORIGIN, text);
  await t.rejects(present(box, cloned), { code: 'behind-witness' });
  t.match(await box.role.failed, { code: 'behind-witness' });
  t.not(readFileSync(box.state.checkpoint, 'utf8'), cloned);
});
