import t from 'tap';
import { SeededRandom } from '../protocol/seeded-random.js';
import { Line, METERS } from '../scenarios/line.js';
import { assertWhole, moment } from './whole-line.js';

const SEED = 20_260_101;
const KILLS = 10;
/** Of each meter and start, so that the box comes to rest by itself. */
const MOST_READINGS = 12;

t.test('a box that is killed again and again loses no reading and uses no number twice', async (t) => {
  const random = new SeededRandom(SEED);
  const line = await Line.launch(t, { interval: '150ms', mostReadings: MOST_READINGS });
  let recorded = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    // Two of ten while it starts, the others while it records, submits and delivers.
    if (kill % 5 !== 4) {
      await line.until('it records', ({ field }) => {
        const now = field?.meters.reduce((sum, meter) => sum + meter.recordedTo, 0) ?? 0;
        return now > recorded;
      });
    }
    await moment(random.below(700));
    await line.box.stopBox('SIGKILL');
    recorded = 0;
    for (const id of METERS) recorded += (await line.records(id)).length;
    line.box.startBox();
  }
  const due = recorded + METERS.length * MOST_READINGS;
  await line.until('it has come to rest', ({ field }) => {
    const meters = field?.meters ?? [];
    const sum = meters.reduce((so, meter) => so + meter.recordedTo, 0);
    return (
      sum === due &&
      meters.every(
        ({ recordedTo, anchoredTo, acknowledgedTo }) =>
          anchoredTo === recordedTo && acknowledgedTo[0] === recordedTo,
      )
    );
  });
  t.equal(await assertWhole(t, line, KILLS + 1), due);
});
