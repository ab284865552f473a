import { concat, isMetersealError, pack, utf8 } from '@meterseal/protocol';
import t from 'tap';
import { SeededRandom } from '../protocol/seeded-random.js';
import { type EngineUnderTest, enginesUnderTest } from './engines.js';
import { forge, SMALL_ORDER_ENCODINGS, TORSION } from './forge.js';
import { oracleVerify } from './tweetnacl-oracle.js';

type Seal = { readonly key: Uint8Array; readonly sealed: Uint8Array };

const MUTATIONS = 100_000;
/** tweetnacl takes a hundred times as long as the others. */
const MUTATIONS_PER_ORACLE = 100;

/** Opens seals of any keys in one batch. */
async function openTogether({ engine }: EngineUnderTest, seals: readonly Seal[]): Promise<boolean[]> {
  const names = new Map<string, number>();
  const keys: Uint8Array[] = [];
  const keyOf = Uint32Array.from(seals, ({ key }) => {
    const name = Buffer.from(key).toString('hex');
    const place = names.get(name) ?? keys.push(key) - 1;
    names.set(name, place);
    return place;
  });
  const { packed, bounds } = pack(seals.map(({ sealed }) => sealed));
  return [...(await engine.openBatch({ keys: concat(...keys), keyOf, packed, bounds }))].map(
    (one) => one === 1,
  );
}

const { engine: reference } = enginesUnderTest[0]!;
const signers = Array.from({ length: 6 }, (_, i) => reference.keyFromSeed(new Uint8Array(32).fill(i + 1)));

function goodSeals(count: number): Seal[] {
  return Array.from({ length: count }, (_, i) => {
    const signer = signers[i % signers.length]!;
    return { key: signer.publicKey, sealed: signer.seal(utf8(`record ${i}`)) };
  });
}

/** What the owner of a key, and anybody else, can do to a seal. */
function forgedSeals(): Seal[] {
  const record = utf8('forged');
  const made = (forgery: { publicKey: Uint8Array; signature: Uint8Array }): Seal => ({
    key: forgery.publicKey,
    sealed: concat(forgery.signature, record),
  });
  const [{ key, sealed }] = goodSeals(1) as [Seal];
  const changed = (at: number): Seal => {
    const bytes = sealed.slice();
    bytes[at]! ^= 1;
    return { key, sealed: bytes };
  };
  return [
    ...TORSION.slice(1).map((rTorsion) => made(forge(777n, 999n, record, { rTorsion }))),
    ...TORSION.slice(1).map((keyTorsion) => made(forge(777n, 999n, record, { keyTorsion }))),
    ...SMALL_ORDER_ENCODINGS.map((encodedR) => made(forge(777n, 0n, record, { encodedR }))),
    ...SMALL_ORDER_ENCODINGS.map((small) => ({
      key: small,
      sealed: concat(small, new Uint8Array(32), record),
    })),
    ...[0, 31, 32, 63, 64, sealed.length - 1].map(changed),
    { key: signers[1]!.publicKey, sealed },
    { key, sealed: sealed.subarray(0, 63) },
    { key, sealed: new Uint8Array(0) },
    { key, sealed: concat(sealed, new Uint8Array(17_000)) },
  ];
}

for (const under of enginesUnderTest) {
  const { name, engine, skip } = under;

  t.test(`${name} opens many seals as it opens one, whoever forged some of them`, { skip }, async (t) => {
    const forged = forgedSeals();
    for (const good of [0, 1, 47, 48, 400, 1_500]) {
      const seals = goodSeals(good);
      const every = Math.max(1, Math.floor(good / forged.length));
      for (const [i, forgery] of forged.entries()) seals.splice(i * (every + 1), 0, forgery);
      const alone = seals.map(({ key, sealed }) => engine.openSeal(key, sealed) !== null);
      t.equal(alone.filter(Boolean).length, good);
      t.strictSame(await openTogether(under, seals), alone, `${good} good ones among ${seals.length}`);
    }
    t.strictSame(await openTogether(under, []), []);
  });

  t.test(`${name} seals many records as it seals each`, { skip }, (t) => {
    const key = engine.generateKey();
    for (const count of [0, 1, 7, 300]) {
      const records = Array.from({ length: count }, (_, i) => new Uint8Array((i * 37) % 900).fill(i));
      const { packed, bounds } = pack(records);
      const alone = concat(...records.map((record) => key.seal(record)));
      t.strictSame(key.sealBatch(packed, bounds), alone, `${count} records`);
    }
    t.throws(() => key.sealBatch(new Uint8Array(16_385), Uint32Array.of(0, 16_385)), { code: 'too-large' });
    key.destroy();
    t.throws(() => key.sealBatch(new Uint8Array(1), Uint32Array.of(0, 1)), { code: 'bad-key' });
    t.end();
  });

  t.test(`${name} hashes slices while others get their turn, as it does at once`, { skip }, async (t) => {
    const random = new SeededRandom(11);
    for (const [count, length] of [
      [0, 0],
      [1, 0],
      [5_000, 130],
      [9_001, 97],
      [3, 300_000],
    ] as const) {
      const { packed, bounds } = pack(
        Array.from({ length: count }, (_, i) => random.bytes(length + (i % 3))),
      );
      for (const prefix of [undefined, 0]) {
        const hashes = await engine.hashSlicesAsync(packed, bounds, prefix);
        t.strictSame(Buffer.from(hashes), Buffer.from(engine.hashSlices(packed, bounds, prefix)), `${count}`);
      }
    }
  });

  t.test(`${name} works on a copy: what the caller does afterwards changes nothing`, { skip }, async (t) => {
    const seals = goodSeals(600);
    const keys = concat(...signers.map(({ publicKey }) => publicKey));
    const keyOf = Uint32Array.from(seals, (_, i) => i % signers.length);
    const { packed, bounds } = pack(seals.map(({ sealed }) => sealed));
    const hashes = engine.hashSlices(packed, bounds);
    const opening = engine.openBatch({ keys, keyOf, packed, bounds });
    const hashing = engine.hashSlicesAsync(packed, bounds);
    for (const view of [keys, keyOf, packed, bounds]) view.fill(0);
    t.ok((await opening).every((one) => one === 1));
    t.strictSame(await hashing, hashes);
  });

  t.test(`${name} refuses batches that do not fit together`, { skip }, async (t) => {
    const { packed, bounds } = pack(goodSeals(2).map(({ sealed }) => sealed));
    const keys = concat(signers[0]!.publicKey, signers[1]!.publicKey);
    const good = { keys, keyOf: Uint32Array.of(0, 1), packed, bounds };
    t.strictSame([...(await engine.openBatch(good))], [1, 1]);
    const detached = new Uint8Array(64);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const bad = {
      'torn keys': { ...good, keys: keys.subarray(1) },
      'a key that is not there': { ...good, keyOf: Uint32Array.of(0, 2) },
      'a key that never was': { ...good, keyOf: Uint32Array.of(0, 0xffffffff) },
      'fewer keys than seals': { ...good, keyOf: Uint32Array.of(0) },
      'more keys than seals': { ...good, keyOf: Uint32Array.of(0, 1, 1) },
      'a seal without an end': { ...good, bounds: bounds.subarray(1) },
      'a seal beyond the bytes': { ...good, bounds: Uint32Array.of(0, 70, 70, packed.length + 1) },
      'a seal that ends before it starts': { ...good, bounds: Uint32Array.of(70, 0, 0, 70) },
      'detached bytes': { ...good, packed: detached },
      'shared bytes': { ...good, packed: new Uint8Array(new SharedArrayBuffer(200)) },
      'other types': { ...good, keyOf: [0, 1] },
      'nothing at all': undefined,
      'no batch': null,
      'a number': 1,
    };
    for (const [what, seals] of Object.entries(bad)) {
      // biome-ignore lint/suspicious/noExplicitAny: the point of this test is to pass what the types forbid
      await t.rejects(engine.openBatch(seals as any), { code: 'bad-argument' }, what);
    }
    await t.rejects(engine.hashSlicesAsync(detached, Uint32Array.of(0, 0)), { code: 'bad-argument' });
    await t.rejects(engine.hashSlicesAsync(packed, Uint32Array.of(0, packed.length + 1)), {
      code: 'bad-argument',
    });
    await t.rejects(engine.hashSlicesAsync(packed, Uint32Array.of(0, 1), 256), { code: 'bad-argument' });
    try {
      await engine.hashSlicesAsync(packed, new Uint32Array(33_554_434));
      t.fail('more slices than one call takes');
    } catch (error) {
      t.ok(isMetersealError(error, 'too-large'));
    }
  });
}

const addon = enginesUnderTest.find(({ name }) => name === 'addon')!;

t.test(
  `the engines give ${MUTATIONS} mutated seals the same verdicts, together and one by one`,
  { skip: addon.skip },
  async (t) => {
    const random = new SeededRandom(20261125);
    const good = goodSeals(500);
    const seals = Array.from({ length: MUTATIONS }, (_, i): Seal => {
      const { key, sealed } = good[random.below(good.length)]!;
      // A fresh key costs more to check than everything else: few are changed.
      const [changedKey, bytes] = [i % 200 === 0 ? key.slice() : key, sealed.slice()];
      const target = changedKey === key ? bytes : changedKey;
      // A part stays as it is, and good.
      if (i % 7 !== 0) target[random.below(target.length)]! ^= 1 << random.below(8);
      return { key: changedKey, sealed: bytes };
    });
    const expected = seals.map(({ key, sealed }) => reference.openSeal(key, sealed) !== null);
    const one = seals.map(({ key, sealed }) => addon.engine.openSeal(key, sealed) !== null);
    const differ = (verdicts: readonly boolean[]) =>
      verdicts.flatMap((verdict, i) => (verdict === expected[i] ? [] : [i]));
    t.strictSame(differ(one), []);
    t.strictSame(differ(await openTogether(addon, seals)), []);
    t.ok(expected.some(Boolean) && !expected.every(Boolean));
    const asked = seals.flatMap((seal, i) => (i % MUTATIONS_PER_ORACLE === 0 ? [{ ...seal, i }] : []));
    const odd = asked.filter(
      ({ key, sealed, i }) => oracleVerify(key, sealed.subarray(64), sealed.subarray(0, 64)) !== expected[i],
    );
    t.strictSame(
      odd.map(({ i }) => i),
      [],
    );
  },
);
