import { javascriptEngine } from '@meterseal/native/javascript';
import type { PlatformClient } from 'meterseal/internal/agent/platform-client';
import { openSession } from 'meterseal/internal/agent/session';
import t from 'tap';
import { engine, PLATFORM_ID } from '../chain/test-box.js';
import { FieldBench } from './field-bench.js';

/** The platform, with some of its answers changed on the way. */
function changed(
  platform: PlatformClient,
  call: 'challenge' | 'authenticate' | 'openSession',
  change: object,
): PlatformClient {
  return new Proxy(platform, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      if (name !== call) return value.bind(target);
      return async (...args: unknown[]) => ({ ...(await value.apply(target, args)), ...change });
    },
  });
}

t.test('a session is opened after an accepted authentication, with a key of its own', async (t) => {
  const bench = await FieldBench.start(t);
  const meter = await bench.meter('EM:1');
  const tools = { platform: bench.platform, engine, platformId: PLATFORM_ID };
  const first = await openSession(meter, tools);
  t.equal(first.number, 1);
  t.equal(first.last, null);
  const second = await openSession(meter, tools);
  t.equal(second.number, 2);
  t.notSame(first.key.publicKey, second.key.publicKey);
  t.notSame(first.key.publicKey, meter.identity.publicKey);
  t.match((await bench.entries()).slice(-4), [
    { type: 'authentication', result: 'accepted' },
    { type: 'session', sessionKey: first.key.publicKey },
    { type: 'authentication', result: 'accepted' },
    { type: 'session', sessionKey: second.key.publicKey },
  ]);
});

t.test('it says where the chain ends', async (t) => {
  const bench = await FieldBench.start(t);
  const meter = await bench.meter('EM:1');
  const [, last] = await bench.record(meter, 2);
  await bench.submitAll();
  const session = await openSession(meter, { platform: bench.platform, engine, platformId: PLATFORM_ID });
  t.equal(session.last?.seq, 2);
  t.same(session.last?.hash, new Uint8Array(last!.hash));
});

t.test('a rejected authentication makes no session key', async (t) => {
  const bench = await FieldBench.start(t);
  const meter = await bench.meter('EM:1');
  let keys = 0;
  const counting = {
    ...javascriptEngine,
    generateKey: () => {
      keys++;
      return javascriptEngine.generateKey();
    },
  };
  const tools = { platform: bench.platform, engine: counting, platformId: PLATFORM_ID };
  const stranger = { ...meter, identity: engine.generateKey() };
  await t.rejects(openSession(stranger, tools), { code: 'bad-signature' });
  bench.box.list('EM:1', 'code of EM:1', { revoked: true });
  await t.rejects(openSession(meter, tools), { code: 'revoked' });
  t.equal(keys, 0);
  t.notOk((await bench.entries()).some(({ type }) => type === 'session'));
});

t.test('an answer that is not sound opens no session, and the session key is destroyed', async (t) => {
  const bench = await FieldBench.start(t);
  const meter = await bench.meter('EM:1');
  await bench.record(meter);
  await bench.submitAll();
  const made: ReturnType<typeof engine.generateKey>[] = [];
  const keeping = {
    ...javascriptEngine,
    generateKey: () => {
      const key = javascriptEngine.generateKey();
      made.push(key);
      return key;
    },
  };
  const changes = [
    ['challenge', { origin: 'elsewhere.example/meterseal/box/1' }, 'bad-message'],
    ['challenge', { origin: `${PLATFORM_ID}/other/1` }, 'bad-message'],
    ['challenge', { origin: PLATFORM_ID }, 'bad-checkpoint'],
    ['authenticate', { result: 'accepted', reason: 'none', index: undefined }, 'bad-message'],
    ['authenticate', { result: 'rejected', reason: 'none' }, 'bad-message'],
    ['openSession', { last: { seq: 1, hash: 'AAAA' } }, 'bad-message'],
  ] as const;
  for (const [call, change, code] of changes) {
    const platform = changed(bench.platform, call, change);
    const tools = { platform, engine: keeping, platformId: PLATFORM_ID };
    await t.rejects(openSession(meter, tools), { code }, JSON.stringify(change));
  }
  t.equal(made.length, 1);
  t.throws(() => made[0]!.seal(new Uint8Array(1)), { code: 'bad-key' });
});
