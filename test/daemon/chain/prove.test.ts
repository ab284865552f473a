import { encodeProof, verifyProof } from '@meterseal/protocol';
import { chainProof } from 'meterseal/internal/chain/prove';
import t from 'tap';
import { engine, TestBox } from './test-box.js';

t.test('a reading is proven while the daemon runs, from its enrolment to the last checkpoint', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  await box.submit(...Array.from({ length: 300 }, (_, i) => meter.frame(i + 1)));
  await meter.openSession();
  await box.submit(meter.frame(301), meter.frame(302));
  const other = await box.metering('EM:2');
  await box.submit(other.frame(1));

  for (const [source, seq] of [
    [meter, 1],
    [meter, 2],
    [meter, 300],
    [meter, 301],
    [meter, 302],
    [other, 1],
  ] as const) {
    const { subject } = source.ref;
    const { entries, note } = await chainProof(box.state.chainDatabase, { subject, seq }, engine);
    t.equal(note, await box.checkpoint());
    const proof = { record: source.record(seq), meter: source.id, salt: source.salt, subject, entries, note };
    const verified = verifyProof(engine, box.policy, encodeProof(proof), source.identity.publicKey);
    t.match(verified, { subject, keyOrigin: 'issued', identityPinned: true, warnings: [] });
    t.equal(verified.record.seq, seq);
    t.throws(
      () => verifyProof(engine, box.policy, encodeProof({ ...proof, record: source.record(seq + 1) })),
      {
        code: 'proof-invalid',
      },
    );
  }
});

t.test('after an enrolment anew each reading is proven under the identity that spoke for it', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  await box.submit(meter.frame(1));
  const first = meter.identity.publicKey;
  const record = meter.record(1);
  box.list('EM:1', 'new code', { revoked: true });
  await meter.authenticate();
  box.list('EM:1', 'new code');
  await meter.enrol({ code: 'new code' });
  await meter.openSession();
  await box.submit(meter.frame(2));
  for (const [seq, identity, bytes] of [
    [1, first, record],
    [2, meter.identity.publicKey, meter.record(2)],
  ] as const) {
    const { entries, note } = await chainProof(box.state.chainDatabase, { subject: 1, seq }, engine);
    const proof = { record: bytes, meter: 'EM:1', salt: meter.salt, subject: 1, entries, note };
    t.ok(verifyProof(engine, box.policy, encodeProof(proof), identity).identityPinned);
  }
});

t.test('what is not on the chain is not proven', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  await box.submit(meter.frame(1));
  for (const reading of [
    { subject: 1, seq: 2 },
    { subject: 2, seq: 1 },
  ]) {
    await t.rejects(chainProof(box.state.chainDatabase, reading, engine), { code: 'not-found' });
  }
  await t.rejects(chainProof(`${box.state.chainDatabase}.x`, { subject: 1, seq: 1 }, engine), {
    code: 'file-unusable',
  });
});
