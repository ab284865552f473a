import { serialOf } from 'meterseal/internal/meters/identity';
import { planReads } from 'meterseal/internal/meters/plan';
import { rederive } from 'meterseal/internal/meters/poll';
import type { Profile } from 'meterseal/internal/meters/profile';
import { loadProfile, profileNames } from 'meterseal/internal/meters/profile-file';
import { wordsOfType } from 'meterseal/internal/meters/register';
import t from 'tap';
import { LoadCurve } from '../../simulator/load-curve.js';
import { quantity } from '../../simulator/quantity.js';
import { RegisterImage } from '../../simulator/register-image.js';

const SECONDS = 12_345;
const SERIAL = 47_110_815;

/** What the plan reads of a simulated meter, as a record has it. */
function readAll(
  profile: Profile,
  image: RegisterImage,
): { fc: 3 | 4; at: number; words: string }[] | undefined {
  const blocks = planReads(profile, true).map(({ fc, at, count, data }) => {
    if (data !== undefined) {
      const value = Buffer.from(image.data(data.identifier, SECONDS) ?? []).reverse();
      return { fc, at, words: data.identifier + value.toString('hex').padStart(4 * count - 8, '0') };
    }
    const words = image.words(fc, at, count, SECONDS);
    return { fc, at, words: words?.map((word) => word.toString(16).padStart(4, '0')).join('') };
  });
  return blocks.every((block): block is { fc: 3 | 4; at: number; words: string } => block.words !== undefined)
    ? blocks
    : undefined;
}

/** Half of the last digit, and what the register itself cannot tell apart. */
function tolerance(profile: Profile, obis: string, value: number): number {
  const { type, scaler, decimals, scaleAt, data } = profile.registers.find(
    (register) => register.obis === obis,
  )!;
  const step = type.startsWith('float')
    ? Math.abs(value) * 2 ** -23
    : Math.abs(scaler.mantissa) * 10 ** scaler.exponent;
  if (data !== undefined) return 0.501 * 10 ** -decimals;
  // A simulated meter that scales by itself has two digits, or none where the number is large.
  return scaleAt === undefined ? 0.501 * 10 ** -decimals + 0.501 * step : 0.51;
}

/** Some meters have unsigned registers for what can be negative, or too few digits for what the simulator makes. */
function canHold(profile: Profile, obis: string, value: number): boolean {
  const { type, scaler, scaleAt } = profile.registers.find((register) => register.obis === obis)!;
  if (type.startsWith('float') || type.startsWith('sbcd')) return true;
  const powered = value / scaler.mantissa / 10 ** scaler.exponent;
  const number = Math.round(scaleAt === undefined ? powered : powered * 100);
  const range = 2 ** (16 * wordsOfType(type));
  if (type.startsWith('bcd')) return number >= 0;
  return type.startsWith('u') ? number >= 0 && number < range : Math.abs(number) < range / 2;
}

t.test(
  'a simulated meter of each profile gives back the quantities that its registers can hold',
  async (t) => {
    for (const name of profileNames()) {
      const profile = loadProfile(name);
      const image = new RegisterImage(name, 7, SERIAL);
      const load = new LoadCurve(7, profile.phases).at(SECONDS);
      const raw = readAll(profile, image);
      if (raw === undefined) {
        t.fail(`${name}: a planned read has no registers`);
        continue;
      }
      const wrong = rederive(profile, raw, true).flatMap(({ obis, unit, value }) => {
        const perUnit = /^k(W|var|VA)$/.test(unit) ? 1_000 : /^(Wh|varh|VAh)$/.test(unit) ? 1 / 1_000 : 1;
        const expected = quantity(load, obis) / perUnit;
        if (!canHold(profile, obis, expected)) return [];
        const isRight = Math.abs(Number(value) - expected) <= tolerance(profile, obis, expected);
        return isRight ? [] : [`${obis}: ${value}, not ${expected}`];
      });
      t.same(wrong, [], name);
    }
  },
);

t.test('a simulated meter of each profile gives back its serial number', async (t) => {
  for (const profile of profileNames().map((name) => loadProfile(name))) {
    const { serial } = profile;
    if (serial === undefined) continue;
    const image = new RegisterImage(profile.name, 7, SERIAL);
    const count = serial.type === 'text' ? serial.words : wordsOfType(serial.type);
    const words = Uint16Array.from(image.words(serial.fc, serial.at, count, SECONDS) ?? []);
    t.equal(serialOf(words, serial), String(SERIAL), profile.name);
  }
});
