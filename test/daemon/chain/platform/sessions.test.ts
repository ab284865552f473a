import { fromBase64, toBase64 } from '@meterseal/protocol';
import t from 'tap';
import { collector, engine, TestBox } from '../test-box.js';

t.test('a session says when it ends and what the chain last saw', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  t.match(meter.session, { session: 1, last: null, expiresMs: box.clock.now() + 86_400_000 });
  await box.submit(meter.frame(1));
  await meter.openSession();
  t.equal(meter.session.session, 2);
  t.equal(meter.session.last!.seq, 1);
  t.same(fromBase64(meter.session.last!.hash), engine.sha256(meter.record(1)));
  t.equal(box.role.status().sessions, 1, 'the new session has ended the old one');
});

t.test('an authentication opens one session, for the key that the identity key signs for', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.enrolled('EM:1');
  const { index } = await meter.authenticate();
  const key = engine.generateKey();
  await t.rejects(meter.requestSession(index!, key, engine.generateKey()), {
    code: 'bad-signature',
    status: 403,
  });
  await t.rejects(meter.requestSession(index! + 1, key), { code: 'authentication-unknown', status: 409 });
  t.ok(await meter.requestSession(index!, key));
  await t.rejects(meter.requestSession(index!, engine.generateKey()), {
    code: 'authentication-used',
    status: 409,
  });

  const rejected = await meter.authenticate(new Uint8Array(32));
  await t.rejects(meter.requestSession(rejected.index!, key), { code: 'authentication-unknown' });
  const older = await meter.authenticate();
  const olderHash = meter.authenticationHash;
  await meter.authenticate();
  meter.authenticationHash = olderHash;
  await t.rejects(
    meter.requestSession(older.index!, key),
    { code: 'authentication-unknown' },
    'the last one counts',
  );
});

t.test('an authentication of another meter opens nothing', async (t) => {
  const box = await TestBox.start(t);
  const one = await box.enrolled('EM:1');
  const two = await box.enrolled('EM:2');
  const { index } = await one.authenticate();
  two.authenticationHash = one.authenticationHash;
  await t.rejects(two.requestSession(index!, engine.generateKey()), { code: 'authentication-unknown' });
  const body = { meter: 'EM:3', authentication: index, publicKey: toBase64(engine.generateKey().publicKey) };
  const signature = toBase64(new Uint8Array(64));
  await t.rejects(box.post('/v1/sessions', { ...body, signature }), { code: 'unknown-meter', status: 404 });
});

t.test('a session key is none that is in use for something else', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.enrolled('EM:1');
  const { index } = await meter.authenticate();
  await t.rejects(meter.requestSession(index!, meter.identity), { code: 'bad-key' });
  await t.rejects(meter.requestSession(index!, collector), { code: 'bad-key' });
});

t.test('an authentication outlives a restart, a session does not', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  await box.submit(meter.frame(1));
  await box.restart();
  t.same(await box.codes(meter.frame(2)), ['session-unknown']);
  const { index } = await meter.authenticate();
  await box.restart();
  const key = engine.generateKey();
  meter.session = await meter.requestSession(index!, key);
  meter.sessionKey = key;
  t.equal(meter.session.session, 2, 'numbers go on');
  t.same(await box.codes(meter.frame(2)), ['accepted']);
});

t.test('a session ends by the monotonic clock, whatever the wall clock says', async (t) => {
  const box = await TestBox.start(t, { session: { lifeMs: 10_000, readings: 10 } });
  const meter = await box.metering('EM:1');
  await box.clock.advance(9_999);
  t.same(await box.codes(meter.frame(1)), ['accepted']);
  await box.clock.advance(1);
  t.same(await box.codes(meter.frame(1)), ['duplicate'], 'a duplicate is decided before the session');
  t.same(await box.codes(meter.frame(2)), ['session-expired']);
  t.equal(box.role.status().sessions, 0);
});

t.test('a session ends with its last reading', async (t) => {
  const box = await TestBox.start(t, { session: { lifeMs: 10_000, readings: 2 } });
  const meter = await box.metering('EM:1');
  t.same(await box.codes(meter.frame(1), meter.frame(2), meter.frame(3)), [
    'accepted',
    'accepted',
    'session-expired',
  ]);
});

t.test('a revoked meter has no session and gets none', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  const other = await box.metering('EM:2');
  const { index } = await meter.authenticate();
  await box.submit(meter.frame(1));
  box.list('EM:1', 'code of EM:1', { revoked: true });
  t.same(await box.codes(meter.frame(2), other.frame(1)), ['session-unknown', 'accepted']);
  await t.rejects(meter.requestSession(index!, engine.generateKey()), { code: 'revoked' });
  t.match(await meter.authenticate(), { result: 'rejected', reason: 'revoked' });
  await box.restart();
  t.match(await meter.authenticate(), { result: 'rejected', reason: 'revoked' }, 'also after a restart');
});
