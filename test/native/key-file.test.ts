import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import { fromPkcs8Pem, generateSeed, javascriptEngine, toPkcs8Pem } from '@meterseal/native';
import { toHex } from '@meterseal/protocol';
import t from 'tap';

const CODE = { code: 'bad-key' };

t.test('a key file that others write gives the key that they mean', (t) => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const seed = fromPkcs8Pem(privateKey.export({ format: 'pem', type: 'pkcs8' }) as string);
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(12);
  t.equal(toHex(javascriptEngine.keyFromSeed(seed).publicKey), raw.toString('hex'));
  t.end();
});

t.test('a key file written here is one that others read', (t) => {
  const seed = generateSeed();
  const pem = toPkcs8Pem(seed);
  t.same(fromPkcs8Pem(pem), seed);
  t.equal(createPrivateKey(pem).export({ format: 'pem', type: 'pkcs8' }), pem);
  t.notSame(generateSeed(), seed);
  t.end();
});

t.test('anything else in a key file is refused, and never quoted', (t) => {
  const good = toPkcs8Pem(generateSeed());
  const body = good.split('\n')[1]!;
  const other = (type: 'ec' | 'x25519'): string =>
    (type === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('x25519')
    ).privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
  const wrong: unknown[] = [
    '',
    'hello',
    good.slice(1),
    good.slice(0, -1),
    ` ${good}`,
    `${good}\n`,
    good + good,
    good.replaceAll('\n', '\r\n'),
    good.replace('PRIVATE', 'PUBLIC'),
    good.replace(body, body.slice(4)),
    good.replace(body, `${body}AAAA`),
    good.replace(body, body.replace('MC4C', 'MC4D')),
    good.replace(body, `${body.slice(0, 32)}\n${body.slice(32)}`),
    good.replace(body, ''),
    other('ec'),
    other('x25519'),
    undefined,
    null,
    7,
  ];
  for (const pem of wrong) {
    try {
      fromPkcs8Pem(pem as string);
      t.fail(`accepted ${inspect(pem)}`);
    } catch (error) {
      t.match(error, CODE);
      t.notOk(inspect(error).includes(body.slice(24, 40)));
    }
  }
  t.end();
});

t.test('only a seed is written to a key file', (t) => {
  for (const seed of [new Uint8Array(31), new Uint8Array(33), 'x'.repeat(32), undefined]) {
    t.throws(() => toPkcs8Pem(seed as Uint8Array), CODE);
  }
  t.end();
});
