import { inspect, isDeepStrictEqual } from 'node:util';
import { serialize } from 'node:v8';
import { isMetersealError, toBase64, toHex, utf8 } from '@meterseal/protocol';
import t from 'tap';
import { enginesUnderTest } from './engines.js';

for (const { name, engine, skip } of enginesUnderTest) {
  t.test(`a key of ${name} shows its secret in no form`, { skip }, (t) => {
    const seed = Uint8Array.from({ length: 32 }, (_, i) => 200 + i);
    const key = engine.keyFromSeed(seed);
    const shown = [
      JSON.stringify({ key }),
      `${key}`,
      String(key),
      inspect(key),
      inspect({ deep: { key } }, { depth: null, showHidden: true, getters: true }),
      inspect(key, { customInspect: false, depth: null, showHidden: true }),
      JSON.stringify(structuredClone(key)),
      Buffer.from(serialize(key)).toString('latin1'),
      JSON.stringify(Object.getOwnPropertyNames(key)),
    ];
    const forms = [
      toHex(seed),
      toBase64(seed),
      Buffer.from(seed).toString('latin1'),
      [...seed].join(','),
      [...seed].join(', '),
    ];
    for (const text of shown) for (const form of forms) t.notOk(text.includes(form));
    t.equal(JSON.stringify({ key }), '{"key":"[signing key]"}');
    t.equal(inspect({ key }), '{ key: [signing key] }');
    t.same(Reflect.ownKeys(key), [], 'nothing to enumerate or copy');
    t.end();
  });

  t.test(`keys of ${name} refuse to be compared`, { skip }, (t) => {
    const [a, b] = [engine.generateKey(), engine.generateKey()];
    for (const compare of [() => a < b, () => Number(a), () => (a as unknown as number) + 1]) {
      t.throws(compare, { code: 'bad-argument' });
    }
    t.notSame(a.publicKey, b.publicKey);
    t.equal(isDeepStrictEqual(a, b), true, 'there is nothing in them that a comparison could see');
    t.end();
  });

  t.test(`a destroyed key of ${name} signs nothing any more`, { skip }, (t) => {
    const key = engine.generateKey();
    const { publicKey } = key;
    key.destroy();
    key.destroy();
    t.throws(() => key.sign(utf8('x')), { code: 'bad-key' });
    t.throws(() => key.seal(utf8('x')), { code: 'bad-key' });
    t.same(key.publicKey, publicKey);
    t.end();
  });

  t.test(`what a caller of ${name} holds cannot change the key`, { skip }, (t) => {
    const seed = new Uint8Array(32).fill(5);
    const key = engine.keyFromSeed(seed);
    seed.fill(0);
    const before = key.publicKey;
    before.fill(0);
    t.notSame(key.publicKey, before);
    t.ok(engine.verify(key.publicKey, utf8('x'), key.sign(utf8('x'))));
    t.end();
  });

  t.test(`no error of ${name} quotes a seed`, { skip }, (t) => {
    const seed = Uint8Array.from({ length: 33 }, (_, i) => 200 + i);
    try {
      engine.keyFromSeed(seed);
      t.fail('the seed is too long');
    } catch (error) {
      t.ok(isMetersealError(error, 'bad-key'));
      const text = inspect(error, { depth: null, showHidden: true });
      t.notOk(text.includes(toHex(seed.subarray(0, 4))));
      t.notOk(text.includes('200, 201'));
    }
    t.end();
  });
}
