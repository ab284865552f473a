import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type SampleClock, startBoth } from './sample-collector.js';
import { named } from './sample-line.js';
import { SampleMeter } from './sample-meter.js';

const READINGS = 1_500;

/** A collector with more readings than one comparison checks seals of; those of `forged` are by the session's key, over something else. */
async function manySeals(
  t: Parameters<typeof startBoth>[0] & { testdir(): string },
  forged: readonly number[],
) {
  const dir = t.testdir();
  const both = await startBoth(t, dir);
  const { chain, collector } = both;
  const meter = new SampleMeter('EM-1', 1);
  chain.enrol(meter);
  const session = chain.openSession(meter);
  for (let seq = 1; seq <= READINGS; seq++) {
    const sealSignature = session.key.sign(meter.record(seq, forged.includes(seq) ? '0.1' : undefined));
    chain.anchor(session, seq, meter.record(seq), { sealSignature });
  }
  chain.close();
  await collector.receiver.openings([meter.opening()]);
  for (let to = 250; to <= READINGS; to += 250) {
    await collector.receiver.records(meter.delivery(1, meter.records(1, to), 250));
  }
  return { ...both, dir };
}

t.test(
  'seals that a comparison leaves are checked after it, and what is bad is told by the next',
  async (t) => {
    const { collector } = await manySeals(t, [1_400]);
    const first = await collector.compare();
    t.equal(first.counts.verified, READINGS, 'the hashes agree');
    t.ok(first.seals.pending > 0, 'and it is said that not every seal is checked');
    t.equal(first.seals.checked + first.seals.pending, READINGS);
    await collector.audited();
    const next = await collector.compare({ scope: 'new' });
    t.equal(next.scope, 'full', 'what a bad seal was found in is looked at again as a whole');
    t.strictSame(named(next), ['EM-1 1400 sequence-broken platform']);
    t.equal(next.findings[0]?.flaw, 'seal-invalid');
    t.strictSame(next.seals, { checked: READINGS - 1, pending: 0 });
  },
);

t.test('a bad seal is told again after a restart, though seals before it were never checked', async (t) => {
  const { dir, collector, reopen } = await manySeals(t, [1_400]);
  await collector.compare();
  await collector.audited();
  await collector.close();
  const checked = join(dir, 'mirror', '1', 'checked');
  const again = await reopen();
  t.strictSame(named(await again.compare()), ['EM-1 1400 sequence-broken platform']);
  await again.close();
  // Without the file nothing is known, and it is found once more.
  writeFileSync(checked, '');
  const anew = await reopen();
  t.strictSame(named(await anew.compare()), []);
  await anew.audited();
  t.strictSame(named(await anew.compare()), ['EM-1 1400 sequence-broken platform']);
});

t.test('a comparison does not wait for the audit, which goes on after it', async (t) => {
  const { collector } = await manySeals(t, []);
  const { pending } = (await collector.compare()).seals;
  t.ok(pending > 0);
  await collector.compare();
  await collector.audited();
  t.strictSame(collector.status().seals, { checked: READINGS, pending: 0 });
});

t.test('closing ends the audit', async (t) => {
  const { collector, reopen } = await manySeals(t, []);
  await collector.compare();
  await collector.close();
  await collector.audited();
  const again = await reopen();
  const { seals } = await again.compare();
  t.equal(seals.checked + seals.pending, READINGS, 'what it had checked is known');
  await again.audited();
  t.equal(again.status().seals.pending, 0);
});

t.test('whatever breaks the audit ends nothing else, and the next one goes on', async (t) => {
  const both = await manySeals(t, []);
  const { collector } = both;
  const clock = both.clock as { sleep: SampleClock['sleep'] };
  const { sleep } = clock;
  await collector.compare();
  // The audit has begun to wait; its first rest after that fails as nothing of ours does.
  clock.sleep = () => Promise.reject(new Error('broken'));
  await collector.audited();
  clock.sleep = sleep;
  const { outcome, counts } = await collector.compare();
  t.equal(outcome, 'judged');
  t.equal(counts.verified, READINGS);
  await collector.audited();
  t.strictSame(collector.status().seals, { checked: READINGS, pending: 0 });
});
