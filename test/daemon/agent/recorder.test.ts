import { join } from 'node:path';
import { decodeRecord, equalBytes, readingHash, toHex, utf8 } from '@meterseal/protocol';
import { FieldStore } from 'meterseal/internal/agent/field-store';
import { Recorder } from 'meterseal/internal/agent/recorder';
import type { Test } from 'tap';
import t from 'tap';
import { engine, seededRandom } from '../chain/test-box.js';
import { temporaryFolder } from '../host/temporary-folder.js';

const ORIGIN = {
  meter: 'EM:1',
  profile: 'eastron/sdm630@0123456789abcdef',
  identity: 'confirmed',
  clock: 'holdover',
} as const;
const AT = Date.UTC(2026, 1, 3, 4, 5, 6, 789);
const READING = {
  startedAt: AT - 250,
  endedAt: AT,
  values: [
    { obis: '1-0:1.8.0', unit: 'kWh', value: '12345.678' },
    { obis: '1-0:32.7.0', unit: 'V', quality: 'missing' },
  ],
  raw: [{ fc: 4, at: 72, words: '00bc614e' }],
} as const;

async function bench(t: Test): Promise<{ recorder: Recorder; store: FieldStore; number: number }> {
  const store = await FieldStore.open(join(temporaryFolder(t), 'field.db'));
  t.teardown(() => store.close());
  const recorder = new Recorder(store, engine, seededRandom('salt'), 'meterseal/1.0.0 0123456789abcdef');
  const { number } = await store.meter('EM:1');
  await store.confirmEnrolment(number, 1);
  return { recorder, store, number };
}

t.test('a reading becomes one record, on disk before anybody gets it', async (t) => {
  const { recorder, store, number } = await bench(t);
  const made = await recorder.record(number, ORIGIN, READING);
  const { salt, ...record } = decodeRecord(made.bytes);
  t.same(record, {
    v: 0,
    meter: 'EM:1',
    seq: 1,
    time: '2026-02-03T04:05:06.789Z',
    span: 250,
    clock: 'holdover',
    identity: 'confirmed',
    profile: ORIGIN.profile,
    sw: 'meterseal/1.0.0 0123456789abcdef',
    values: READING.values,
    raw: READING.raw,
  });
  t.equal(salt.length, 22);
  t.same(made.hash, readingHash(engine, made.bytes));
  const stored = (await store.record(number, 1))!;
  t.ok(equalBytes(stored.bytes, made.bytes));
  t.ok(equalBytes(stored.hash, made.hash));
});

t.test('two readings of the same values have different hashes: the salt hides them', async (t) => {
  const { recorder, number } = await bench(t);
  const [first, second] = [
    await recorder.record(number, ORIGIN, READING),
    await recorder.record(number, ORIGIN, READING),
  ];
  t.equal(second.seq, 2);
  t.not(decodeRecord(first.bytes).salt, decodeRecord(second.bytes).salt);
});

t.test('a clock that was set back while the meter was read makes no negative span', async (t) => {
  const { recorder, number } = await bench(t);
  const made = await recorder.record(number, ORIGIN, { ...READING, startedAt: AT + 5_000 });
  t.equal(decodeRecord(made.bytes).span, 0);
});

t.test('what is no record is refused and takes no number', async (t) => {
  const { recorder, store, number } = await bench(t);
  const values = [{ obis: '1-0:1.8.0', unit: 'kWh', value: '1e3' }];
  await t.rejects(recorder.record(number, ORIGIN, { ...READING, values }), { code: 'bad-record' });
  t.equal(await store.nextSeq(number), 1);
});

t.test('a void record says what it replaces and why, and has no values', async (t) => {
  const { recorder, number } = await bench(t);
  const refused = await recorder.record(number, ORIGIN, READING);
  const { bytes, hash } = recorder.voidOf('EM:1', refused, 'record-invalid', refused.bytes);
  const record = decodeRecord(bytes);
  t.match(record, {
    seq: 1,
    time: '2026-02-03T04:05:06.789Z',
    values: [],
    raw: [],
    void: { reason: 'record-invalid', replaces: toHex(refused.hash) },
  });
  t.not(record.salt, decodeRecord(refused.bytes).salt, 'its hash gives nothing away of the reading');
  t.same(hash, readingHash(engine, bytes));
});

t.test('a void record stands under the right meter and number, whatever was refused', async (t) => {
  const { recorder, number } = await bench(t);
  const good = await recorder.record(number, ORIGIN, READING);
  const garbage = { ...good, seq: 9, bytes: utf8('garbage'), hash: engine.sha256(utf8('as first made')) };
  const record = decodeRecord(recorder.voidOf('EM:1', garbage, 'record-invalid', good.bytes).bytes);
  t.match(record, { meter: 'EM:1', seq: 9, void: { replaces: toHex(garbage.hash) } });
  const foreign = { ...(await recorder.record(number, { ...ORIGIN, meter: 'EM:2' }, READING)), seq: 4 };
  t.match(decodeRecord(recorder.voidOf('EM:1', foreign, 'meter-mismatch', good.bytes).bytes), {
    meter: 'EM:1',
    seq: 4,
  });
  t.throws(() => recorder.voidOf('EM:1', garbage, 'record-invalid', garbage.bytes), { code: 'bad-record' });
});

t.test('a lost number has a void record that replaces nothing it knows', async (t) => {
  const { recorder, number } = await bench(t);
  const like = await recorder.record(number, ORIGIN, READING);
  t.match(decodeRecord(recorder.lost(like.bytes, 7).bytes), {
    meter: 'EM:1',
    seq: 7,
    values: [],
    raw: [],
    void: { reason: 'lost-by-field', replaces: '0'.repeat(64) },
  });
});

t.test('a reading that is made again is the same under another number', async (t) => {
  const { recorder, number } = await bench(t);
  const made = decodeRecord((await recorder.record(number, ORIGIN, READING)).bytes);
  const again = decodeRecord(
    recorder.remake((await recorder.record(number, ORIGIN, READING)).bytes, 12).bytes,
  );
  t.same({ ...again, seq: 0, salt: '' }, { ...made, seq: 0, salt: '' });
  t.equal(again.seq, 12);
});
