import { concat, decodeEntry, encodeSubmission, toHex, utf8 } from '@meterseal/protocol';
import { SqliteChainReader } from 'meterseal/internal/chain/sqlite-store';
import { entriesOf } from 'meterseal/internal/chain/tree';
import t from 'tap';
import { until } from '../../gate/until.js';
import { engine, TestBox } from '../test-box.js';

t.test('readings of many meters come in one commit, with one result per frame in order', async (t) => {
  const box = await TestBox.start(t);
  const one = await box.metering('EM:1');
  const two = await box.metering('EM:2');
  const { height } = box.role.status();
  const { results } = await box.submit(one.frame(1), two.frame(1), one.frame(2), two.frame(2));
  t.same(
    results.map(({ code }) => code),
    ['accepted', 'accepted', 'accepted', 'accepted'],
  );
  const indexes = results.map(({ index }) => index!);
  t.same(
    indexes,
    [0, 1, 2, 3].map((i) => indexes[0]! + i),
  );
  t.equal(box.role.status().height, height + 1);
});

t.test('a reading that is there is a duplicate with its first index, however it comes', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  const [first] = (await box.submit(meter.frame(1), meter.frame(2), meter.frame(3))).results;
  const { size } = box.role.status();
  const again = await box.submit(meter.frame(1), meter.frame(1), meter.frame(3));
  t.same(again.results[0], { code: 'duplicate', index: first!.index });
  t.same(again.results[1], { code: 'duplicate', index: first!.index });
  t.equal(again.results[2]!.code, 'duplicate');

  const withoutSession = { session: 99, sealed: meter.frame(2).sealed };
  const badSeal = { session: 1, sealed: concat(new Uint8Array(64), meter.record(2)) };
  t.same(await box.codes(withoutSession, badSeal), ['duplicate', 'duplicate'], 'the first seal stands');
  await box.restart();
  t.same(await box.codes(meter.frame(1)), ['duplicate']);
  t.equal(box.role.status().size, size + 2, 'nothing was appended but the boot');
});

t.test('the same reading twice in one submission is accepted once', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  const { results } = await box.submit(meter.frame(1), meter.frame(1), meter.frame(2));
  t.match(results, [
    { code: 'accepted' },
    { code: 'duplicate', index: results[0]!.index! },
    { code: 'accepted' },
  ]);
});

t.test('submissions that cross are each answered rightly', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  const frames = [1, 2, 3, 4, 5].map((seq) => meter.frame(seq));
  const answers = await Promise.all([
    box.codes(...frames),
    box.codes(...frames.slice(0, 3)),
    box.codes(...frames),
    box.codes(...frames.slice(2)),
  ]);
  const { size } = box.role.status();
  t.same(await box.codes(...frames), new Array(5).fill('duplicate'));
  t.equal(box.role.status().size, size);
  for (const answer of answers.flat())
    t.ok(['accepted', 'duplicate', 'sequence-gap'].includes(answer), answer);
  t.equal(answers.flat().filter((code) => code === 'accepted').length, 5, 'each number was accepted once');
});

t.test(
  'only the next number is accepted; after a refusal the rest of that meter waits, others go on',
  async (t) => {
    const box = await TestBox.start(t);
    const one = await box.metering('EM:1');
    const two = await box.metering('EM:2');
    t.same(await box.codes(one.frame(2), one.frame(1)), ['sequence-gap', 'sequence-gap']);
    const broken = one.frame(1);
    broken.sealed[0]! ^= 1;
    t.same(await box.codes(broken, one.frame(1), two.frame(1), one.frame(2)), [
      'seal-invalid',
      'sequence-gap',
      'accepted',
      'sequence-gap',
    ]);
    t.same(await box.codes(one.frame(1), two.frame(2)), ['accepted', 'accepted']);
    t.same(await box.codes(two.frame(4), two.frame(1), two.frame(3)), [
      'sequence-gap',
      'duplicate',
      'sequence-gap',
    ]);
  },
);

t.test('two swapped readings are refused', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  t.same(await box.codes(meter.frame(2), meter.frame(1)), ['sequence-gap', 'sequence-gap']);
  t.same(await box.codes(meter.frame(1), meter.frame(2)), ['accepted', 'accepted']);
});

t.test('other bytes under a number that is taken are a conflict, and the chain tells', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  await box.submit(meter.frame(1), meter.frame(2), meter.frame(3));
  const { size } = box.role.status();
  const other = meter.record(2, { values: [] });
  const { results } = await box.submit(meter.sealed(other), meter.frame(4));
  t.same(results, [{ code: 'conflict' }, { code: 'sequence-gap' }]);
  const reader = await SqliteChainReader.open(box.state.chainDatabase);
  t.teardown(() => reader.close());
  const [event] = await entriesOf(reader, size, size + 1);
  t.match(decodeEntry(event!), {
    type: 'event',
    subject: 1,
    event: { kind: 'conflict', subject: 1, what: 'reading', seq: 2, hash: toHex(engine.sha256(other)) },
  });
  t.same(await box.codes(meter.frame(4)), ['accepted']);
});

t.test('conflicts cannot grow the chain', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  await box.submit(meter.frame(1));
  const { size } = box.role.status();
  const other = meter.sealed(meter.record(1, { values: [] }));
  for (let i = 0; i < 15; i++) t.same(await box.codes(other), ['conflict']);
  t.equal(box.role.status().size, size + 20, 'ten events, each with its block-close');
  await box.clock.advance(3_600_000);
  await until('one count is on the chain', () => box.role.status().size >= size + 22);
  t.equal(box.role.status().size, size + 22);
});

t.test('a void record fills a number like any other', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  const replaces = toHex(engine.sha256(utf8('refused')));
  const voided = meter.record(1, { values: [], raw: [], void: { reason: 'record-invalid', replaces } });
  t.same(await box.codes(meter.sealed(voided), meter.frame(2)), ['accepted', 'accepted']);
});

t.test('a seal is good for its own meter, session and key only', async (t) => {
  const box = await TestBox.start(t);
  const one = await box.metering('EM:1');
  const two = await box.metering('EM:2');
  const foreign = { session: one.session.session, sealed: one.sessionKey.seal(two.record(1)) };
  t.same(await box.codes(foreign), ['meter-mismatch'], 'a stolen session key seals nothing of another meter');
  const wrongKey = { session: one.session.session, sealed: two.sessionKey.seal(one.record(1)) };
  t.same(await box.codes(wrongKey), ['seal-invalid']);
  const identity = { session: one.session.session, sealed: one.identity.seal(one.record(1)) };
  t.same(await box.codes(identity), ['seal-invalid'], 'the identity key seals nothing');
  const unknown = { session: 77, sealed: one.frame(1).sealed };
  t.same(await box.codes(unknown), ['session-unknown']);
  const nobody = one.record(1, { meter: 'EM:9' });
  t.same(await box.codes(one.sealed(nobody)), ['meter-mismatch']);
  t.same(await box.codes(one.frame(1), two.frame(1)), ['accepted', 'accepted']);
});

t.test('what is sealed must be a record, in its one form', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  const record = Buffer.from(meter.record(1)).toString();
  const others = ['{}', 'x', record.replace('{', '{ '), record.replace('"seq":1', '"seq":1.0')];
  for (const text of others) t.same(await box.codes(meter.sealed(utf8(text))), ['record-invalid'], text);
});

t.test('bad framing is refused whole, and nothing commits', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  const { size } = box.role.status();
  const good = encodeSubmission([meter.frame(1), meter.frame(2)]);
  const bodies: [string, Uint8Array][] = [
    ['nothing', new Uint8Array(0)],
    ['a torn end', good.subarray(0, good.length - 1)],
    ['a byte too many', concat(good, new Uint8Array(1))],
    ['a huge length', concat(good, Uint8Array.of(255, 255, 255, 255))],
  ];
  for (const [name, bytes] of bodies) {
    await t.rejects(
      box.postBytes('/v1/readings', bytes),
      { code: /^bad-(message|request)$/, status: 400 },
      name,
    );
  }
  await t.rejects(box.post('/v1/readings', {}), { code: 'bad-request', status: 400 }, 'JSON');
  t.equal(box.role.status().size, size);
});
