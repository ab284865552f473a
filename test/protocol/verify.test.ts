import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import {
  encodeRecord,
  equalBytes,
  fromHex,
  isMetersealError,
  meterCommitment,
  type Policy,
  parsePolicy,
  parseTime,
  type ReadingRecord,
  toHex,
  utf8,
  type VerifiedReading,
  verifyProof,
} from '@meterseal/protocol';
import t from 'tap';
import { vectors } from './message-vectors.js';
import {
  entriesOf,
  IDENTITY_KEY,
  key,
  type Lies,
  METER,
  ORIGIN,
  SALT,
  SESSION_KEY,
  START,
  samplePolicy,
  sampleProof,
  sampleRecord,
} from './sample-proof.js';
import { SeededRandom } from './seeded-random.js';

const policy = samplePolicy();
const honest = sampleProof();
const verify = (lies: Lies, under: Policy = policy) => verifyProof(crypto, under, sampleProof(lies).file);

t.test('the proof of the vectors is verified under both of their policies', async (t) => {
  const meter = vectors.meters[0]!;
  for (const [text, quorum] of [
    [vectors.policy, 'none'],
    [vectors.policyQuorum, 'reached'],
  ] as const) {
    const said = verifyProof(crypto, parsePolicy(crypto, text), utf8(vectors.proof));
    t.strictSame(said.recordBytes, utf8(vectors.reading.record));
    t.strictSame(said.record, JSON.parse(vectors.reading.record));
    t.strictSame([said.subject, said.index, said.origin, said.size], [1, 15, vectors.origin, 62]);
    t.equal(toHex(said.identityKey), meter.identityKey);
    t.equal(said.keyOrigin, 'issued');
    t.strictSame([said.quorum, said.witnesses], [quorum, ['w1']]);
    t.strictSame([said.identityPinned, said.warnings], [false, []]);
  }
});

t.test('an honest proof says all that it shows', async (t) => {
  const said = verifyProof(crypto, policy, honest.file, IDENTITY_KEY.publicKey);
  t.strictSame(said, {
    record: honest.record,
    recordBytes: honest.recordBytes,
    subject: 3,
    index: 11,
    origin: ORIGIN,
    size: honest.size,
    root: honest.root,
    identityKey: IDENTITY_KEY.publicKey,
    keyOrigin: 'own',
    anchoredAt: START + 11,
    readAt: parseTime(honest.record.time),
    witnesses: ['w'],
    quorum: 'reached',
    identityPinned: true,
    warnings: [],
  });
  t.strictSame(
    entriesOf(honest.proof).map(({ type }) => type),
    ['enrolment', 'authentication', 'session', 'reading'],
  );
});

const FOREIGN = key(66);
const otherRecord = encodeRecord({
  ...sampleRecord(45),
  values: [{ obis: '1-0:1.8.0', unit: 'kWh', value: '1' }],
});
/** Each lie under the reason that its refusal must give. */
const LIES: Readonly<Record<string, Readonly<Record<string, Lies>>>> = {
  'entry 1 belongs to another subject': {
    'the enrolment is of another subject': { enrolment: { subject: 4 } },
    'the opening says another subject': { opening: { subject: 4 } },
  },
  'entry 2 belongs to another subject': {
    'the authentication is of another subject': { authentication: { subject: 4 } },
  },
  'entry 3 belongs to another subject': {
    'the session is of another subject': { session: { subject: 4 } },
  },
  'entry 4 belongs to another subject': {
    'the reading is of another subject': { reading: { subject: 4 } },
  },
  'the opening does not open the enrolment': {
    'the opening says another meter': { opening: { meter: 'EM:0008.B' } },
    'the opening has another salt': { opening: { salt: new Uint8Array(16) } },
    'the enrolment commits to another meter': { enrolment: { meterCommitment: new Uint8Array(32) } },
  },
  'the authentication was rejected': {
    'the authentication was rejected': { authentication: { result: 'rejected', reason: 'bad-signature' } },
  },
  'the session names another authentication': {
    'the session names another authentication': { session: { authentication: 99 } },
    'the session names its own entry': { session: { authentication: 5 } },
    'the session names the enrolment': { session: { authentication: 2 } },
  },
  "the identity key did not sign the session's key": {
    'the session was signed by another key': { identitySigner: FOREIGN },
    'the session was signed by the session key': { identitySigner: SESSION_KEY },
    'the session was signed for another session key': { signedSessionKey: FOREIGN.publicKey },
    'the session was signed for the epoch before': { signedOrigin: 'operator.example/meterseal/box/1' },
    'the session was signed for the platform, not the epoch': {
      signedOrigin: 'operator.example/meterseal/box',
    },
    'the session was signed for another box': { signedOrigin: 'operator.example/meterseal/box2/2' },
    'the session was signed for another subject': { signedMeter: { subject: 4 } },
    'the session was signed for another meter': { signedMeter: { commitment: new Uint8Array(32) } },
    'the session signature is another message’s': {
      session: { signature: IDENTITY_KEY.sign(utf8('session')) },
    },
    'the enrolled key is another': { enrolment: { identityKey: FOREIGN.publicKey } },
    'the enrolled key is the session key': { enrolment: { identityKey: SESSION_KEY.publicKey } },
  },
  'the session key did not seal the record': {
    'the seal is by another key': { sealer: FOREIGN },
    'the seal is by the identity key': { sealer: IDENTITY_KEY },
    'the seal is over another record': { reading: { sealSignature: SESSION_KEY.sign(otherRecord) } },
    'the file shows another record': { shownRecord: otherRecord },
  },
  'the record does not hash to the entry': {
    'the entry has another hash': { reading: { hash: crypto.sha256(otherRecord) } },
  },
  'the reading names another session': {
    'the reading names another session': { reading: { session: 13 } },
    'the session has another number': { session: { seq: 13 } },
  },
  'the record is of another meter': {
    'the record is of another meter': { record: { meter: 'EM:0008.B' } },
  },
  'the record has another number': {
    'the record has another number than its entry': { record: { seq: 46 } },
    'the entry has another number than its record': { reading: { seq: 44 } },
  },
  "the reading's number is below": {
    'the number is below the enrolment’s first': { enrolment: { firstSeq: 46 } },
  },
};

t.test('each forged relation alone is refused', async (t) => {
  for (const [why, lies] of Object.entries(LIES)) {
    for (const [what, lie] of Object.entries(lies)) {
      t.throws(() => verify(lie), { code: 'proof-invalid', message: new RegExp(why) }, what);
    }
  }
});

t.test('a sealed record that is no record is refused', async (t) => {
  const bad = utf8('{"meter":"EM:0007.B","seq":45}');
  const lies: Lies = {
    shownRecord: bad,
    reading: { hash: crypto.sha256(bad), sealSignature: SESSION_KEY.sign(bad) },
  };
  t.throws(() => verify(lies), { code: 'bad-record' });
});

t.test('entries in another order, of other types or not of this tree are refused', async (t) => {
  t.throws(() => verify({ sessionFirst: true }), { code: 'proof-invalid' }, 'session before authentication');
  const [a, b, c, d] = honest.proof.entries;
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const text = new TextDecoder().decode(honest.file);
  const file = (entries: readonly (typeof a)[]) => {
    const lines = entries.flatMap(({ index, entry, inclusion }) => [
      `entry ${index} ${base64(entry)}`,
      ...inclusion.map(base64),
    ]);
    const head = text.slice(0, text.indexOf('entry '));
    return utf8(`${head}${lines.join('\n')}\n\n${honest.proof.note}`);
  };
  const run = (entries: readonly (typeof a)[]) => () => verifyProof(crypto, policy, file(entries));
  t.ok(run([a, b, c, d])(), 'the file is put together rightly');
  t.throws(run([a, b, d, c]), { code: 'bad-proof' }, 'indexes that fall');
  t.throws(run([a, b, c]), { code: 'bad-proof' }, 'three entries');
  t.throws(run([a, b, { ...c, index: c.index + 1 }, d]), { code: 'inclusion-invalid' }, 'another index');
  t.throws(
    run([a, b, { ...c, inclusion: c.inclusion.slice(1) }, d]),
    { code: 'inclusion-invalid' },
    'a hash less',
  );
  t.throws(
    run([a, b, { ...c, inclusion: [...c.inclusion, new Uint8Array(32)] }, d]),
    { code: 'inclusion-invalid' },
    'a hash more',
  );
  t.throws(run([a, b, { ...c, entry: b.entry }, d]), { code: 'inclusion-invalid' }, 'an entry of elsewhere');
  const four = sampleProof({ opening: {} }).proof.entries[3];
  t.throws(run([a, b, c, { ...four, index: four.index - 1 }]), { code: 'inclusion-invalid' });
});

t.test('a note that the policy does not accept ends the verification', async (t) => {
  for (const [what, lies] of [
    ['signed by another log key', { logSigner: FOREIGN }],
    ['of another epoch', { checkpointOrigin: 'operator.example/meterseal/box/3' }],
    ['of another box', { checkpointOrigin: 'operator.example/meterseal/other/2' }],
    ['without quorum', { cosigner: null }],
    ['cosigned by a stranger', { cosigner: FOREIGN }],
    ['with extension lines', { extensions: ['timestamp 1'] }],
  ] as const) {
    t.throws(() => verify(lies), { code: 'policy-refused' }, what);
  }
  const lax = samplePolicy('none');
  t.strictSame(verify({}, lax).quorum, 'none');
  t.strictSame(verify({ cosigner: null }, lax).witnesses, []);
  t.throws(() => verify({ extensions: ['timestamp 1'] }, lax), { code: 'policy-refused' });
  t.throws(() => verify({ logSigner: FOREIGN }, lax), { code: 'policy-refused' });
});

t.test('a note of the right log over another tree does not carry the entries', async (t) => {
  const other = sampleProof({ record: { span: 13 } });
  const text = new TextDecoder().decode(honest.file).replace(honest.proof.note, other.proof.note);
  t.throws(() => verifyProof(crypto, policy, utf8(text)), { code: 'inclusion-invalid' });
});

t.test('a pinned identity must be the enrolled one', async (t) => {
  t.equal(verifyProof(crypto, policy, honest.file).identityPinned, false);
  for (const pinned of [
    FOREIGN.publicKey,
    SESSION_KEY.publicKey,
    new Uint8Array(32),
    new Uint8Array(0),
    IDENTITY_KEY.publicKey.slice(1),
  ]) {
    t.throws(
      () => verifyProof(crypto, policy, honest.file, pinned),
      { code: 'proof-invalid' },
      toHex(pinned),
    );
  }
});

t.test('whose key it is, is said', async (t) => {
  t.equal(verify({ enrolment: { keyOrigin: 'own' } }).keyOrigin, 'own');
  t.equal(verify({ enrolment: { keyOrigin: 'issued' } }).keyOrigin, 'issued');
});

t.test('a reading committed after its session’s expiry is verified with a warning', async (t) => {
  t.strictSame(verify({ session: { expires: START + 11 } }).warnings, []);
  t.strictSame(verify({ session: { expires: START + 10 } }).warnings, ['committed-after-session-expiry']);
});

t.test('a void record is verified and said to be void', async (t) => {
  const record: Partial<ReadingRecord> = {
    values: [],
    raw: [],
    void: { reason: 'record-invalid', replaces: '00'.repeat(32) },
  };
  const said = verify({ record });
  t.strictSame(said.warnings, ['void-record']);
  t.strictSame(said.record.void, record.void);
  t.strictSame(verify({ record, session: { expires: START } }).warnings, [
    'committed-after-session-expiry',
    'void-record',
  ]);
});

t.test('another meter that knows the salt cannot take the subject', async (t) => {
  // The enrolment commits to the other meter, all else as it was: the identity key never signed that.
  const meterCommitmentOfOther = meterCommitment(crypto, SALT, 'EM:0008.B');
  const lies: Lies = {
    enrolment: { meterCommitment: meterCommitmentOfOther },
    opening: { meter: 'EM:0008.B' },
    record: { meter: 'EM:0008.B' },
  };
  t.throws(() => verify(lies), { code: 'proof-invalid' });
  t.equal(METER, 'EM:0007.B');
});

/** What a changed file may still say: exactly the same. */
const essence = (said: VerifiedReading, opening: { meter: string; subject: number }) =>
  JSON.stringify([
    toHex(said.recordBytes),
    said.record.meter,
    opening,
    said.subject,
    said.index,
    toHex(said.root),
  ]);

t.test('whichever byte of a proof file is changed: not verified, or nothing else is said', async (t) => {
  for (const [name, file, under] of [
    ['sample', honest.file, policy],
    ['sample, no quorum', honest.file, samplePolicy('none')],
    ['vectors', utf8(vectors.proof), parsePolicy(crypto, vectors.policyQuorum)],
  ] as const) {
    const original = verifyProof(crypto, under, file);
    const opening = { meter: original.record.meter, subject: original.subject };
    const expected = essence(original, opening);
    const random = new SeededRandom(file.length);
    const wrong: string[] = [];
    let refused = 0;
    for (let at = 0; at < file.length; at++) {
      const changed = file.slice();
      changed[at]! ^= 1 + random.below(255);
      try {
        const said = verifyProof(crypto, under, changed);
        if (essence(said, opening) !== expected) wrong.push(`byte ${at} says something else`);
      } catch (error) {
        if (!isMetersealError(error)) wrong.push(`byte ${at}: ${error}`);
        else refused += 1;
      }
    }
    t.strictSame(wrong, [], name);
    t.ok(refused > file.length * 0.8, `${name}: ${refused} of ${file.length} refused`);
  }
});

t.test('each bit of the enrolled, sealed and signed bytes counts', async (t) => {
  // Below the text: every byte of the four entries and of the record, changed before the file is written.
  const random = new SeededRandom(45);
  const flip = (bytes: Uint8Array, at: number) => {
    const out = bytes.slice();
    out[at]! ^= 1 << random.below(8);
    return out;
  };
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const text = new TextDecoder().decode(honest.file);
  for (const part of [honest.recordBytes, ...honest.proof.entries.map(({ entry }) => entry)]) {
    for (let at = 0; at < part.length; at++) {
      const changed = utf8(text.replace(base64(part), base64(flip(part, at))));
      t.notOk(equalBytes(changed, honest.file));
      t.throws(() => verifyProof(crypto, policy, changed), { name: 'MetersealError' });
    }
  }
});

t.test('a damaged file of any kind gives an error of ours, soon', async (t) => {
  const random = new SeededRandom(7);
  for (const file of [
    new Uint8Array(0),
    new Uint8Array(70_000),
    utf8('\n'.repeat(65_536)),
    utf8(`meterseal-proof/v0\n${'A'.repeat(60_000)}\n\n`),
    utf8(`meterseal-proof/v0\nrecord ${' '.repeat(60_000)}\n\n`),
    random.bytes(65_536),
    fromHex('efbbbf'),
  ]) {
    t.throws(() => verifyProof(crypto, policy, file), { name: 'MetersealError' });
  }
});
