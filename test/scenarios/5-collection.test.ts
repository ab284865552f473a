import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { javascriptEngine as engine } from '@meterseal/native';
import type { CollectorState, Delivery, RecordsAnswer, Signed } from '@meterseal/protocol';
import {
  concat,
  decodeRecord,
  decodeSigned,
  encodeDelivery,
  encodeDeliveryGroup,
  fromBase64,
  isSignedBy,
  MetersealError,
  readAcknowledgement,
  readDelivery,
  readingHash,
  runningHash,
  signMessage,
  toHex,
} from '@meterseal/protocol';
import type { HttpClient } from 'meterseal/internal/host/http-client';
import type { Test } from 'tap';
import t from 'tap';
import { meterseal } from '../command-line.js';
import { ChainCopy } from './chain-copy.js';
import { recordOf } from './direct-meter.js';
import { INNER_METERS, InnerBox } from './inner-box.js';
import { filesBelow, Line, METERS, spooledRecords } from './line.js';

const READINGS = 6;
const hex = (bytes: Uint8Array): string => toHex(new Uint8Array(bytes));

t.test('the collector gets the same bytes, each once and in order, and nobody can plant one', async (t) => {
  const line = await Line.complete(t, READINGS);
  const http = line.collector();
  const [first, second] = METERS as [string, string];

  const stored = (): string => {
    const files = filesBelow(join(line.state.collector, 'spool'));
    return files.map((file) => hex(readFileSync(file))).join();
  };
  const stateOf = (meter: string): Promise<CollectorState> =>
    http.json({ method: 'GET', path: `/v1/state?meter=${meter}` });
  /** The last delivery statement of a meter that the collector has. */
  const wordOf = async (meter: string): Promise<Signed<Delivery>> =>
    decodeSigned(fromBase64((await stateOf(meter)).statement!), readDelivery);
  const post = (bytes: Uint8Array, by: HttpClient = http): Promise<RecordsAnswer> =>
    by.json({ method: 'POST', path: '/v1/records', bytes });
  /** The collector holds what the box recorded, byte for byte, each once and in order. */
  const isWhole = async (t: Test): Promise<void> => {
    for (const id of METERS) {
      const records = (await line.records(id)).map(({ bytes }) => new Uint8Array(bytes));
      t.strictSame(
        records.map((bytes) => decodeRecord(bytes).seq),
        records.map((_, i) => i + 1),
        `${id}: gap-free`,
      );
      t.strictSame(line.spooled(id).map(hex), records.map(hex), `${id}: byte for byte`);
    }
  };

  await t.test('the spool holds what the box recorded', isWhole);

  await t.test('a planted reading is refused, and nothing is stored', async (t) => {
    const before = stored();
    const planted = recordOf(first, READINGS + 1, '1.00');
    const { value, message, signature } = await wordOf(second);
    const { value: own } = await wordOf(first);
    const led = runningHash(engine, own.runningHash, readingHash(engine, planted));
    const next = { ...own, to: READINGS + 1, runningHash: led };
    const attacker = engine.generateKey();
    const deliver = (said: Delivery): Uint8Array =>
      encodeDeliveryGroup(signMessage(attacker, encodeDelivery(said)), [planted]);
    const stranger = { subject: 999, commitment: own.meter.commitment };
    for (const [what, body, code] of [
      ['no statement', planted, 'bad-message'],
      [
        "another meter's statement",
        encodeDeliveryGroup(concat(message, signature), [planted]),
        'statement-refused',
      ],
      ['a statement that another key signed', deliver(next), 'statement-refused'],
      ['an unknown meter', deliver({ ...next, meter: stranger }), 'unknown-meter'],
    ] as const) {
      await t.rejects(post(body), { code }, what);
    }
    const genuine = encodeDeliveryGroup(concat(message, signature), line.spooled(second));
    for (const token of ['', randomBytes(24).toString('base64url')]) {
      await t.rejects(post(genuine, line.collector(token)), { code: 'unauthorised' }, `token "${token}"`);
    }
    t.equal(value.to, READINGS);
    t.equal(stored(), before, 'the spool is as it was');
  });

  await t.test('a delivery that is sent again changes nothing, and is acknowledged as before', async (t) => {
    const before = { stored: stored(), state: await stateOf(first) };
    const { message, signature } = await wordOf(first);
    const { acknowledgements, conflicts } = await post(
      encodeDeliveryGroup(concat(message, signature), line.spooled(first)),
    );
    t.strictSame(conflicts, []);
    const signed = decodeSigned(fromBase64(acknowledgements[0]!), readAcknowledgement);
    const collectorKey = fromBase64(readFileSync(join(line.state.collector, 'collector.pub'), 'utf8').trim());
    t.ok(isSignedBy(engine, collectorKey, signed));
    t.match(signed.value, { first: 1, seq: READINGS });
    t.strictSame({ stored: stored(), state: await stateOf(first) }, before);
  });

  await t.test('a collector that was away, of a box that was killed meanwhile, misses nothing', async (t) => {
    await line.box.stopCollector();
    await line.box.stopBox();
    line.box.startBox();
    await line.until('the box records without the collector', ({ field }) =>
      field?.meters.every(({ recordedTo }) => recordedTo > READINGS + 1),
    );
    await line.box.stopBox('SIGKILL');
    const lengths = new Map<string, number>();
    for (const id of METERS) lengths.set(id, (await line.records(id)).length);
    line.box.startBox();
    await line.until('what it was to record since is anchored', ({ field }) =>
      field?.meters.every(({ id, anchoredTo }) => anchoredTo === lengths.get(id)! + READINGS),
    );
    for (const id of METERS) t.equal(line.spooled(id).length, READINGS, `${id}: nothing was delivered`);
    await line.box.startCollector();
    await line.settled(2 * READINGS);
    const chain = await line.chain();
    for (const id of METERS) {
      const records = await line.records(id);
      const entries = chain.all('reading', await line.subjectOf(id));
      t.strictSame(
        entries.map(({ entry }) => [entry.seq, toHex(entry.hash)]),
        records.map(({ bytes }, i) => [i + 1, toHex(readingHash(engine, bytes))]),
        `${id}: on the chain, gap-free`,
      );
    }
    await isWhole(t);
    t.match(await line.box.compare(), { outcome: 'judged', tampered: [], unverifiable: [] });
    await line.box.stopBox();
    const fsck = await meterseal('fsck', '--state', line.state.root, '--json');
    t.match({ ...fsck, stdout: JSON.parse(fsck.stdout) }, { code: 0, stdout: { clean: true, findings: [] } });
  });
});

t.test('a platform that takes nothing any more does not hold up collection', async (t) => {
  const box = await InnerBox.start(t, { mostReadings: 1_000 });
  await box.until(({ anchoredTo }) => anchoredTo >= 2);
  box.chain.fail(new MetersealError('commit-failed', "couldn't commit block: the test says so"));
  const before = new Map((await box.field.status()).meters.map(({ id, recordedTo }) => [id, recordedTo]));
  await box.until(({ id, acknowledgedTo }) => acknowledgedTo[0]! >= before.get(id)! + 5);

  const chain = await ChainCopy.read(box.state.sockets.proof, box.policy);
  for (const id of INNER_METERS) {
    const collected = spooledRecords(box.state.collector, id).map(hex);
    const [records, subject] = await box.store(async (store) => {
      const { number, subject } = (await store.findMeter(id))!;
      return [await store.pending(number, 0, collected.length), subject!];
    });
    t.strictSame(
      collected,
      records.map(({ bytes }) => hex(bytes)),
      `${id}: ${collected.length} collected`,
    );
    t.ok(collected.length > chain.all('reading', subject).length, 'more than the chain has');
  }
});
