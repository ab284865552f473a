import type { Test } from 'tap';
import t from 'tap';
import { DayBox, METERS } from './day-box.js';

/** Cycles of a quarter of an hour, before the outage and while it lasts. */
const BEFORE = 4;
const DAY = 96;
const ALL = BEFORE + DAY;

/** A box with some readings that everybody has. */
async function started(t: Test): Promise<DayBox> {
  const box = await DayBox.start(t);
  await box.quarters(BEFORE);
  await box.settled();
  return box;
}

/** How far each meter is recorded, anchored and acknowledged; the same for all of them. */
async function standing(t: Test, box: DayBox): Promise<object> {
  const [first, ...others] = (await box.meters()).map(({ recordedTo, anchoredTo, acknowledgedTo, last }) => ({
    ...{ recordedTo, anchoredTo, acknowledgedTo: acknowledgedTo[0] },
    answered: last?.answered,
  }));
  for (const other of others) t.strictSame(other, first);
  return first!;
}

/** Everything of all meters is on the chain and at the collector, and verified; nothing is damaged. */
async function isWhole(t: Test, box: DayBox): Promise<void> {
  await box.settled();
  t.match(await standing(t, box), { recordedTo: ALL });
  const readings = METERS.length * ALL;
  t.equal((await box.chain()).all('reading').length, readings);
  const result = await box.compare();
  t.match(result, {
    outcome: 'judged',
    readings,
    counts: { verified: readings, tampered: 0, unverifiable: 0 },
  });
  t.strictSame(await box.fsck(), []);
}

t.test('the platform away for a day: recording and collection go on, then all is anchored', async (t) => {
  const box = await started(t);
  const before = (await box.chain()).checkpoint.size;
  await box.platformAway();
  await box.quarters(DAY);
  await box.acknowledged();
  const expected = { recordedTo: ALL, anchoredTo: BEFORE, acknowledgedTo: ALL, answered: true };
  t.strictSame(await standing(t, box), expected);
  t.match(await box.compare(), { outcome: 'link-denied', windowMs: 0 }, 'no chain, no comparison');

  await box.platformBack();
  await box.settled();
  const chain = await box.chain();
  const sessions = new Map(chain.all('session').map(({ entry, index }) => [entry.seq, index]));
  const anchored = chain.all('reading').filter(({ index }) => index >= before);
  t.equal(anchored.length, METERS.length * DAY);
  t.ok(
    anchored.every(({ entry }) => sessions.get(entry.session)! >= before),
    'under sessions that were opened after the outage',
  );
  await isWhole(t, box);
});

t.test('the collector away for a day: recording and anchoring go on, then all is delivered', async (t) => {
  const box = await started(t);
  await box.collectorAway();
  await box.quarters(DAY);
  await box.anchored();
  const expected = { recordedTo: ALL, anchoredTo: ALL, acknowledgedTo: BEFORE, answered: true };
  t.strictSame(await standing(t, box), expected);
  await box.collectorBack();
  await isWhole(t, box);
});

t.test('both away for a day: recording goes on, then all is anchored and delivered', async (t) => {
  const box = await started(t);
  await box.platformAway();
  await box.collectorAway();
  await box.quarters(DAY);
  const expected = { recordedTo: ALL, anchoredTo: BEFORE, acknowledgedTo: BEFORE, answered: true };
  t.strictSame(await standing(t, box), expected);
  await box.platformBack();
  await box.collectorBack();
  await isWhole(t, box);
});
