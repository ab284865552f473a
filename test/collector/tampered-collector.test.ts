import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import { readEntryList } from '@meterseal/node-red-meterseal/internal/mirror/entry-list';
import { Mirrors } from '@meterseal/node-red-meterseal/internal/mirror/mirrors';
import { Journal } from '@meterseal/node-red-meterseal/internal/storage/journal';
import { nodeStorage } from '@meterseal/node-red-meterseal/internal/storage/node-storage';
import {
  appendLeaves,
  decodeSigned,
  EMPTY_RANGE,
  encodeEntries,
  fromBase64,
  leafHashes,
  openCheckpoint,
  readAcknowledgement,
  readingHash,
} from '@meterseal/protocol';
import t from 'tap';
import { editSpool, isAt, revalued } from './insider.js';
import { SampleChain } from './sample-chain.js';
import { line, named } from './sample-line.js';
import { collectorKey, keyOf, SampleMeter } from './sample-meter.js';

/** Appends to one of the collector's files as an insider could, with checksums made right. */
async function smuggle(dir: string, file: string, item: Uint8Array): Promise<void> {
  const journal = await Journal.open(nodeStorage, join(dir, file), file, () => {});
  await journal.append([item]);
  await journal.close();
}

t.test('what an insider does to the spool is named exactly, while the collector is stopped', async (t) => {
  const { dir, collector, reopen } = await line(t);
  t.strictSame((await collector.compare()).counts, { verified: 40, tampered: 0, unverifiable: 0 });
  await collector.close();
  editSpool(dir, (record, frame) => [isAt(record, 'EM-1', 7) ? revalued(record, frame, '0.1') : frame]);
  const changed = await (await reopen()).compare();
  t.strictSame(named(changed), ['EM-1 7 hash-differs collector']);
  await (await reopen()).close();
  editSpool(dir, (record, frame) => (isAt(record, 'EM-2', 13) ? [] : [frame]));
  t.strictSame(named(await (await reopen()).compare()), [
    'EM-1 7 hash-differs collector',
    'EM-2 13 missing-at-collector collector',
  ]);
  await (await reopen()).close();
  const invented = new SampleMeter('EM-2', 2).record(1_000_020);
  editSpool(dir, (record, frame) =>
    isAt(record, 'EM-2', 20) ? [frame, { ...frame, record: invented }] : [frame],
  );
  const last = await (await reopen()).compare();
  t.strictSame(named(last), [
    'EM-1 7 hash-differs collector',
    'EM-2 13 missing-at-collector collector',
    'EM-2 1000020 not-in-chain collector',
  ]);
  t.strictSame(last.counts, { verified: 38, tampered: 3, unverifiable: 0 });
  t.equal(last.readings, 41);
});

t.test('what is judged is what is on the disk, not what was once received', async (t) => {
  const { dir, collector } = await line(t);
  await collector.compare();
  editSpool(dir, (record, frame) => [isAt(record, 'EM-1', 3) ? revalued(record, frame, '9.9') : frame]);
  t.strictSame(named(await collector.compare()), ['EM-1 3 hash-differs collector']);
});

t.test(
  'after an insider invented a reading, the true ones are received and verified as before',
  async (t) => {
    const { dir, collector, reopen, chain, meters, sessions } = await line(t);
    await collector.close();
    const [meter] = meters;
    editSpool(dir, (record, frame) => [
      frame,
      ...(isAt(record, 'EM-1', 20) ? [{ ...frame, record: meter.record(21, '0.1') }] : []),
    ]);
    const again = await reopen();
    chain.anchorAll(sessions[0]!, 21, 22);
    chain.close();
    const answer = await again.receiver.records(meter.delivery(1, meter.records(1, 22), 2));
    t.strictSame(answer.conflicts, [], 'what was never acknowledged is no conflict');
    t.strictSame(named(await again.compare()), ['EM-1 21 hash-differs collector']);
  },
);

t.test('many changed readings in one batch are the collector’s, each named', async (t) => {
  const { dir, collector } = await line(t);
  editSpool(dir, (record, frame) => [
    record.seq > 5 && record.seq <= 15 ? revalued(record, frame, '7.7') : frame,
  ]);
  const result = await collector.compare();
  t.equal(result.counts.tampered, 20);
  t.ok(result.findings.every(({ reason }) => reason === 'hash-differs'));
});

t.test('a collector cannot make it look as if the box had delivered something else', async (t) => {
  const { dir, collector, meters, reopen } = await line(t);
  await collector.close();
  const [meter] = meters;
  const forged = meter.records(1, 20).map((record, i) => (i === 6 ? meter.record(7, '0.1') : record));
  editSpool(dir, (record, frame) => [
    isAt(record, 'EM-1', 7) ? { ...frame, record: meter.record(7, '0.1') } : frame,
  ]);
  // Statements that lead over the changed reading, signed by a key that the collector's owner made.
  const forger = keyOf('forger');
  const other = await reopen();
  await other.receiver.openings([
    { ...meter.opening(), identityKey: Buffer.from(forger.publicKey).toString('base64') },
  ]);
  const statement = meter.statement(1, forged, { signer: forger });
  const path = join(dir, 'deliveries');
  const frames = readFileSync(path);
  await other.close();
  writeFileSync(path, new Uint8Array(0));
  const journal = await Journal.open(nodeStorage, path, 'deliveries', () => {});
  await journal.append([statement]);
  await journal.close();
  t.not(readFileSync(path).length, frames.length);
  t.strictSame(named(await (await reopen()).compare()), ['EM-1 7 hash-differs collector']);
});

t.test('a gap that the meter did not state excuses nothing', async (t) => {
  const { dir, chain, collector, meters, sessions, reopen } = await line(t);
  chain.anchorAll(sessions[0]!, 21, 22);
  chain.close();
  await collector.close();
  await smuggle(dir, 'gaps', meters[0].gap(21, 22, 'dropped-by-policy', keyOf('insider')));
  t.strictSame(named(await (await reopen()).compare()), [
    'EM-1 21 not-yet-received',
    'EM-1 22 not-yet-received',
  ]);
});

t.test('a statement that the meter did not sign covers nothing', async (t) => {
  const { dir, collector, meters, reopen } = await line(t);
  await collector.close();
  const [meter] = meters;
  await smuggle(dir, 'deliveries', meter.statement(1, meter.records(1, 30), { signer: keyOf('insider') }));
  await smuggle(
    dir,
    'deliveries',
    meter.statement(1, meter.records(1, 30), { collectorKey: keyOf('else').publicKey }),
  );
  editSpool(dir, (record, frame) => [
    frame,
    ...(isAt(record, 'EM-1', 20) ? [{ ...frame, record: meter.record(21) }] : []),
  ]);
  t.strictSame(named(await (await reopen()).compare()), ['EM-1 21 not-in-chain collector']);
});

t.test('an acknowledgement on the chain that this collector did not sign says nothing', async (t) => {
  const { chain, collector, meters, sessions } = await line(t);
  const [meter] = meters;
  chain.anchorAll(sessions[0]!, 21, 21);
  const ack = {
    collectorKey: collectorKey.publicKey,
    first: 1,
    seq: 21,
    runningHash: new Uint8Array(32),
    time: 1,
  };
  chain.acknowledge(meter, ack, keyOf('platform').sign(new Uint8Array(1)));
  chain.close();
  t.strictSame(named(await collector.compare()), ['EM-1 21 not-yet-received']);
});

t.test(
  'an insider cannot excuse a changed reading with a void record that the chain does not have',
  async (t) => {
    const { dir, collector, meters } = await line(t);
    const [meter] = meters;
    editSpool(dir, (record, frame) =>
      isAt(record, 'EM-1', 7)
        ? [
            revalued(record, frame, '0.1'),
            { ...frame, record: meter.voidRecord(7, revalued(record, frame, '0.1').record) },
          ]
        : [frame],
    );
    t.strictSame(named(await collector.compare()), [
      'EM-1 7 hash-differs collector',
      'EM-1 7 hash-differs collector',
    ]);
  },
);

t.test('heights that were deleted are remembered by the acknowledgements on the chain', async (t) => {
  const { dir, chain, collector, meters, reopen } = await line(t);
  const [meter] = meters;
  const answer = await collector.receiver.records(meter.delivery(1, meter.records(1, 20), 1));
  const signed = decodeSigned(fromBase64(answer.acknowledgements[0]!), readAcknowledgement);
  chain.acknowledge(meter, signed.value, signed.signature);
  chain.acknowledge(meter, { ...signed.value, seq: 21 }, signed.signature);
  chain.close();
  await collector.close();
  editSpool(dir, (record, frame) => (isAt(record, 'EM-1', 20) ? [] : [frame]));
  writeFileSync(join(dir, 'heights'), '');
  for (const round of ['first', 'second']) {
    const result = await (await reopen()).compare();
    t.strictSame(named(result), ['EM-1 20 missing-at-collector collector'], round);
  }
  // Even where nothing that names the meter is left.
  await (await reopen()).close();
  for (const file of ['openings', 'deliveries']) writeFileSync(join(dir, file), '');
  editSpool(dir, (record, frame) => (record.meter === 'EM-1' ? [] : [frame]));
  const result = await (await reopen()).compare();
  const of1 = result.findings.filter(({ subject }) => subject === 1);
  t.equal(of1.length, 20);
  t.ok(of1.every(({ reason, meter: id }) => reason === 'missing-at-collector' && id === undefined));
});

t.test('records of a meter that was never opened to the collector were not received by it', async (t) => {
  const { dir, collector } = await line(t);
  const stranger = new SampleMeter('EM-7', 7);
  editSpool(dir, (record, frame) => [
    frame,
    ...(isAt(record, 'EM-1', 1)
      ? [
          { ...frame, record: stranger.record(1) },
          { ...frame, record: stranger.record(1) },
        ]
      : []),
  ]);
  t.strictSame(named(await collector.compare()), [
    'EM-7 1 not-in-chain collector',
    'EM-7 1 not-in-chain collector',
  ]);
});

t.test('a mirror that was edited on the disk is never judged by', async (t) => {
  const { dir, collector, chain, meters, reopen } = await line(t);
  await collector.compare();
  const entries = join(dir, 'mirror', '1', 'entries');
  const good = readFileSync(entries);
  const record = meters[0].record(7);
  const at = good.indexOf(readingHash(crypto, record));
  t.ok(at > 0);
  await collector.close();
  // A record and its entry, changed together.
  const forged = meters[0].record(7, '0.1');
  editSpool(dir, (old, frame) => [isAt(old, 'EM-1', 7) ? { ...frame, record: forged } : frame]);
  const bad = Buffer.from(good);
  bad.set(readingHash(crypto, forged), at);
  writeFileSync(entries, bad);
  const result = await (await reopen()).compare();
  t.equal(result.outcome, 'bad-entries', `${result.why}`);
  t.equal(result.counts.verified, 0);
  for (const [what, bytes] of [
    ['cut', good.subarray(0, good.length - 200)],
    ['empty', new Uint8Array(0)],
  ] as const) {
    await (await reopen()).close();
    writeFileSync(entries, bytes);
    t.equal((await (await reopen()).compare()).outcome, 'bad-entries', what);
  }
  t.ok(chain.size > 0);
});

t.test('an epoch that an insider made up is not judged by', async (t) => {
  const { dir, collector, meters, reopen } = await line(t, new SampleChain(2));
  await collector.compare();
  await collector.close();
  const [meter] = meters;
  const forged = new SampleChain(1);
  forged.enrol(meter);
  forged.anchor(forged.openSession(meter), 1, meter.record(1, '0.1'));
  forged.close();
  const mirrors = await Mirrors.open(nodeStorage, dir, crypto);
  const mirror = await mirrors.of(1);
  const leaves = leafHashes(crypto, forged.entries);
  await mirror.append(readEntryList(encodeEntries(forged.entries), forged.size));
  const { checkpoint } = openCheckpoint(crypto, SampleChain.policyOf(forged), forged.note);
  await mirror.commit(forged.note, checkpoint, appendLeaves(crypto, EMPTY_RANGE, leaves));
  await mirrors.close();
  editSpool(dir, (record, frame) => [
    isAt(record, 'EM-1', 1) ? { ...frame, record: meter.record(1, '0.1') } : frame,
  ]);
  const result = await (await reopen()).compare();
  t.equal(result.outcome, 'bad-entries', `${result.why}`);
});
