// Writes the golden file of each profile that is named: register words, and the value that they have to come out as. The encoder
// is one of its own, from numbers to words: a mistake that it shared with the daemon's decoder could not be seen.
//
//   node test/hw-profiles/make-golden.mjs MANUFACTURER/MODEL …
//
// Add lines by hand: words that a manual or a real meter shows with their value are worth more than those made here.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import JSON5 from 'json5';

const ROOT = new URL('../../', import.meta.url);
const WORDS = { int16: 1, uint16: 1, int32: 2, uint32: 2, int64: 4, uint64: 4, float32: 2, float64: 4 };

for (const name of process.argv.slice(2)) {
  const profile = JSON5.parse(readFileSync(new URL(`hw-profiles/${name}.json5`, ROOT), 'utf8'));
  const file = new URL(`test/hw-profiles/${name}.golden`, ROOT);
  mkdirSync(dirname(fileURLToPath(file)), { recursive: true });
  // One that is there stays: it is what the profile is held to, and may have lines that were written by hand.
  writeFileSync(file, [...golden(profile), ''].join('\n'), { flag: 'wx' });
}

function golden({ name, identity, registers }) {
  const lines = [`# ${name}: register words, and the values that they stand for`];
  if (identity !== undefined) lines.push('serial', ...serialCases(identity.serial));
  for (const register of registers) lines.push(register.obis, ...registerCases(register));
  return lines;
}

/** By a power of ten of the meter's own: the words of the register, `+`, that of the power, and what they are together. */
function poweredCases({ scaleAt: _, ...register }) {
  const { type, wordOrder, unit } = register;
  const cases = [-2, 0, 3].flatMap((power) => {
    const { mantissa, exponent } = register.scaler ?? { mantissa: 1, exponent: 0 };
    const scaler = { mantissa, exponent: exponent + power };
    const decimals = Math.max(register.decimals, -scaler.exponent);
    return integers(type).map(({ bytes, numerator }) => {
      const words = `${inOrder(bytes, wordOrder)}+${inOrder(bytesOf('int16', BigInt(power)))}`;
      return { words, value: decimal(numerator, 0, { decimals, scaler }) };
    });
  });
  const lines = cases
    .filter(({ words }) => !words.startsWith(`${register.missing}+`))
    .map(({ words, value }) => `  ${words} ${value} ${unit}`);
  const some = inOrder(integers(type)[1].bytes, wordOrder);
  // SunSpec's mark for a factor that the meter does not have, and one beyond what there is.
  lines.push(`  ${some}+8000 missing`, `  ${some}+000b missing`);
  if (register.missing !== undefined) lines.push(`  ${register.missing}+0000 missing`);
  return lines;
}

/** By DL/T 645: the identifier, 00 where that makes whole words, the digits with the most significant first. */
function digitCases({ data, type, unit, decimals }) {
  const bytes = Number(type.slice(-2)) / 8;
  const form = { decimals, scaler: { mantissa: 1, exponent: -decimals } };
  const padding = '00'.repeat(bytes % 2);
  const signed = type.startsWith('s');
  const digits = ['0', '12345', '9'.repeat(2 * bytes)].map((text) =>
    text.slice(-2 * bytes).padStart(2 * bytes, '0'),
  );
  if (signed) digits[2] = `7${digits[2].slice(1)}`;
  const lines = digits.map((text) => `  ${data}${padding}${text} ${decimal(BigInt(text), 0, form)} ${unit}`);
  if (signed) {
    const [, some] = digits;
    const negative = (Number.parseInt(some[0], 16) | 8).toString(16) + some.slice(1);
    lines.push(`  ${data}${padding}${negative} ${decimal(-BigInt(some), 0, form)} ${unit}`);
    lines.push(`  ${data}${padding}8${digits[0].slice(1)} ${decimal(0n, 0, form)} ${unit}`);
  }
  // No digits; another identifier; a byte where none can be.
  lines.push(
    `  ${data}${padding}${'f'.repeat(2 * bytes)} missing`,
    `  0400${data.slice(4)}${padding}${digits[1]} missing`,
  );
  if (padding !== '') lines.push(`  ${data}01${digits[1]} missing`);
  return lines;
}

function registerCases(register) {
  if (register.data !== undefined) return digitCases(register);
  if (register.scaleAt !== undefined) return poweredCases(register);
  const { type, wordOrder, unit, missing } = register;
  const isFloat = type.startsWith('float');
  const cases = (isFloat ? floats(type) : integers(type)).map(({ bytes, numerator, log2 }) => [
    inOrder(bytes, wordOrder),
    decimal(numerator, log2, register),
  ]);
  if (isFloat) cases.push([inOrder(bytesOf(type, Number.NaN), wordOrder), 'missing']);
  const marked = cases.filter(([words]) => words !== missing);
  if (missing !== undefined) marked.push([missing, 'missing']);
  return marked.map(([words, value]) => `  ${words} ${value === 'missing' ? value : `${value} ${unit}`}`);
}

function serialCases({ type, words, wordOrder }) {
  if (type === 'text') {
    const text = 'SN-4711'.slice(0, 2 * words);
    const padded = Buffer.from(text.padEnd(2 * words, '\0'), 'latin1').toString('hex');
    return [`  ${padded} ${text}`];
  }
  return integers(type).map(({ bytes, numerator }) => `  ${inOrder(bytes, wordOrder)} ${numerator}`);
}

/** Numbers with their bytes, most significant first. */
function integers(type) {
  const bits = 16 * WORDS[type];
  const largest = 1n << BigInt(bits);
  const numbers = [0n, BigInt({ 16: 12_345, 32: 123_456_789, 64: 1_234_567_890_123 }[bits])];
  if (type.startsWith('u')) numbers.push(largest - 1n);
  else numbers.push(-numbers[1], -largest / 2n, largest / 2n - 1n);
  return numbers.map((numerator) => ({ bytes: bytesOf(type, numerator), numerator, log2: 0 }));
}

/** Each is a whole number of 2^-48, so that both widths hold it exactly. */
function floats(type) {
  return [0, 49.98, -1234.5678, 7654321.5].map((number) => {
    const value = type === 'float32' ? Math.fround(number) : number;
    return { bytes: bytesOf(type, value), numerator: BigInt(value * 2 ** 48), log2: 48 };
  });
}

function bytesOf(type, number) {
  const view = new DataView(new ArrayBuffer(8));
  if (type === 'float32') view.setFloat32(0, number);
  else if (type === 'float64') view.setFloat64(0, number);
  else view.setBigUint64(0, BigInt.asUintN(64, number << BigInt(64 - 16 * WORDS[type])));
  return new Uint8Array(view.buffer, 0, 2 * WORDS[type]);
}

function inOrder(bytes, wordOrder = 'big') {
  const words = Buffer.from(bytes).toString('hex').match(/.{4}/g);
  return (wordOrder === 'big' ? words : words.reverse()).join('');
}

/** `numerator` · 2^-log2 · scaler with `decimals` digits, the nearest; of two that are equally near, the even one. */
function decimal(numerator, log2, { decimals, scaler = { mantissa: 1, exponent: 0 } }) {
  const tens = scaler.exponent + decimals;
  const above = numerator * BigInt(scaler.mantissa) * 10n ** BigInt(Math.max(tens, 0));
  const below = 2n ** BigInt(log2) * 10n ** BigInt(Math.max(-tens, 0));
  const size = above < 0n ? -above : above;
  const half = (2n * size) % (2n * below);
  let digits = size / below;
  if (half > below || (half === below && digits % 2n === 1n)) digits += 1n;
  const text = String(digits).padStart(decimals + 1, '0');
  const point = text.length - decimals;
  const sign = above < 0n && digits > 0n ? '-' : '';
  return sign + (decimals === 0 ? text : `${text.slice(0, point)}.${text.slice(point)}`);
}
