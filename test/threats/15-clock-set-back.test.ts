import { decodeRecord } from '@meterseal/protocol';
import { FieldStore } from 'meterseal/internal/agent/field-store';
import t from 'tap';
import { DayBox, METERS } from '../faults/day-box.js';

const DAY_MS = 86_400_000;

t.test('a wall clock that is set back by a day moves no number, and everybody is told', async (t) => {
  const box = await DayBox.start(t);
  await box.quarters(3);
  box.clock.set(box.clock.now() - DAY_MS);
  // Whoever waits for the next cycle looks at the wall clock again within a second.
  await box.clock.leap(1_000);
  await box.quarters(3);
  await box.settled();

  const store = await FieldStore.open(box.state.fieldDatabase, { readonly: true });
  t.teardown(() => store.close());
  for (const [i, id] of METERS.entries()) {
    const records = (await store.pending(i + 1, 0, 100)).map(({ bytes }) => decodeRecord(bytes));
    t.strictSame(
      records.map(({ seq, clock }) => [seq, clock]),
      [
        ...[1, 2, 3].map((seq) => [seq, 'synchronised']),
        [4, 'stepped'],
        ...[5, 6].map((seq) => [seq, 'synchronised']),
      ],
      `${id}: the first reading after the step is marked`,
    );
    t.ok(records[3]!.time < records[0]!.time, 'each says the time that the clock showed');
    const entries = (await box.chain()).all('reading', i + 1);
    t.strictSame(
      entries.map(({ entry }) => entry.seq),
      [1, 2, 3, 4, 5, 6],
      'the chain has them in the order in which they were made',
    );
  }
  const steps = (await box.chain()).all('event').filter(({ entry }) => entry.event.kind === 'clock-step');
  t.equal(steps.length, 1);
  t.ok(Math.abs((steps[0]!.entry.event['ms'] as number) + DAY_MS) < 60_000);
  t.match(await box.compare(), { outcome: 'judged', counts: { verified: 12, tampered: 0, unverifiable: 0 } });
  t.strictSame(await box.fsck(), []);
});
