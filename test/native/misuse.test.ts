import { isMetersealError, MAX_RECORD_BYTES } from '@meterseal/protocol';
import t from 'tap';
import { enginesUnderTest } from './engines.js';

const MAX_MESSAGE_BYTES = 1_048_576;
const MAX_LEAVES = 16_777_216;

function detached(length = 64): Uint8Array {
  const bytes = new Uint8Array(length);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

/** What no caller should pass where bytes belong; TypeScript would stop each of them. */
const NOT_BYTES: readonly unknown[] = [
  undefined,
  null,
  0,
  -1,
  1n,
  true,
  'text',
  Symbol('s'),
  [],
  [1, 2, 3],
  {},
  { length: 32 },
  () => new Uint8Array(32),
  new ArrayBuffer(32),
  new DataView(new ArrayBuffer(32)),
  new Uint16Array(32),
  new Uint8ClampedArray(32),
  new Float64Array(4),
  new Proxy(new Uint8Array(32), {}),
  Object.create(Uint8Array.prototype),
  new Uint8Array(new SharedArrayBuffer(64)),
  detached(),
  detached(0),
];

for (const { name, engine, skip } of enginesUnderTest) {
  // biome-ignore lint/suspicious/noExplicitAny: the point of this test is to pass what the types forbid
  const loose = engine as any;
  const codeOf = (call: () => unknown): string => {
    try {
      call();
      return 'no error';
    } catch (error) {
      return isMetersealError(error) ? error.code : `a foreign error: ${String(error)}`;
    }
  };

  t.test(`${name} answers wrong types with bad-argument`, { skip }, (t) => {
    const good = new Uint8Array(32);
    const key = loose.generateKey();
    for (const [i, wrong] of NOT_BYTES.entries()) {
      t.equal(
        codeOf(() => loose.sha256(wrong)),
        'bad-argument',
        `sha256, value ${i}`,
      );
      t.equal(
        codeOf(() => loose.sha256(good, wrong)),
        'bad-argument',
      );
      t.equal(
        codeOf(() => loose.hashLeaves(wrong, Uint32Array.of(0))),
        'bad-argument',
      );
      t.equal(
        codeOf(() => loose.hashLeaves(good, wrong)),
        'bad-argument',
      );
      t.equal(
        codeOf(() => loose.hashSlices(wrong, Uint32Array.of(0, 0))),
        'bad-argument',
      );
      t.equal(
        codeOf(() => loose.hashSlices(good, wrong)),
        'bad-argument',
      );
      t.equal(
        codeOf(() => loose.merkleRoot(wrong)),
        'bad-argument',
      );
      t.equal(
        codeOf(() => loose.keyFromSeed(wrong)),
        'bad-argument',
      );
      t.equal(
        codeOf(() => key.sign(wrong)),
        'bad-argument',
      );
      t.equal(
        codeOf(() => key.seal(wrong)),
        'bad-argument',
      );
    }
    t.end();
  });

  t.test(`${name} verifies nothing that is not bytes, without an error`, { skip }, (t) => {
    const key = engine.generateKey();
    const message = new Uint8Array(0);
    const signature = key.sign(message);
    const sealed = key.seal(message);
    t.equal(engine.verify(key.publicKey, message, signature), true);
    for (const wrong of NOT_BYTES) {
      t.equal(loose.verify(wrong, message, signature), false);
      t.equal(loose.verify(key.publicKey, wrong, signature), false);
      t.equal(loose.verify(key.publicKey, message, wrong), false);
      t.equal(loose.openSeal(wrong, sealed), null);
      t.equal(loose.openSeal(key.publicKey, wrong), null);
    }
    t.end();
  });

  t.test(`${name} refuses offsets that are missing, fall or leave the leaves`, { skip }, (t) => {
    const packed = new Uint8Array(10);
    for (const offsets of [[], [0, 5, 4], [0, 11], [11], [0, 0xffffffff], [0xffffffff, 0], [5, 3]]) {
      t.equal(
        codeOf(() => engine.hashLeaves(packed, Uint32Array.from(offsets))),
        'bad-argument',
        `[${offsets}]`,
      );
    }
    for (const length of [1, 31, 33, 1_000]) {
      t.equal(
        codeOf(() => engine.merkleRoot(new Uint8Array(length))),
        'bad-argument',
        `${length} bytes`,
      );
    }
    t.end();
  });

  t.test(
    `${name} refuses slices that are torn, fall or leave the bytes, and prefixes that are none`,
    { skip },
    (t) => {
      const packed = new Uint8Array(10);
      for (const bounds of [[0], [0, 5, 4], [5, 4], [0, 11], [0, 10, 11, 11], [0xffffffff, 0xffffffff]]) {
        t.equal(
          codeOf(() => engine.hashSlices(packed, Uint32Array.from(bounds))),
          'bad-argument',
          `[${bounds}]`,
        );
      }
      for (const prefix of [-1, 256, 0.5, Number.NaN, '0', null, 1n, {}]) {
        t.equal(
          codeOf(() => loose.hashSlices(packed, Uint32Array.of(0, 1), prefix)),
          'bad-argument',
          `prefix ${typeof prefix}`,
        );
      }
      t.end();
    },
  );

  t.test(`${name} refuses more than one call takes, and takes the most`, { skip }, (t) => {
    const key = engine.generateKey();
    t.equal(
      codeOf(() => engine.hashLeaves(new Uint8Array(0), new Uint32Array(MAX_LEAVES + 2))),
      'too-large',
    );
    t.equal(
      codeOf(() => engine.hashSlices(new Uint8Array(0), new Uint32Array(2 * MAX_LEAVES + 2))),
      'too-large',
    );
    t.equal(
      codeOf(() => engine.merkleRoot(new Uint8Array(32 * (MAX_LEAVES + 1)))),
      'too-large',
    );
    t.equal(
      codeOf(() => key.sign(new Uint8Array(MAX_MESSAGE_BYTES + 1))),
      'too-large',
    );
    t.equal(
      codeOf(() => key.seal(new Uint8Array(MAX_RECORD_BYTES + 1))),
      'too-large',
    );
    const record = new Uint8Array(MAX_RECORD_BYTES);
    t.same(engine.openSeal(key.publicKey, key.seal(record)), record);
    t.equal(engine.openSeal(key.publicKey, new Uint8Array(64 + MAX_RECORD_BYTES + 1)), null);
    const message = new Uint8Array(MAX_MESSAGE_BYTES + 1);
    const most = message.subarray(1);
    t.equal(engine.verify(key.publicKey, most, key.sign(most)), true);
    t.equal(engine.verify(key.publicKey, message, key.sign(most)), false);
    t.end();
  });

  t.test(`${name} refuses seeds that are not 32 bytes`, { skip }, (t) => {
    for (const length of [0, 1, 31, 33, 64]) {
      t.equal(
        codeOf(() => engine.keyFromSeed(new Uint8Array(length))),
        'bad-key',
      );
    }
    t.end();
  });
}
