import t from 'tap';
import { Dice } from '../simulation/dice.js';
import { editSpool, isAt, revalued } from './insider.js';
import { line, named } from './sample-line.js';
import { SampleMeter } from './sample-meter.js';

const SEEDS = 20;
const STEPS = 12;

t.test('the quick form needs a comparison before it, and then counts what came since', async (t) => {
  const { chain, collector, meters, sessions, reopen } = await line(t);
  const first = await collector.compare({ scope: 'new' });
  t.equal(first.scope, 'full', 'there is nothing to build on');
  t.equal(first.counts.verified, 40);
  const nothing = await collector.compare({ scope: 'new' });
  t.match(nothing, { outcome: 'judged', scope: 'new', readings: 0, findings: [] });
  chain.anchorAll(sessions[0]!, 21, 23);
  chain.close();
  await collector.receiver.records(meters[0].delivery(1, meters[0].records(1, 24), 4));
  const some = await collector.compare({ scope: 'new' });
  t.strictSame(some.counts, { verified: 3, tampered: 0, unverifiable: 1 });
  t.strictSame(named(some), ['EM-1 24 not-yet-anchored']);
  chain.anchorAll(sessions[0]!, 24, 24);
  chain.close();
  const later = await collector.compare({ scope: 'new' });
  t.strictSame(
    later.counts,
    { verified: 1, tampered: 0, unverifiable: 0 },
    'what was open is looked at again',
  );
  t.strictSame((await (await reopen()).compare({ scope: 'new' })).counts, {
    verified: 44,
    tampered: 0,
    unverifiable: 0,
  });
});

t.test(
  'what an insider changes on the disk the full form alone finds, and the quick form goes on telling',
  async (t) => {
    const { dir, collector } = await line(t);
    await collector.compare();
    editSpool(dir, (record, frame) => [isAt(record, 'EM-1', 7) ? revalued(record, frame, '0.1') : frame]);
    t.strictSame(named(await collector.compare({ scope: 'new' })), []);
    t.strictSame(named(await collector.compare()), ['EM-1 7 hash-differs collector']);
    t.strictSame(named(await collector.compare({ scope: 'new' })), ['EM-1 7 hash-differs collector']);
  },
);

t.test('whatever happens in between, the quick form names what the full form names', async (t) => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const dice = new Dice(seed);
    const { dir, chain, collector, meters, sessions } = await line(t);
    const delivered = [20, 20];
    const anchored = [20, 20];
    await collector.compare();
    for (let step = 0; step < STEPS; step++) {
      const m = dice.below(2);
      const meter = meters[m]!;
      const session = sessions[m]!;
      const some = 1 + dice.below(4);
      const deed = dice.below(8);
      if (deed <= 1) {
        delivered[m]! += some;
        await collector.receiver.records(meter.delivery(1, meter.records(1, delivered[m]!), some));
      } else if (deed <= 3) {
        chain.anchorAll(session, anchored[m]! + 1, anchored[m]! + some);
        anchored[m]! += some;
      } else if (deed === 4) {
        const seq = 1 + dice.below(anchored[m]! + 3);
        // Another reading, under a number that may have one.
        chain.anchor(session, seq, meter.record(seq, `${step}.25`));
        anchored[m] = Math.max(anchored[m]!, seq);
      } else if (deed === 5) {
        const seq = 1 + dice.below(delivered[m]!);
        const voided = meter.voidRecord(seq, meter.record(seq));
        const all = meter.records(1, delivered[m]!);
        await collector.receiver.records(meter.delivery(1, all, 0, [voided]));
        if (dice.below(2) === 0) chain.anchor(session, seq, voided);
      } else if (deed === 6) {
        const seq = 1 + dice.below(delivered[m]!);
        // Of the same length, so that the open file goes on where it was.
        editSpool(dir, (record, frame) => {
          const value = record.values[0]?.value;
          if (!isAt(record, meter.id, seq) || value == null) return [frame];
          return [revalued(record, frame, `${value.slice(0, -1)}${(Number(value.at(-1)) + 1) % 10}`)];
        });
        await collector.compare();
      } else {
        chain.enrol(new SampleMeter(`EM-${10 + step}`, 10 + step));
        chain.openSession(meter);
      }
      chain.close();
      const quick = await collector.compare({ scope: 'new' });
      t.equal(quick.scope, 'new');
      if (dice.below(3) > 0) continue;
      const full = await collector.compare();
      const what = `seed ${seed}, step ${step}, deed ${deed}`;
      if (!t.strictSame(named(quick), named(full), what)) return;
      t.equal(quick.counts.tampered, full.counts.tampered, what);
      t.equal(quick.counts.unverifiable, full.counts.unverifiable, what);
    }
    await collector.close();
  }
});
