import { createPublicKey, verify as nodeVerify } from 'node:crypto';
import { concat, fromHex, toHex, utf8 } from '@meterseal/protocol';
import { L, P } from '@meterseal/protocol/internal/edwards';
import t from 'tap';
import { SeededRandom } from '../protocol/seeded-random.js';
import { vectorJson } from '../protocol/vector.js';
import { enginesUnderTest } from './engines.js';
import { forge, fromLittleEndian, littleEndian, SMALL_ORDER_ENCODINGS, TORSION } from './forge.js';
import { laxVerify, oracleVerify } from './tweetnacl-oracle.js';

type Verify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;

interface Case {
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  readonly good: boolean;
}

/** node:crypto without the strict rule: shows that a forgery is one that a library really takes. */
function laxNode(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const der = concat(fromHex('302a300506032b6570032100'), publicKey);
  return nodeVerify(
    null,
    message,
    createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' }),
    signature,
  );
}

interface Rfc8032 {
  vectors: { name: string; seed: string; pub: string; msg: string; sig: string }[];
}
interface Wycheproof {
  testGroups: { pk: string; tests: { tcId: number; msg: string; sig: string; result: string }[] }[];
}

const rfc = vectorJson<Rfc8032>('ed25519-rfc8032.json').vectors;
const rfcCases: Case[] = rfc.map(({ name, pub, msg, sig }) => ({
  name,
  publicKey: fromHex(pub),
  message: fromHex(msg),
  signature: fromHex(sig),
  good: true,
}));
const wycheproofCases: Case[] = vectorJson<Wycheproof>('ed25519-wycheproof.json').testGroups.flatMap(
  (group) =>
    group.tests.map((test) => ({
      name: `test ${test.tcId}`,
      publicKey: fromHex(group.pk),
      message: fromHex(test.msg),
      signature: fromHex(test.sig),
      good: test.result === 'valid',
    })),
);

const messages = Array.from({ length: 8 }, (_, i) => utf8(`message ${i}`));
const refused = (name: string, publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Case => ({
  name,
  publicKey,
  message,
  signature,
  good: false,
});

const smallOrderPairs: Case[] = SMALL_ORDER_ENCODINGS.flatMap((key) =>
  SMALL_ORDER_ENCODINGS.flatMap((R) =>
    messages.map((message) =>
      refused(`key ${toHex(key)}, R ${toHex(R)}`, key, message, concat(R, new Uint8Array(32))),
    ),
  ),
);

const smallOrderR: Case[] = SMALL_ORDER_ENCODINGS.flatMap((encodedR) =>
  messages.map((message) => {
    const { publicKey, signature } = forge(12345n, 0n, message, { encodedR });
    return refused(`R ${toHex(encodedR)}`, publicKey, message, signature);
  }),
);

const unreducedS: Case[] = rfcCases.flatMap(({ name, publicKey, message, signature }) => {
  const S = fromLittleEndian(signature.subarray(32));
  return [1n, 2n, 7n, 14n]
    .filter((times) => S + times * L < 2n ** 256n)
    .map((times) =>
      refused(
        `${name}, S + ${times}·L`,
        publicKey,
        message,
        concat(signature.subarray(0, 32), littleEndian(S + times * L)),
      ),
    );
});

const torsionInKey: Case[] = TORSION.slice(1).flatMap((keyTorsion, i) =>
  Array.from({ length: 12 }, (_, j) => {
    const message = utf8(`torsion ${i} ${j}`);
    const { publicKey, signature } = forge(777n, 999n + BigInt(j), message, { keyTorsion });
    return refused(`key with torsion point ${i + 1}`, publicKey, message, signature);
  }),
);

const torsionInR: Case[] = TORSION.slice(1).flatMap((rTorsion, i) =>
  messages.slice(0, 3).map((message) => {
    const { publicKey, signature } = forge(777n, 999n, message, { rTorsion });
    return refused(`R with torsion point ${i + 1}`, publicKey, message, signature);
  }),
);

const secondEncodings: Case[] = Array.from({ length: 19 }, (_, low) => low).flatMap((low) =>
  [0n, 2n ** 255n].flatMap((sign) => {
    const encoding = littleEndian(P + BigInt(low) + sign);
    const good = rfcCases[1]!;
    return [
      refused(`key y = p + ${low}`, encoding, good.message, good.signature),
      refused(
        `R y = p + ${low}`,
        good.publicKey,
        good.message,
        concat(encoding, good.signature.subarray(32)),
      ),
    ];
  }),
);

const wrongLengths: Case[] = rfcCases
  .slice(1, 2)
  .flatMap(({ publicKey, message, signature }) => [
    refused('a key of 31 bytes', publicKey.subarray(1), message, signature),
    refused('a key of 33 bytes', concat(publicKey, publicKey.subarray(0, 1)), message, signature),
    refused('no key', new Uint8Array(0), message, signature),
    refused('a signature of 63 bytes', publicKey, message, signature.subarray(0, 63)),
    refused('a signature of 65 bytes', publicKey, message, concat(signature, signature.subarray(0, 1))),
    refused('no signature', publicKey, message, new Uint8Array(0)),
  ]);

/** Each case once as it is and once with one bit changed somewhere: what one verifier says, all say. */
const mutated: Case[] = (() => {
  const random = new SeededRandom(20261124);
  return Array.from({ length: 150 }, (_, i) => {
    const from = rfcCases[random.below(rfcCases.length)]!;
    const parts = [from.publicKey.slice(), from.message.slice(), from.signature.slice()] as const;
    const part = parts[random.below(3)]!;
    if (part.length === 0) return { ...from, name: `mutation ${i}: none` };
    part[random.below(part.length)]! ^= 1 << random.below(8);
    return refused(`mutation ${i} of ${from.name}`, ...parts);
  });
})();

const groups: readonly (readonly [string, readonly Case[]])[] = [
  ['the five vectors of RFC 8032 are good', rfcCases],
  ['the 151 verdicts of Wycheproof are met', wycheproofCases],
  ['no pair of small-order encodings as key and R is good', smallOrderPairs],
  ['no small-order encoding as R is good under an honest key', smallOrderR],
  ['S plus a multiple of the order is refused', unreducedS],
  ['a key with a torsion component is refused, even where the plain equation holds', torsionInKey],
  ['an R with a torsion component is refused', torsionInR],
  ['y at or above p is refused in key and R', secondEncodings],
  ['keys and signatures of another length are refused', wrongLengths],
  ['a changed bit anywhere is refused', mutated],
];

t.equal(new Set(SMALL_ORDER_ENCODINGS.map(toHex)).size, 14);
t.equal(wycheproofCases.length, 151);

const verifiers: readonly { name: string; verify: Verify; skip: string | false }[] = [
  ...enginesUnderTest.map(({ name, engine, skip }) => ({ name, verify: engine.verify, skip })),
  { name: 'tweetnacl under the same rule', verify: oracleVerify, skip: false },
];
for (const { name, verify, skip } of verifiers) {
  t.test(`${name} keeps the strict rule`, { skip }, (t) => {
    for (const [title, cases] of groups) {
      const wrong = cases.filter((c) => verify(c.publicKey, c.message, c.signature) !== c.good);
      t.same(
        wrong.map((c) => c.name),
        [],
        `${title} (${cases.length})`,
      );
    }
    t.end();
  });
}

t.test('the forgeries are real: libraries without the rule take some of each kind', (t) => {
  // Newer versions of OpenSSL refuse what older ones take: one library of the two is enough.
  const takes = (cases: readonly Case[]) =>
    [laxNode, laxVerify].some((verify) => cases.some((c) => verify(c.publicKey, c.message, c.signature)));
  t.ok(takes(smallOrderPairs), 'small-order key and R');
  t.ok(takes(smallOrderR), 'R of small order under an honest key');
  t.ok(takes(torsionInKey), 'key with a torsion component');
  t.ok(takes(unreducedS), 'unreduced S');
  t.end();
});

for (const { name, engine, skip } of enginesUnderTest) {
  t.test(`${name} signs and seals the vectors of RFC 8032 byte for byte`, { skip }, (t) => {
    for (const { seed, pub, msg, sig } of rfc) {
      const key = engine.keyFromSeed(fromHex(seed));
      t.equal(toHex(key.publicKey), pub);
      t.equal(toHex(key.sign(fromHex(msg))), sig);
      const sealed = key.seal(fromHex(msg));
      t.equal(toHex(sealed), sig + msg);
      t.equal(toHex(engine.openSeal(key.publicKey, sealed)!), msg);
    }
    t.end();
  });

  t.test(`${name} opens no seal with a changed bit or a torn end`, { skip }, (t) => {
    const key = engine.generateKey();
    const sealed = key.seal(utf8('reading'));
    for (let at = 0; at < 8 * sealed.length; at++) {
      const changed = sealed.slice();
      changed[at >> 3]! ^= 1 << (at & 7);
      if (engine.openSeal(key.publicKey, changed) !== null) t.fail(`bit ${at}`);
    }
    for (let length = 0; length < sealed.length; length++) {
      if (engine.openSeal(key.publicKey, sealed.subarray(0, length)) !== null) t.fail(`${length} bytes`);
    }
    t.equal(engine.openSeal(engine.generateKey().publicKey, sealed), null, 'another key');
    t.same(engine.openSeal(key.publicKey, sealed), utf8('reading'));
    t.end();
  });
}
