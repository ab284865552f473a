import type { ErrorCode } from '@meterseal/protocol';
import { MetersealError } from '@meterseal/protocol';
import { readSerial, serialOf } from 'meterseal/internal/meters/identity';
import { planReads } from 'meterseal/internal/meters/plan';
import { pollMeter, rederive } from 'meterseal/internal/meters/poll';
import { loadProfile } from 'meterseal/internal/meters/profile-file';
import type { BusRead, RegisterReader } from 'meterseal/internal/modbus/bus';
import t from 'tap';
import { VirtualClock } from '../host/virtual-clock.js';

const PROFILE = loadProfile('eastron/sdm120');
const PLAN = planReads(PROFILE);

/** A bus on which a meter answers with registers full of 1.0, or fails as it is told. */
class Meter implements RegisterReader {
  readonly reads: BusRead[] = [];
  readonly clock = new VirtualClock(1_700_000_000_000);
  readonly #fail: (read: BusRead, n: number) => ErrorCode | undefined;

  constructor(fail: (read: BusRead, n: number) => ErrorCode | undefined = () => undefined) {
    this.#fail = fail;
  }

  async readRegisters(read: BusRead): Promise<Uint16Array> {
    this.reads.push(read);
    await this.clock.sleep(100);
    const code = this.#fail(read, this.reads.length);
    if (code !== undefined) throw new MetersealError(code, "couldn't read");
    return Uint16Array.from({ length: read.count }, (_, i) => ((read.at + i) % 2 === 0 ? 0x3f80 : 0));
  }

  async poll(retries = 1): ReturnType<typeof pollMeter> {
    const polling = pollMeter(this, 7, PROFILE, PLAN, this.clock, 5_000, { retries });
    // Nobody looks at it while time passes.
    polling.catch(() => undefined);
    await this.clock.advance(10_000);
    return polling;
  }
}

t.test('a reading has all values in the order of their codes, raw words, and its times', async (t) => {
  const meter = new Meter();
  const sample = await meter.poll();
  t.ok(sample.answered);
  t.equal(sample.failure, undefined);
  t.same(
    sample.values.map(({ obis }) => obis),
    PROFILE.registers.map(({ obis }) => obis),
  );
  t.match(sample.values[0], { obis: '1-0:1.8.0', unit: 'kWh', value: '1.000' });
  t.notOk(sample.values.some((value) => 'quality' in value));
  t.same(
    sample.raw.map(({ fc, at, words }) => ({ fc, at, count: words.length / 4 })),
    PLAN,
  );
  t.equal(sample.startedAt, 1_700_000_000_000);
  t.equal(sample.endedAt, sample.startedAt + 100 * PLAN.length);
  t.ok(
    meter.reads.every(
      ({ unit, deadlineMs, others }) => unit === 7 && deadlineMs === 5_000 && others === PLAN,
    ),
  );
});

t.test('every value can be derived again from the raw words', async (t) => {
  const { values, raw } = await new Meter().poll();
  t.same(rederive(PROFILE, raw), values);
  t.same(rederive(PROFILE, raw.slice(1)).filter(({ quality }) => quality === 'missing').length > 0, true);
  const cut = raw.map((block) => ({ ...block, words: block.words.slice(0, -4) }));
  t.ok(
    rederive(PROFILE, cut).some(({ quality }) => quality === 'missing'),
    'a half register is none',
  );
});

t.test('a wall clock that steps during a reading does not change its span', async (t) => {
  const meter = new Meter((_, n) => {
    if (n === 2) meter.clock.offset -= 86_400_000;
    return undefined;
  });
  const { startedAt, endedAt } = await meter.poll();
  t.equal(endedAt - startedAt, 100 * PLAN.length);
});

t.test('registers that the meter refuses are missing, the others are there', async (t) => {
  const refused = PLAN[1]!;
  const meter = new Meter(({ at }) => (at === refused.at ? 'meter-exception' : undefined));
  const sample = await meter.poll();
  t.ok(sample.answered);
  t.equal(sample.failure?.code, 'meter-exception');
  t.equal(meter.reads.length, PLAN.length, 'it is not asked twice');
  for (const value of sample.values) {
    const { at } = PROFILE.registers.find(({ obis }) => obis === value.obis)!;
    const isRefused = at >= refused.at && at < refused.at + refused.count;
    t.same('value' in value, !isRefused);
    t.equal(value.quality, isRefused ? 'missing' : undefined);
  }
});

t.test('a lost answer is asked for once more', async (t) => {
  const meter = new Meter((_, n) => (n === 2 ? 'frame-invalid' : undefined));
  const sample = await meter.poll();
  t.equal(sample.failure, undefined);
  t.equal(meter.reads.length, PLAN.length + 1);
});

t.test('a dead meter is given up after the first read', async (t) => {
  for (const code of ['no-answer', 'port-failed', 'timeout'] as const) {
    const meter = new Meter(() => code);
    const sample = await meter.poll(0);
    t.equal(meter.reads.length, 1);
    t.match(sample, { answered: false, raw: [], failure: { code } });
    t.ok(sample.values.every((value) => value.quality === 'missing' && !('value' in value)));
    t.equal(sample.values.length, PROFILE.registers.length);
  }
});

t.test('a meter that falls silent half way costs two more reads at most', async (t) => {
  const meter = new Meter((_, n) => (n > 1 ? 'no-answer' : undefined));
  const sample = await meter.poll();
  t.match(sample, { answered: true, raw: [{}], failure: { code: 'no-answer' } });
  t.equal(meter.reads.length, 1 + 2 + 1, 'the second twice, the third once, the fourth never');
});

t.test('a closed bus ends a poll', async (t) => {
  await t.rejects(new Meter(() => 'stopped').poll(), { code: 'stopped' });
});

t.test('a serial number is read as a whole number', async (t) => {
  const meter = new Meter();
  const reading = readSerial(meter, 7, PROFILE, PLAN, 5_000);
  await meter.clock.advance(1_000);
  t.equal(await reading, String(0x3f80_0000));
  t.match(meter.reads[0], { fc: 3, at: 64_512, count: 2, others: PLAN });
  t.equal(await readSerial(meter, 7, { ...PROFILE, serial: undefined }, PLAN, 5_000), undefined);
});

t.test('a serial number on which sources disagree is read only if that is accepted', async (t) => {
  const meter = new Meter();
  const doubtful = { ...PROFILE, serial: { ...PROFILE.serial!, confidence: 'unproven' as const } };
  t.equal(await readSerial(meter, 7, doubtful, PLAN, 5_000), undefined);
  t.equal(meter.reads.length, 0);
  const reading = readSerial(meter, 7, doubtful, PLAN, 5_000, true);
  await meter.clock.advance(1_000);
  t.equal(await reading, String(0x3f80_0000));
});

t.test(
  'a serial number that is text comes without its padding, and never as it could not be printed',
  async (t) => {
    const serial = { fc: 3, at: 0x5000, type: 'text', words: 4, source: 's', confidence: 'proven' } as const;
    const of = (bytes: string): string | undefined => {
      const codes = [...bytes.padEnd(8, '\0')].map((character) => character.charCodeAt(0));
      return serialOf(
        Uint16Array.from({ length: 4 }, (_, i) => codes[2 * i]! * 256 + codes[2 * i + 1]!),
        serial,
      );
    };
    t.equal(of('KB1-0042'), 'KB1-0042');
    t.equal(of('KB1'), 'KB1');
    t.equal(of('KB1  \0\0'), 'KB1');
    t.equal(of(' KB\n1'), '0x204b420a31000000', 'one line in a log');
    t.equal(of('\u00fcx'), '0xfc78000000000000');
    t.equal(of(''), undefined, 'none was given to it');
    t.equal(of('\u00ff'.repeat(8)), undefined);
  },
);

t.test('a meter can mark that it has no number', async (t) => {
  const profile = loadProfile('abb/b23');
  const value = (words: string): unknown =>
    rederive(profile, [{ fc: 3, at: 0x5b00, words }]).find(({ obis }) => obis === '1-0:32.7.0');
  t.same(value('000008fd'), { obis: '1-0:32.7.0', unit: 'V', value: '230.1' });
  t.same(value('ffffffff'), { obis: '1-0:32.7.0', unit: 'V', quality: 'missing' });
});
