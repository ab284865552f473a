import { readFileSync, writeFileSync } from 'node:fs';
import { decodeEntry, fromBase64, holderCommitment, meterCommitment, toBase64 } from '@meterseal/protocol';
import { EntryLookup } from 'meterseal/internal/chain/find-entry';
import { SqliteChainReader } from 'meterseal/internal/chain/sqlite-store';
import t from 'tap';
import { collector, engine, TestBox, TestMeter } from '../test-box.js';

async function sizeOf(box: TestBox): Promise<number> {
  return box.role.status().size;
}

t.test('an issued key reaches its meter, and the commitments open to meter and holder', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.enrolled('EM:1');
  const reader = await SqliteChainReader.open(box.state.chainDatabase);
  t.teardown(() => reader.close());
  const { entry } = (await new EntryLookup(reader).find('enrolment', 1, 0))!;
  t.same(entry.meterCommitment, meterCommitment(engine, meter.salt, 'EM:1'));
  t.same(entry.identityKey, meter.identity.publicKey);
  t.match(entry, { keyOrigin: 'issued', firstSeq: 1 });
  const [row] = await reader.enrolments();
  const holder = { name: 'A. Holder', contract: 'C-1001' };
  t.same(entry.holderCommitment, holderCommitment(engine, new Uint8Array(row!.holderSalt), holder));
});

t.test('a meter may bring its own key', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.enrolled('EM:1', { own: true });
  const reader = await SqliteChainReader.open(box.state.chainDatabase);
  t.teardown(() => reader.close());
  const { bytes } = (await new EntryLookup(reader).find('enrolment', 1, 0))!;
  t.match(decodeEntry(bytes), { keyOrigin: 'own', identityKey: meter.identity.publicKey });
});

t.test('each refusal of a request has its own code, and reaches no entry', async (t) => {
  const box = await TestBox.start(t);
  box.list('EM:1', 'right');
  const meter = new TestMeter(box, 'EM:1');
  const before = await sizeOf(box);
  await t.rejects(new TestMeter(box, 'EM:2').request(), { code: 'unknown-meter', status: 404 });
  const holder = { name: 'B. Holder', contract: 'C-1001' };
  await t.rejects(meter.request({ code: 'right', holder }), { code: 'wrong-holder', status: 403 });
  await t.rejects(meter.request({ code: 'right', holder: { name: 'A. Holder' } }), { code: 'wrong-holder' });
  await t.rejects(meter.request({ code: 'wrong' }), { code: 'wrong-code', status: 403 });
  t.equal(await sizeOf(box), before);

  const common = { meter: 'EM:1', holder: { name: 'A. Holder', contract: 'C-1001' }, code: 'right' };
  const key = toBase64(collector.publicKey);
  const requests: [string, object, string][] = [
    ['no key at all', common, 'bad-request'],
    ['both kinds of key', { ...common, sealTo: key, publicKey: key }, 'bad-request'],
    ['an unknown field', { ...common, sealTo: key, extra: 1 }, 'bad-request'],
    ['a number for a text', { ...common, sealTo: key, code: 7 }, 'bad-request'],
    ["the collector's key", { ...common, publicKey: key }, 'bad-key'],
    ['a key of small order', { ...common, publicKey: toBase64(new Uint8Array(32)) }, 'bad-key'],
  ];
  for (const [name, body, code] of requests)
    await t.rejects(box.post('/v1/enrolments', body), { code }, name);
  t.equal(await sizeOf(box), before);
});

t.test('codes cannot be found by trying', async (t) => {
  const box = await TestBox.start(t);
  box.list('EM:1', 'right');
  const meter = new TestMeter(box, 'EM:1');
  for (let i = 0; i < 10; i++) await t.rejects(meter.request({ code: `wrong ${i}` }), { code: 'wrong-code' });
  await t.rejects(meter.request({ code: 'wrong' }), { code: 'rate-limited', status: 429 });
  await box.clock.advance(3_600_000);
  await t.rejects(meter.request({ code: 'wrong' }), { code: 'wrong-code' });
  t.ok(await meter.request({ code: 'right' }));
});

t.test('only the confirmation spends the code; asking again replaces the offer', async (t) => {
  const box = await TestBox.start(t);
  box.list('EM:1', 'code of EM:1');
  const meter = new TestMeter(box, 'EM:1');
  const first = await meter.request();
  const firstIdentity = meter.identity;
  const second = await meter.request();
  t.equal(second.subject, first.subject);
  t.equal(second.salt, first.salt);
  t.not(second.publicKey, first.publicKey);

  const newIdentity = meter.identity;
  meter.identity = firstIdentity;
  await t.rejects(meter.confirm(), { code: 'no-offer', status: 409 });
  meter.identity = newIdentity;
  await t.rejects(meter.confirm(firstIdentity), { code: 'bad-signature', status: 403 });
  const confirmed = await meter.confirm();
  t.equal(confirmed.firstSeq, 1);

  const size = await sizeOf(box);
  t.same(await meter.confirm(), confirmed, 'a lost reply: the same answer');
  await t.rejects(meter.confirm(firstIdentity), { code: 'bad-signature' });
  t.equal(await sizeOf(box), size, 'and no second entry');
  await box.restart();
  t.same(await meter.confirm(), confirmed, 'also after a restart');
});

t.test('an offer does not survive a restart, the code does', async (t) => {
  const box = await TestBox.start(t);
  box.list('EM:1', 'code of EM:1');
  const meter = new TestMeter(box, 'EM:1');
  await meter.request();
  await box.restart();
  await t.rejects(meter.confirm(), { code: 'no-offer' });
  t.ok(await meter.enrol());
});

t.test('a used code and an enrolled meter are refused, and the chain tells', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.enrolled('EM:1');
  const before = await sizeOf(box);
  await t.rejects(meter.request(), { code: 'code-used', status: 403 });
  t.equal(await sizeOf(box), before + 2, 'a conflict event and its block-close');
  box.list('EM:1', 'another code');
  await t.rejects(new TestMeter(box, 'EM:1').request({ code: 'another code' }), {
    code: 'already-enrolled',
    status: 409,
  });
  await box.restart();
  box.list('EM:1', 'code of EM:1');
  await t.rejects(meter.request(), { code: 'code-used' }, 'a restart does not forget codes');
});

t.test('two meters cannot have one identity key', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.enrolled('EM:1', { own: true });
  box.list('EM:2', 'two');
  const body = { meter: 'EM:2', holder: { name: 'A. Holder', contract: 'C-1001' }, code: 'two' };
  const publicKey = toBase64(meter.identity.publicKey);
  await t.rejects(box.post('/v1/enrolments', { ...body, publicKey }), { code: 'bad-key' });
});

t.test('a changed roster counts at the next request, a broken one refuses without telling why', async (t) => {
  const box = await TestBox.start(t);
  const meter = new TestMeter(box, 'EM:1');
  await t.rejects(meter.request(), { code: 'unknown-meter' }, 'no roster file: an empty roster');
  box.list('EM:1', 'code of EM:1');
  await meter.request();
  const good = readFileSync(box.state.roster, 'utf8');
  writeFileSync(box.state.roster, '- meter: [');
  await t.rejects(meter.confirm(), {
    code: 'bad-roster',
    status: 500,
    message: "couldn't serve request: bad-roster",
  });
  writeFileSync(box.state.roster, good.replace('C-1001', 'C-1002'));
  await t.rejects(meter.request(), { code: 'wrong-holder' });
  box.list('EM:1', 'another code');
  await t.rejects(meter.confirm(), { code: 'no-offer' }, 'the code of the offer is no longer the roster’s');
});

t.test(
  'a revoked meter can be enrolled anew: same subject and commitment, next number, new code',
  async (t) => {
    const box = await TestBox.start(t);
    const meter = await box.metering('EM:1');
    await box.submit(meter.frame(1), meter.frame(2));
    const { salt } = meter;
    box.list('EM:1', 'code of EM:1', { revoked: true });
    await t.rejects(meter.request(), { code: 'revoked' });
    box.list('EM:1', 'second code');
    await t.rejects(
      meter.request({ code: 'second code' }),
      { code: 'already-enrolled' },
      'nobody has told the chain yet',
    );
    box.list('EM:1', 'second code', { revoked: true });
    t.match(await meter.authenticate(), { result: 'rejected', reason: 'revoked' });
    box.list('EM:1', 'second code');
    const renewed = new TestMeter(box, 'EM:1');
    t.match(await renewed.enrol({ code: 'second code' }), { firstSeq: 3 });
    t.same(renewed.salt, salt);
    t.equal(renewed.ref.subject, 1);
    await renewed.openSession();
    t.same(await box.codes(renewed.frame(3)), ['accepted']);
    t.equal(fromBase64(renewed.session.last!.hash).length, 32);
  },
);
