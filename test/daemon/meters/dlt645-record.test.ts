import type { RawBlock, ReadingRecord } from '@meterseal/protocol';
import { decodeRecord, encodeRecord } from '@meterseal/protocol';
import { planReads } from 'meterseal/internal/meters/plan';
import { pollMeter, rederive } from 'meterseal/internal/meters/poll';
import { loadProfile } from 'meterseal/internal/meters/profile-file';
import type { BusRead, RegisterReader } from 'meterseal/internal/modbus/bus';
import t from 'tap';
import { VirtualClock } from '../host/virtual-clock.js';

const PROFILE = loadProfile('unbranded/dlt645-2007-3p');
const PLAN = planReads(PROFILE);

/** A bus that answers every value with its identifier and the digits 12 34, with zeros before them. */
class Meter implements RegisterReader {
  readonly clock = new VirtualClock(1_700_000_000_000);

  async readRegisters({ data, count }: BusRead): Promise<Uint16Array> {
    const words = data!.identifier + '1234'.padStart(4 * count - 8, '0');
    return Uint16Array.from(words.match(/.{4}/g)!, (word) => Number.parseInt(word, 16));
  }
}

async function recordOf(): Promise<ReadingRecord> {
  const meter = new Meter();
  const { values, raw } = await pollMeter(meter, 161, PROFILE, PLAN, meter.clock, 5_000);
  return {
    v: 0,
    meter: 'EM-1',
    seq: 1,
    time: '2026-01-01T00:00:00.000Z',
    span: 0,
    clock: 'synchronised',
    identity: 'none',
    profile: PROFILE.id,
    sw: 'test',
    values,
    raw,
    salt: 'AAAAAAAAAAAAAAAAAAAAAA',
  };
}

/** The values of a record whose block number `index` is another. */
function valuesWith(
  raw: readonly RawBlock[],
  index: number,
  change: (block: RawBlock) => RawBlock,
): unknown[] {
  const changed = raw.map((block, i) => (i === index ? change(block) : block));
  return rederive(PROFILE, changed).flatMap(({ value, quality }) => value ?? quality ?? []);
}

t.test('values by DL/T 645 fit a record, and come out of its words again', async (t) => {
  const record = decodeRecord(encodeRecord(await recordOf()));
  t.same(rederive(PROFILE, record.raw), record.values);
  t.equal(record.values.find(({ obis }) => obis === '1-0:32.7.0')?.value, '123.4');
  t.equal(record.values.find(({ obis }) => obis === '1-0:16.7.0')?.value, '0.1234');
  t.match(record.raw[0], { fc: 3, at: 1, words: '0001000000001234' });
});

t.test('every digit of the words counts, and none but the value of its identifier is touched', async (t) => {
  const { raw, values } = await recordOf();
  const before = values.map(({ value }) => value);
  for (const [index, { words }] of raw.entries()) {
    for (let place = 0; place < words.length; place++) {
      const after = valuesWith(raw, index, (block) => {
        const digit = (Number.parseInt(words[place]!, 16) ^ 1).toString(16);
        return { ...block, words: words.slice(0, place) + digit + words.slice(place + 1) };
      });
      const differing = after.filter((value, i) => value !== before[i]);
      if (differing.length !== 1) t.fail(`block ${index}, place ${place}: ${differing.length} values differ`);
      if (place < 8) t.equal(differing[0], 'missing', 'of another identifier');
    }
  }
});

t.test('words that are too few, too many or at another place are no value', async (t) => {
  const { raw } = await recordOf();
  const table: ((block: RawBlock) => RawBlock)[] = [
    (block) => ({ ...block, words: block.words.slice(0, -4) }),
    (block) => ({ ...block, words: `${block.words}0000` }),
    (block) => ({ ...block, at: block.at + 1 }),
    (block) => ({ ...block, fc: 4 }),
  ];
  for (const change of table) {
    t.equal(valuesWith(raw, 0, change).filter((value) => value === 'missing').length, 1);
  }
});
