import type { Test } from 'tap';
import type { PollResult } from './poll-process.js';
import { CONTENTS, registerBytes } from './register-contents.js';

/** Holds the output of `poll --json` against the registers that the server had. */
export function expectContents(t: Test, { code, stdout, stderr }: PollResult, unit: number): void {
  t.equal(stderr, '');
  t.equal(code, 0);
  const reading = JSON.parse(stdout) as {
    values: { obis: string; unit: string; value?: string; quality?: string }[];
    raw: { fc: number; at: number; words: string }[];
  };
  t.match(reading, { profile: /^eastron\/sdm630@[0-9a-f]{16}$/, unit });
  t.same(Object.keys(reading), ['profile', 'unit', 'values', 'raw']);
  for (const { obis, value } of CONTENTS) {
    const { unit: _, ...shown } = reading.values.find((shown) => shown.obis === obis)!;
    t.same(shown, value === undefined ? { obis, quality: 'missing' } : { obis, value }, obis);
  }
  const others = reading.values.filter(({ obis }) => !CONTENTS.some((content) => content.obis === obis));
  t.equal(others.length, reading.values.length - CONTENTS.length);
  t.ok(others.every(({ value }) => /^1\.0+$/.test(value ?? '')));
  const bytes = registerBytes();
  for (const { fc, at, words } of reading.raw) {
    t.equal(fc, 4);
    t.equal(words, bytes.subarray(2 * at, 2 * at + words.length / 2).toString('hex'), `words from ${at}`);
  }
}
