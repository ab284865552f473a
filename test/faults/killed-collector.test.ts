import { isMetersealError } from '@meterseal/protocol';
import t from 'tap';
import { SeededRandom } from '../protocol/seeded-random.js';
import { Line, METERS } from '../scenarios/line.js';
import { assertWhole, moment, recordedBy, rest } from './whole-line.js';

const SEED = 20_260_102;
const KILLS = 10;

t.test('a collector that is killed again and again misses nothing and holds nothing twice', async (t) => {
  const random = new SeededRandom(SEED);
  const line = await Line.launch(t, {
    interval: '150ms',
    // A holder that is killed keeps the switch connected for as long as its lease.
    configure: (config) => ({ ...config, gate: { ...config.gate, 'max-lease': '1s' } }),
  });
  let acknowledged = 0;
  let comparisons = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    // Two of ten while it opens its files, the others while it receives, every second of them while it compares.
    if (kill % 5 !== 4) {
      await line.until('it acknowledges', ({ field }) => {
        const now = field!.meters.reduce((sum, meter) => sum + meter.acknowledgedTo[0]!, 0);
        return now > acknowledged;
      });
      if (kill % 2 === 0) {
        comparisons++;
        line.box.compare().catch((error: unknown) => {
          if (!isMetersealError(error, 'unreachable')) throw error;
        });
      }
    }
    await moment(random.below(300));
    await line.box.stopCollector('SIGKILL');
    acknowledged = (await line.box.status()).field!.meters.reduce(
      (sum, meter) => sum + meter.acknowledgedTo[0]!,
      0,
    );
    const starting = line.box.startCollector();
    if ((kill + 1) % 5 !== 4) await starting;
    else starting.catch(() => {});
  }
  t.equal(comparisons, 4);
  await line.box.stopBox();
  const due = (await recordedBy(line)) + METERS.length * 4;
  line.box.startBox(4);
  await rest(line, due);
  t.equal(await assertWhole(t, line, 2), due);
});
