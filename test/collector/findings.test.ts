import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import type { ComparisonResult } from '@meterseal/node-red-meterseal/core';
import { Journal } from '@meterseal/node-red-meterseal/internal/journal';
import { Mirrors } from '@meterseal/node-red-meterseal/internal/mirrors';
import { nodeStorage } from '@meterseal/node-red-meterseal/internal/node-storage';
import { unpackEntryList } from '@meterseal/node-red-meterseal/internal/packed-entries';
import {
  appendLeaves,
  concat,
  decodeSigned,
  EMPTY_RANGE,
  encodeDeliveryGroup,
  encodeEntries,
  fromBase64,
  leafHashes,
  openCheckpoint,
  readAcknowledgement,
  readingHash,
  utf8,
} from '@meterseal/protocol';
import t from 'tap';
import { editSpool, isAt, revalued } from './insider.js';
import { SampleChain } from './sample-chain.js';
import { openSample, SampleClock, startBoth } from './sample-collector.js';
import { collectorKey, keyOf, SampleMeter } from './sample-meter.js';
import { SamplePlatform } from './sample-platform.js';

function named(result: ComparisonResult): string[] {
  return result.findings.map(
    ({ meter, seq, reason, accused }) => `${meter} ${seq} ${reason}${accused ? ` ${accused}` : ''}`,
  );
}

/** Two meters with 20 readings each, delivered in batches of 5 and anchored. */
async function line(t: Parameters<typeof startBoth>[0] & { testdir(): string }, of?: SampleChain) {
  const dir = t.testdir();
  const both = await startBoth(t, dir, of);
  const { chain, collector } = both;
  const meters = [new SampleMeter('EM-1', 1), new SampleMeter('EM-2', 2)] as const;
  await collector.receiver.openings(meters.map((meter) => meter.opening()));
  const sessions = [];
  for (const meter of meters) {
    chain.enrol(meter);
    const session = chain.openSession(meter);
    chain.anchorAll(session, 1, 20);
    chain.close();
    sessions.push(session);
    for (let to = 5; to <= 20; to += 5)
      await collector.receiver.records(meter.delivery(1, meter.records(1, to), 5));
  }
  return { ...both, dir, meters, sessions };
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

t.test('a box that delivers one thing and anchors another convicts itself', async (t) => {
  const dir = t.testdir();
  const { chain, collector } = await startBoth(t, dir);
  const meter = new SampleMeter('EM-1', 1);
  await collector.receiver.openings([meter.opening()]);
  chain.enrol(meter);
  const session = chain.openSession(meter);
  for (let seq = 1; seq <= 10; seq++)
    chain.anchor(session, seq, meter.record(seq, seq === 4 ? '0.4' : `${seq}.5`));
  chain.close();
  await collector.receiver.records(meter.delivery(1, meter.records(1, 6)));
  await collector.receiver.records(meter.delivery(1, meter.records(1, 10), 4));
  t.strictSame(named(await collector.compare()), ['EM-1 4 equivocation box']);
  // And an insider who changes others in the same batch is told apart from the box.
  editSpool(dir, (record, frame) => [
    record.seq === 2 || record.seq === 9 ? revalued(record, frame, '1.1') : frame,
  ]);
  t.strictSame(named(await collector.compare()), [
    'EM-1 2 hash-differs collector',
    'EM-1 4 equivocation box',
    'EM-1 9 hash-differs collector',
  ]);
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

t.test('two hashes for one number on the chain are the box’s', async (t) => {
  const { chain, collector, meters, sessions } = await line(t);
  chain.anchor(sessions[0]!, 20, meters[0].record(20, '0.1'));
  chain.close();
  t.strictSame(named(await collector.compare()), ['EM-1 20 equivocation box']);
});

t.test('a number that is left out or repeated on the chain breaks its sequence', async (t) => {
  const { chain, collector, meters, sessions } = await line(t);
  const [meter, other] = meters;
  chain.anchorAll(sessions[0]!, 23, 24);
  chain.anchor(sessions[1]!, 20, other.record(20));
  chain.close();
  await collector.receiver.records(meter.delivery(1, meter.records(1, 24), 4));
  const result = await collector.compare();
  t.strictSame(named(result), [
    'EM-1 21 sequence-broken platform',
    'EM-1 22 sequence-broken platform',
    'EM-2 20 sequence-broken platform',
  ]);
  t.strictSame(
    result.findings.map(({ flaw }) => flaw),
    ['number-missing', 'number-missing', 'number-repeated'],
  );
});

t.test('a platform that invents a session, and readings under it, is named', async (t) => {
  const { chain, collector, meters } = await line(t);
  const [meter] = meters;
  const invented = chain.openSession(meter, keyOf('platform'));
  chain.anchor(invented, 21, meter.record(21, '0.1'));
  chain.close();
  await collector.receiver.records(meter.delivery(1, meter.records(1, 21), 1));
  const result = await collector.compare();
  t.strictSame(named(result), ['EM-1 0 sequence-broken platform', 'EM-1 21 sequence-broken platform']);
  t.strictSame(
    result.findings.map(({ flaw }) => flaw),
    ['session-invalid', 'session-invalid'],
  );
  t.strictSame(named(await collector.compare()), named(result), 'and again at the next comparison');
});

t.test('a platform that anchors a delivered reading without the meter is named', async (t) => {
  const { chain, collector, meters, sessions } = await line(t);
  const [meter, other] = meters;
  const record = meter.record(21);
  chain.anchor(sessions[0]!, 21, record, { sealSignature: keyOf('platform').sign(record) });
  chain.anchor(sessions[1]!, 21, other.record(21), { sealSignature: new Uint8Array(64).fill(255) });
  chain.anchor(sessions[1]!, 22, other.record(22), { session: 77 });
  chain.anchor({ ...sessions[0]!, meter: other }, 23, other.record(23));
  chain.close();
  await collector.receiver.records(meter.delivery(1, meter.records(1, 21), 1));
  await collector.receiver.records(other.delivery(1, other.records(1, 23), 3));
  for (const round of ['first', 'second']) {
    const result = await collector.compare();
    t.strictSame(
      named(result),
      [
        'EM-1 21 sequence-broken platform',
        'EM-2 21 sequence-broken platform',
        'EM-2 22 sequence-broken platform',
        'EM-2 23 sequence-broken platform',
      ],
      round,
    );
    t.strictSame(
      result.findings.map(({ flaw }) => flaw),
      ['seal-invalid', 'seal-malformed', 'session-unknown', 'session-of-another-meter'],
    );
  }
});

t.test(
  'a session names an accepted authentication of its own meter, once, and its number rises',
  async (t) => {
    for (const [what, open] of [
      [
        'one that was used',
        (chain: SampleChain, meter: SampleMeter) => {
          const used = chain.authenticate(meter);
          chain.openSession(meter, meter.identity, used);
          chain.openSession(meter, meter.identity, used);
        },
      ],
      [
        'one that was rejected',
        (chain: SampleChain, meter: SampleMeter) => {
          chain.openSession(meter, meter.identity, chain.authenticate(meter, 'rejected'));
        },
      ],
      [
        'another meter’s',
        (chain: SampleChain, meter: SampleMeter) => {
          chain.openSession(meter, meter.identity, chain.authenticate(new SampleMeter('EM-2', 2)));
        },
      ],
      [
        'one that is not there',
        (chain: SampleChain, meter: SampleMeter) => {
          chain.openSession(meter, meter.identity, { index: 1, hash: new Uint8Array(32) });
        },
      ],
      [
        'a number that was used',
        (chain: SampleChain, meter: SampleMeter) => {
          chain.openSession(meter, meter.identity, chain.authenticate(meter), 2);
        },
      ],
      [
        'of a meter that is not enrolled',
        (chain: SampleChain) => {
          chain.openSession(new SampleMeter('EM-9', 9));
        },
      ],
    ] as const) {
      await t.test(what, async (t) => {
        const { chain, collector, meters, reopen } = await line(t);
        open(chain, meters[0]);
        chain.close();
        const result = await collector.compare();
        t.strictSame(
          result.findings.map(({ seq, reason, flaw, accused }) => [seq, reason, flaw, accused]),
          [[0, 'sequence-broken', 'session-invalid', 'platform']],
        );
        t.strictSame(named(await (await reopen()).compare()), named(result));
      });
    }
  },
);

/** Appends to one of the collector's files as an insider could, with checksums made right. */
async function smuggle(dir: string, file: string, item: Uint8Array): Promise<void> {
  const journal = await Journal.open(nodeStorage, join(dir, file), file, () => {});
  await journal.append([item]);
  await journal.close();
}

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

t.test('a subject that is two meters, or another than its field says, is the platform’s doing', async (t) => {
  const { chain, collector, meters } = await line(t);
  const stranger = new SampleMeter('EM-9', meters[1].subject);
  chain.enrol(stranger, 21);
  const moved = new SampleMeter('EM-1', 5);
  chain.enrol(moved);
  chain.close();
  t.strictSame(named(await collector.compare()), [
    'EM-2 0 duplicate-subject platform',
    'undefined 0 duplicate-subject platform',
  ]);
});

t.test('an enrolment that does not fit the opening is named', async (t) => {
  const { chain, collector } = await line(t);
  const opened = new SampleMeter('EM-3', 3);
  const enrolled = new SampleMeter('EM-4', 3);
  await collector.receiver.openings([opened.opening()]);
  chain.enrol(enrolled);
  chain.close();
  t.strictSame(named(await collector.compare()), ['EM-3 0 duplicate-subject platform']);
});

t.test('an entry that is no entry is named, and the rest is judged', async (t) => {
  const { chain, collector } = await line(t);
  chain.addBytes(utf8('nonsense'));
  chain.addBytes(new Uint8Array(128).fill(4));
  chain.close();
  const result = await collector.compare();
  t.strictSame(named(result), [
    'undefined 0 sequence-broken platform',
    'undefined 0 sequence-broken platform',
  ]);
  t.equal(result.counts.verified, 40);
  t.equal(result.outcome, 'judged');
});

t.test('a reading that the platform refused is told with its void record', async (t) => {
  const { chain, collector, meters, sessions, clock } = await line(t);
  const [meter] = meters;
  const refused = meter.record(21);
  const stood = meter.voidRecord(21, refused);
  await collector.receiver.records(meter.delivery(1, meter.records(1, 21), 1));
  chain.anchor(sessions[0]!, 21, stood);
  chain.close();
  const answer = await collector.receiver.records(
    encodeDeliveryGroup(meter.statement(1, meter.records(1, 21)), [stood]),
  );
  t.strictSame(answer.conflicts, [{ meter: 'EM-1', seq: 21 }]);
  clock.wall += 1;
  const result = await collector.compare();
  t.strictSame(named(result), ['EM-1 21 refused-by-platform']);
  t.strictSame(result.counts, { verified: 41, tampered: 0, unverifiable: 1 });
});

t.test('a reading that the field has lost is told with its void record', async (t) => {
  const { chain, collector, meters, sessions } = await line(t);
  const [meter] = meters;
  await collector.receiver.records(meter.delivery(1, meter.records(1, 21), 1, [meter.voidRecord(21)]));
  chain.anchor(sessions[0]!, 21, meter.voidRecord(21));
  chain.close();
  t.strictSame(named(await collector.compare()), ['EM-1 21 lost-by-field']);
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

t.test('of several versions the one on the chain is verified, the others differ', async (t) => {
  const { collector, meters } = await line(t);
  const [meter] = meters;
  await collector.receiver.records(meter.delivery(1, meter.records(1, 20), 1, [meter.record(20, '0.1')]));
  const result = await collector.compare();
  t.strictSame(named(result), ['EM-1 20 hash-differs collector']);
  t.equal(result.counts.verified, 40);
});

t.test('what is delivered and not on the chain waits, and is overdue after a while', async (t) => {
  const { collector, meters, clock } = await line(t);
  await collector.receiver.records(meters[0].delivery(1, meters[0].records(1, 22), 2));
  t.strictSame(named(await collector.compare()), ['EM-1 21 not-yet-anchored', 'EM-1 22 not-yet-anchored']);
  clock.wall += 3_600_001;
  t.strictSame(named(await collector.compare()), ['EM-1 21 anchoring-overdue', 'EM-1 22 anchoring-overdue']);
});

t.test('numbers behind a gap statement are told with its reason', async (t) => {
  const { chain, collector, meters, sessions } = await line(t);
  const [meter, other] = meters;
  chain.anchorAll(sessions[0]!, 21, 25);
  chain.anchorAll(sessions[1]!, 21, 22);
  chain.close();
  await collector.receiver.gaps(concat(meter.gap(21, 23), other.gap(21, 22, 'dropped-by-policy')));
  await collector.receiver.records(meter.delivery(24, meter.records(24, 25)));
  t.strictSame(named(await collector.compare()), [
    'EM-1 21 lost-by-field',
    'EM-1 22 lost-by-field',
    'EM-1 23 lost-by-field',
    'EM-2 21 dropped-by-policy',
    'EM-2 22 dropped-by-policy',
  ]);
});

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

t.test('meters of other collectors are none of this one’s business', async (t) => {
  const { chain, collector } = await line(t);
  const foreign = new SampleMeter('EM-8', 8);
  chain.enrol(foreign);
  chain.anchorAll(chain.openSession(foreign), 1, 5);
  chain.close();
  const result = await collector.compare();
  t.strictSame(result.findings, []);
  t.equal(result.readings, 40);
});

t.test(
  'an identity key that the meter has not named yet vouches for nothing, and accuses nobody',
  async (t) => {
    const { chain, collector, meters } = await line(t);
    const [meter] = meters;
    await collector.receiver.records(meter.delivery(1, meter.records(1, 22), 2));
    const old = meter.identity;
    meter.identity = keyOf('re-enrolled');
    chain.enrol(meter, 21);
    chain.anchorAll(chain.openSession(meter), 21, 22);
    chain.close();
    t.strictSame(named(await collector.compare()), ['EM-1 21 not-yet-anchored', 'EM-1 22 not-yet-anchored']);
    await collector.receiver.openings([meter.opening()]);
    t.strictSame(named(await collector.compare()), []);
    t.not(old, meter.identity);
  },
);

t.test('the next epoch goes on where the last one ended; what lies between is told', async (t) => {
  const dir = t.testdir();
  const first = new SampleChain(1);
  const second = new SampleChain(2, first.origin);
  const { platform } = await startBoth(t, t.testdir({}), first);
  await platform.stop();
  const meter = new SampleMeter('EM-1', 1);
  first.enrol(meter);
  first.anchorAll(first.openSession(meter), 1, 5);
  first.close();
  second.enrol(meter, 8);
  second.anchorAll(second.openSession(meter), 8, 10);
  second.close();

  const running = await SamplePlatform.start(first, collectorKey.publicKey);
  t.teardown(() => running.stop());
  const collector = await openSample({
    dir: join(dir, 'c'),
    policy: SampleChain.policyOf(first, second),
    port: running.port,
  });
  t.teardown(() => collector.close());
  await collector.receiver.openings([meter.opening()]);
  await collector.receiver.records(meter.delivery(1, meter.records(1, 10)));
  const before = await collector.compare();
  t.equal(before.counts.verified, 5);
  running.chain.current = second;
  const after = await collector.compare();
  t.equal(after.outcome, 'judged', `${after.why}`);
  t.strictSame(named(after), ['EM-1 6 anchor-lost', 'EM-1 7 anchor-lost']);
  t.equal(after.counts.verified, 8);
  running.chain.current = first;
  t.equal(
    (await collector.compare()).outcome,
    'stale-checkpoint',
    'an epoch that has ended does not come back',
  );

  // The gate has seen lease counters of this key.
  const later = new SampleClock();
  later.wall += 60_000;
  const late = await openSample({
    dir: join(dir, 'late'),
    clock: later,
    policy: SampleChain.policyOf(second),
    port: running.port,
  });
  t.teardown(() => late.close());
  running.chain.current = second;
  await late.receiver.openings([meter.opening()]);
  await late.receiver.records(meter.delivery(1, meter.records(1, 10)));
  t.strictSame(
    named(await late.compare()),
    [1, 2, 3, 4, 5, 6, 7].map((seq) => `EM-1 ${seq} before-mirror`),
  );
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
  await mirror.append(unpackEntryList(encodeEntries(forged.entries), forged.size));
  const { checkpoint } = openCheckpoint(crypto, SampleChain.policyOf(forged), forged.note);
  await mirror.commit(forged.note, checkpoint, appendLeaves(crypto, EMPTY_RANGE, leaves));
  await mirrors.close();
  editSpool(dir, (record, frame) => [
    isAt(record, 'EM-1', 1) ? { ...frame, record: meter.record(1, '0.1') } : frame,
  ]);
  const result = await (await reopen()).compare();
  t.equal(result.outcome, 'bad-entries', `${result.why}`);
});
