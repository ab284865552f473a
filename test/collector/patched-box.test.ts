import { utf8 } from '@meterseal/protocol';
import t from 'tap';
import { editSpool, revalued } from './insider.js';
import type { SampleChain } from './sample-chain.js';
import { startBoth } from './sample-collector.js';
import { line, named } from './sample-line.js';
import { keyOf, SampleMeter } from './sample-meter.js';

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
