import { decodeEntry } from '@meterseal/protocol';
import { SqliteChainReader } from 'meterseal/internal/chain/sqlite-store';
import { entriesOf } from 'meterseal/internal/chain/tree';
import t from 'tap';
import { until } from '../../gate/until.js';
import { engine, TestBox, TestMeter } from '../test-box.js';

async function entriesSince(box: TestBox, from: number): Promise<object[]> {
  const reader = await SqliteChainReader.open(box.state.chainDatabase);
  const entries = await entriesOf(reader, from, box.role.status().size);
  await reader.close();
  return entries.map((bytes) => decodeEntry(bytes)).filter(({ type }) => type !== 'block-close');
}

t.test('accepted and rejected authentications reach the chain with their reason', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.enrolled('EM:1');
  const start = box.role.status().size;

  t.match(await meter.authenticate(), { result: 'accepted', reason: 'none' });
  const stranger = engine.generateKey();
  t.match(await meter.authenticate(undefined, stranger), { result: 'rejected', reason: 'bad-signature' });
  t.match(await meter.authenticate(new Uint8Array(32)), { result: 'rejected', reason: 'challenge-unknown' });

  const used = await meter.challenge();
  await meter.authenticate(used);
  t.match(await meter.authenticate(used), { reason: 'challenge-unknown' }, 'a challenge is good once');

  const foreign = await (await box.enrolled('EM:2')).challenge();
  t.match(await meter.authenticate(foreign), { reason: 'challenge-unknown' }, 'and for one meter');

  const late = await meter.challenge();
  await box.clock.advance(60_000);
  t.match(await meter.authenticate(late), { reason: 'challenge-expired' });

  const unknown = new TestMeter(box, 'EM:9');
  unknown.identity = stranger;
  unknown.ref = { subject: 5, commitment: new Uint8Array(32) };
  t.match(await unknown.authenticate(), { result: 'rejected', reason: 'unknown-meter' });

  const told = (await entriesSince(box, start)).filter((entry) => 'messageHash' in entry);
  t.match(told, [
    { subject: 1, result: 'accepted' },
    { subject: 1, reason: 'bad-signature' },
    { subject: 1, reason: 'challenge-unknown' },
    { subject: 1, result: 'accepted' },
    { subject: 1, reason: 'challenge-unknown' },
    { subject: 1, reason: 'challenge-unknown' },
    { subject: 1, reason: 'challenge-expired' },
    { subject: 0, reason: 'unknown-meter' },
  ]);
});

t.test('rejections cannot grow the chain: ten an hour and meter, then one count', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.enrolled('EM:1');
  const start = box.role.status().size;
  const nothing = new Uint8Array(32);
  for (let i = 0; i < 10; i++) t.ok('index' in (await meter.authenticate(nothing)));
  for (let i = 0; i < 5; i++) t.notOk('index' in (await meter.authenticate(nothing)));
  t.equal((await entriesSince(box, start)).length, 10);
  t.match(await meter.authenticate(), { result: 'accepted' }, 'the meter itself still gets in');

  const before = box.role.status().size;
  await box.clock.advance(3_600_000);
  await until('the count is on the chain', async () => (await entriesSince(box, before)).length > 0);
  t.match(await entriesSince(box, before), [
    { subject: 1, event: { kind: 'rejections', subject: 1, count: 5 } },
  ]);
  t.ok('index' in (await meter.authenticate(nothing)), 'the next hour starts anew');
});

t.test('a count that is not told yet is told when the chain stops', async (t) => {
  const box = await TestBox.start(t);
  const meter = new TestMeter(box, 'EM:9');
  meter.identity = engine.generateKey();
  meter.ref = { subject: 5, commitment: new Uint8Array(32) };
  for (let i = 0; i < 12; i++) await meter.authenticate(new Uint8Array(32));
  const before = box.role.status().size;
  await box.restart();
  t.match(await entriesSince(box, before), [
    { subject: 0, event: { kind: 'rejections', count: 2 } },
    { subject: 0, event: { kind: 'boot' } },
  ]);
});
