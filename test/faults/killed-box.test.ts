import t from 'tap';
import { SeededRandom } from '../protocol/seeded-random.js';
import { Line, METERS } from '../scenarios/line.js';
import { assertWhole, moment, recordedBy, rest } from './whole-line.js';

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
    recorded = await recordedBy(line);
    line.box.startBox();
  }
  const due = recorded + METERS.length * MOST_READINGS;
  await rest(line, due);
  t.equal(await assertWhole(t, line, KILLS + 1), due);
});
