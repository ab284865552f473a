import type { SeededRandom } from './seeded-random.js';

/** Bytes that decoders tend to stumble over: ends of integers, base64, JSON, UTF-8 and lines. */
const NASTY = [
  0x00, 0x01, 0x7f, 0x80, 0xff, 0x0a, 0x0d, 0x20, 0x22, 0x2b, 0x2d, 0x2e, 0x30, 0x3d, 0x5b, 0x5c, 0x7b, 0xc0,
  0xed,
];
const NASTY_TEXTS = [
  '\u2014 ',
  '\n\n',
  '__proto__',
  '"toJSON":1,',
  '1e999',
  '-0',
  '\\ud800',
  '9007199254740993',
  '\ufeff',
  'AAA=',
];
const ENOUGH = 70_000;

/** Bytes near those of one of the samples, or of two of them, or (now and then) of none. */
export function mutate(random: SeededRandom, samples: readonly Uint8Array[]): Uint8Array {
  if (random.below(50) === 0) return random.bytes(random.below(300));
  let bytes = Array.from(pick(random, samples));
  for (let rounds = 1 + random.below(3); rounds > 0; rounds--) {
    bytes = step(random, bytes, samples);
    if (bytes.length > ENOUGH) bytes.length = ENOUGH;
  }
  return Uint8Array.from(bytes);
}

function step(random: SeededRandom, bytes: number[], samples: readonly Uint8Array[]): number[] {
  const at = random.below(bytes.length + 1);
  const length = random.below(Math.min(64, bytes.length - at) + 1);
  const before = bytes.slice(0, at);
  const behind = bytes.slice(at + length);
  switch (random.below(9)) {
    case 0:
      return [
        ...before,
        ...bytes.slice(at, at + length).map((byte) => byte ^ (1 << random.below(8))),
        ...behind,
      ];
    case 1:
      return [...before, ...behind];
    case 2:
      return before;
    case 3:
      return [...bytes.slice(0, at + length), ...bytes.slice(at)];
    case 4:
      return [...before, pick(random, NASTY), ...behind];
    case 5:
      return [...before, pick(random, NASTY), ...bytes.slice(at + 1)];
    case 6:
      return [...before, ...new TextEncoder().encode(pick(random, NASTY_TEXTS)), ...behind];
    case 7: {
      const other = pick(random, samples);
      return [...before, ...other.subarray(random.below(other.length + 1))];
    }
    default:
      return [...before, ...Array.from({ length: random.below(9) }, () => random.below(2) * 255), ...behind];
  }
}

function pick<T>(random: SeededRandom, from: ArrayLike<T>): T {
  return from[random.below(from.length)]!;
}
