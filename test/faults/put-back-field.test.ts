import type { Test } from 'tap';
import t from 'tap';
import { DayBox, METERS, named } from './day-box.js';

/*
 * field.db put back to an earlier copy, which is what a restored backup is. The copy ends with number 3; by then
 * numbers 4 to 7 were in use, and 8 and 9 are made afterwards.
 */

/** A box and a copy of its field.db; everybody has the first three readings. */
async function withCopy(t: Test): Promise<{ box: DayBox; copy: string }> {
  const box = await DayBox.start(t);
  await box.quarters(3);
  await box.settled();
  return { box, copy: await box.copyField() };
}

/** For each meter: these numbers, in the words of a comparison. */
function ofAll(reason: string, ...seqs: readonly number[]): string[] {
  return METERS.flatMap((meter) => seqs.map((seq) => `${meter} ${seq} ${reason}`));
}

/** No number is on the chain twice, none is missing, and the chain was told what was lost. */
async function assertChain(t: Test, box: DayBox, restored: object, readings = 9): Promise<void> {
  const chain = await box.chain();
  for (const [i] of METERS.entries()) {
    const numbers = chain.all('reading', i + 1).map(({ entry }) => entry.seq);
    t.strictSame(
      numbers,
      Array.from({ length: readings }, (_, n) => n + 1),
    );
    const events = chain.all('event', i + 1).map(({ entry }) => entry.event);
    t.match(
      events.filter(({ kind }) => kind === 'restored'),
      [{ kind: 'restored', subject: i + 1, ...restored }],
    );
  }
}

t.test(
  'with chain and collector at hand: numbers go on above both, and nothing is lost to anybody',
  async (t) => {
    const { box, copy } = await withCopy(t);
    await box.quarters(4);
    await box.settled();
    await box.putFieldBack(copy);
    await box.quarters(2);
    await box.settled();
    await assertChain(t, box, { from: 4, to: 7 });
    t.match(await box.compare(), { readings: 18, counts: { verified: 18, tampered: 0, unverifiable: 0 } });
    t.strictSame(await box.fsck(), []);
  },
);

t.test('with the chain only: what the collector had not got is stated to it as a gap', async (t) => {
  const { box, copy } = await withCopy(t);
  await box.collectorAway();
  await box.quarters(4);
  await box.anchored();
  await box.putFieldBack(copy);
  await box.quarters(2);
  await box.anchored();
  await assertChain(t, box, { from: 4, to: 7 });
  await box.collectorBack();
  await box.settled();
  t.match(
    box.collector.status().meters,
    METERS.map((meter) => ({ meter, first: 8, seq: 9 })),
  );
  const result = await box.compare();
  t.strictSame(named(result), ofAll('lost-by-field', 4, 5, 6, 7));
  t.match(result.counts, { verified: 10, tampered: 0, unverifiable: 8 });
  t.strictSame(await box.fsck(), []);
});

t.test(
  'with the collector only: the chain gets void records where the collector has the readings',
  async (t) => {
    const { box, copy } = await withCopy(t);
    await box.platformAway();
    await box.quarters(4);
    await box.acknowledged();
    await box.putFieldBack(copy);
    await box.quarters(2);
    await box.acknowledged();
    await box.platformBack();
    await box.settled();
    await assertChain(t, box, { from: 4, to: 7 });
    await box.quarters(1);
    await box.settled();
    const result = await box.compare();
    t.strictSame(named(result), ofAll('lost-by-field', 4, 5, 6, 7));
    t.match(result.counts, { tampered: 0, unverifiable: 8 });
    t.strictSame(await box.fsck(), []);
  },
);

t.test('with neither, and the collector back first: no number is used for two readings', async (t) => {
  const { box, copy } = await withCopy(t);
  await box.platformAway();
  await box.quarters(4);
  await box.acknowledged();
  await box.collectorAway();
  await box.putFieldBack(copy);
  await box.quarters(2);
  await box.collectorBack();
  await box.acknowledged();
  await box.platformBack();
  await box.settled();
  await box.quarters(1);
  await box.settled();
  await assertChain(t, box, { from: 4, to: 7, remade: 2 }, 10);
  const result = await box.compare();
  t.strictSame(named(result), ofAll('lost-by-field', 4, 5, 6, 7));
  t.strictSame(await box.fsck(), []);
});

/*
 * Where the one who knows which numbers are in use is away, the field can only go on. Its identity key has signed for two
 * readings under one number then, and a comparison says so.
 */

/** For each meter: 4 and 5 stand for two readings, 6 and 7 are lost. */
const SIGNED_TWICE = METERS.flatMap((meter) => [
  `${meter} 4 equivocation`,
  `${meter} 5 equivocation`,
  `${meter} 6 lost-by-field`,
  `${meter} 7 lost-by-field`,
]);

async function assertSignedTwice(t: Test, box: DayBox): Promise<void> {
  await box.quarters(1);
  await box.settled();
  const result = await box.compare();
  t.strictSame(named(result), SIGNED_TWICE);
  const accused = result.findings.filter(({ reason }) => reason === 'equivocation');
  t.ok(accused.every((finding) => finding.accused === 'box'));
  t.strictSame(await box.fsck(), []);
}

t.test(
  'anchored before the collector could say that it has the numbers: equivocation, and no more',
  async (t) => {
    const { box, copy } = await withCopy(t);
    await box.platformAway();
    await box.quarters(4);
    await box.acknowledged();
    await box.collectorAway();
    await box.putFieldBack(copy);
    await box.quarters(2);
    await box.platformBack();
    await box.anchored();
    await box.collectorBack();
    await box.acknowledged();
    await assertSignedTwice(t, box);
  },
);

t.test(
  'delivered before the chain could say that it has the numbers: equivocation, and no more',
  async (t) => {
    const { box, copy } = await withCopy(t);
    await box.collectorAway();
    await box.quarters(4);
    await box.anchored();
    await box.platformAway();
    await box.putFieldBack(copy);
    await box.quarters(2);
    await box.collectorBack();
    await box.acknowledged();
    await box.platformBack();
    await box.anchored();
    await assertSignedTwice(t, box);
  },
);
