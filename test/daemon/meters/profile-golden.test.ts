import { readdirSync, readFileSync } from 'node:fs';
import { serialOf } from 'meterseal/internal/meters/identity';
import { rederive } from 'meterseal/internal/meters/poll';
import type { Profile } from 'meterseal/internal/meters/profile';
import { loadProfile, profileNames } from 'meterseal/internal/meters/profile-file';
import type { ProfileRegister } from 'meterseal/internal/meters/register';
import { spanOf } from 'meterseal/internal/meters/register';
import t from 'tap';

/*
 * Register words and the values that they stand for, one file for each profile. The lines were made by an encoder of the
 * tests' own (test/hw-profiles/make-golden.mjs), or written by hand from manuals and meters.
 */

const GOLDEN = new URL('../../../hw-profiles/', import.meta.url);

/** `230.20 V`, `missing`, or a serial number, by words in hex; where the meter has a power of ten of its own: `3039+fffe`. */
type Cases = { readonly words: string; readonly means: string }[];

function readGolden(name: string): ReadonlyMap<string, Cases> {
  const golden = new Map<string, Cases>();
  let cases: Cases = [];
  for (const line of readFileSync(new URL(`${name}.golden`, GOLDEN), 'utf8').split('\n')) {
    const [, words, means] = /^ {2}([0-9a-f]+(?:\+[0-9a-f]{4})?) (.+)$/.exec(line) ?? [];
    if (words !== undefined && means !== undefined) {
      cases.push({ words, means });
    } else if (line.startsWith(' ')) {
      throw new Error(`${name}.golden: not words and a value: ${line}`);
    } else if (line !== '' && !line.startsWith('#')) {
      cases = [];
      golden.set(line, cases);
    }
  }
  return golden;
}

function meaningOf(profile: Profile, register: ProfileRegister, hex: string): string {
  const { obis, fc, at, scaleAt, data } = register;
  const { from, end } = spanOf(register);
  const of = (raw: { fc: 3 | 4; at: number; words: string }[]): string => {
    const found = rederive(profile, raw, true).find((value) => value.obis === obis)!;
    return found.value === undefined ? found.quality! : `${found.value} ${found.unit}`;
  };
  if (data !== undefined) return of([{ fc, at, words: hex }]);
  const [words = '', power = ''] = hex.split('+');
  const all = new Array<string>(end - from).fill('0000');
  all.splice(at - from, words.length / 4, ...(words.match(/.{4}/g) ?? []));
  if (scaleAt !== undefined) all[scaleAt - from] = power;
  return of([{ fc, at: from, words: all.join('') }]);
}

const wordsOf = (hex: string): Uint16Array =>
  Uint16Array.from(hex.match(/.{4}/g) ?? [], (word) => Number.parseInt(word, 16));

t.test('each profile turns register words into the values of its golden file', async (t) => {
  for (const name of profileNames()) {
    const profile = loadProfile(name);
    const golden = readGolden(name);
    const failures: string[] = [];
    for (const register of profile.registers) {
      const cases = golden.get(register.obis) ?? [];
      if (cases.length < 3) failures.push(`${register.obis}: fewer than three lines`);
      for (const { words, means } of cases) {
        const found = meaningOf(profile, register, words);
        if (found !== means) failures.push(`${register.obis} ${words}: ${found}, not ${means}`);
      }
    }
    for (const { words, means } of golden.get('serial') ?? []) {
      const found = serialOf(wordsOf(words), profile.serial!);
      if (found !== means) failures.push(`serial ${words}: ${found}, not ${means}`);
    }
    const known = [
      ...profile.registers.map(({ obis }) => obis),
      ...(profile.serial === undefined ? [] : ['serial']),
    ];
    t.same([...golden.keys()].sort(), known.sort(), `${name}: one part for each register`);
    t.same(failures, [], name);
  }
});

t.test('a golden file without its profile would be checked by nobody', async (t) => {
  const files = readdirSync(GOLDEN, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.golden'))
    .map((file) => file.replace(/\.golden$/, ''));
  t.same(files.sort(), [...profileNames()].sort());
});
