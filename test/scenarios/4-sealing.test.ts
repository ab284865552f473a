import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { javascriptEngine as engine } from '@meterseal/native';
import { concat, decodeRecord, formatPolicy, readingHash, toBase64, toHex } from '@meterseal/protocol';
import { ownPolicy } from 'meterseal/internal/chain/published-files';
import t from 'tap';
import { meterseal } from '../command-line.js';
import { DirectMeter, recordOf } from './direct-meter.js';
import { Line, METERS } from './line.js';

const READINGS = 4;

t.test('the chain holds the hash of exactly the bytes that the session key sealed', async (t) => {
  const line = await Line.complete(t, READINGS);
  const { platform, state } = line;

  await t.test('every record of the box is on the chain, under a seal of its session', async (t) => {
    const chain = await line.chain();
    for (const id of METERS) {
      const subject = await line.subjectOf(id);
      const records = await line.records(id);
      const entries = chain.all('reading', subject);
      t.equal(records.length, READINGS, id);
      t.strictSame(
        entries.map(({ entry }) => toHex(entry.hash)),
        records.map(({ bytes }) => toHex(readingHash(engine, bytes))),
        `${id}: hash for hash, in order`,
      );
      for (const [i, { entry }] of entries.entries()) {
        const record = new Uint8Array(records[i]!.bytes);
        t.equal(entry.seq, decodeRecord(record).seq, 'the number is the one under the seal');
        const { sessionKey } = chain
          .all('session', subject)
          .find((one) => one.entry.seq === entry.session)!.entry;
        const opened = engine.openSeal(sessionKey, concat(entry.sealSignature, record));
        t.strictSame(opened, record, `${id} ${entry.seq}: the session key opens the seal to the record`);
      }
    }
  });

  await t.test('what is not sealed so is refused, and nothing is appended but a conflict', async (t) => {
    const meter = await DirectMeter.enrol(platform, state, 'EM-9');
    const { session, key } = await meter.session();
    const seal = (record: Uint8Array, by = key) => ({ session, sealed: by.seal(record) });
    const [first] = await meter.submit(seal(meter.record(1)));
    t.equal(first!.code, 'accepted');
    const before = await line.chain();

    const altered = seal(meter.record(2, '1.00')).sealed;
    altered.set(meter.record(2, '2.00'), altered.length - meter.record(2).length);
    t.strictSame(await meter.submit({ session, sealed: altered }), [{ code: 'seal-invalid' }], 'altered');
    const otherKey = seal(meter.record(2), engine.generateKey());
    t.strictSame(await meter.submit(otherKey), [{ code: 'seal-invalid' }], 'another key');
    const foreign = recordOf(METERS[0]!, READINGS + 1, '2.00');
    t.strictSame(await meter.submit(seal(foreign)), [{ code: 'meter-mismatch' }], "another meter's record");
    const loose = new TextEncoder().encode(` ${new TextDecoder().decode(meter.record(2))}`);
    t.strictSame(await meter.submit(seal(loose)), [{ code: 'record-invalid' }], 'not the one byte string');
    t.strictSame(await meter.submit(seal(meter.record(3))), [{ code: 'sequence-gap' }], 'a number left out');
    t.equal((await line.chain()).checkpoint.size, before.checkpoint.size, 'nothing was appended');

    t.strictSame(
      await meter.submit(seal(meter.record(1))),
      [{ ...first, code: 'duplicate' }],
      'the same again',
    );
    t.strictSame(await meter.submit(seal(meter.record(1, '9.99'))), [{ code: 'conflict' }], 'an old number');
    const [event, close, ...more] = (await line.chain()).since(before);
    const { subject } = meter.ref;
    const hash = toHex(readingHash(engine, meter.record(1, '9.99')));
    t.match(event!.entry, {
      type: 'event',
      event: { kind: 'conflict', subject, what: 'reading', seq: 1, hash },
    });
    t.equal(close!.entry.type, 'block-close');
    t.strictSame(more, []);

    const together = await meter.submit(otherKey, seal(meter.record(2)));
    t.strictSame(
      together,
      [{ code: 'seal-invalid' }, { code: 'sequence-gap' }],
      'nothing overtakes a refusal',
    );
    t.match(await meter.submit(seal(meter.record(2))), [{ code: 'accepted' }]);
  });

  await t.test('a proof is verified by whoever has the policy, and by nothing else', async (t) => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'ms-verifier-'));
    t.teardown(() => rmSync(elsewhere, { recursive: true }));
    const policy = join(elsewhere, 'policy');
    copyFileSync(state.policy, policy);
    const proof = join(elsewhere, 'reading.proof');
    const [id] = METERS as [string];
    const made = await meterseal('prove', '--state', state.root, '--meter', id, '--seq', '2', '-o', proof);
    t.equal(made.code, 0, made.stderr);

    const [, record] = await line.records(id);
    const subject = await line.subjectOf(id);
    const chain = await line.chain();
    const { identityKey } = chain.all('enrolment', subject)[0]!.entry;
    const { origin } = chain.checkpoint;
    const write = (name: string, text: string): string => {
      writeFileSync(join(elsewhere, name), text);
      return join(elsewhere, name);
    };
    const text = readFileSync(proof, 'utf8');
    const forged = write('forged.proof', withOtherValue(text));
    const cut = write('cut.proof', text.slice(0, -1));
    const strangePolicy = formatPolicy(ownPolicy(engine, origin, engine.generateKey().publicKey));
    const strange = write('strange-policy', strangePolicy);
    const identity = toBase64(identityKey);
    const verify = (...args: string[]): ReturnType<typeof meterseal> => meterseal('verify', ...args);
    const [good, pinned, wrongPin, distrusted, noPolicy, altered, short] = await Promise.all([
      verify(proof, '--policy', policy, '--json'),
      verify(proof, '--policy', policy, '--identity', identity),
      verify(proof, '--policy', policy, '--identity', toBase64(engine.generateKey().publicKey), '--json'),
      verify(proof, '--policy', strange, '--json'),
      verify(proof),
      verify(forged, '--policy', policy, '--json'),
      verify(cut, '--policy', policy, '--json'),
    ]);

    t.equal(good.code, 0, good.stdout);
    t.match(JSON.parse(good.stdout), {
      ...{
        verified: true,
        subject,
        keyOrigin: 'issued',
        quorum: 'none',
        identityPinned: false,
        warnings: [],
      },
      ...{ identityKey: identity, revocation: 'not-examined', record: decodeRecord(record!.bytes) },
    });
    t.match(pinned, { code: 0, stdout: /^VERIFIED {2}meter DEMO-0001, reading 2 of/ });
    t.match(pinned.stdout, /pinned by you/);
    t.equal(noPolicy.code, 2, 'no policy');
    for (const [what, { code, stdout }, reason] of [
      ['another identity', wrongPin, 'proof-invalid'],
      ['a policy that names another key', distrusted, 'policy-refused'],
      ['another value', altered, 'proof-invalid'],
      ['a file without its end', short, 'bad-checkpoint'],
    ] as const) {
      t.equal(code, 1, what);
      t.match(JSON.parse(stdout), { verified: false, code: reason }, what);
    }
  });
});

/** The proof of a reading that was changed afterwards, in the canonical form. */
function withOtherValue(proof: string): string {
  const [, record] = /^record (.*)$/m.exec(proof)!;
  const text = Buffer.from(record!, 'base64').toString('utf8');
  const forged = text.replace(
    /"value":"(-?)(\d)/,
    (_, sign, digit) => `"value":"${sign}${digit === '9' ? 8 : +digit + 1}`,
  );
  return proof.replace(record!, Buffer.from(forged).toString('base64'));
}
