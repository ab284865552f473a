/** A register value of an SDM630 in the bits of its float32, and what a reading has to make of it. */
interface Content {
  readonly at: number;
  readonly obis: string;
  readonly bits: number;
  /** Undefined: the value is missing. */
  readonly value: string | undefined;
}

/**
 * Values that rounding, signs or formats could get wrong. The decimals were worked out by hand from the exact binary
 * values, not by any code of this project.
 */
export const CONTENTS: readonly Content[] = [
  { at: 0, obis: '1-0:32.7.0', bits: 0x43662000, value: '230.12' }, // 230.125, a tie
  { at: 2, obis: '1-0:52.7.0', bits: 0x43666000, value: '230.38' }, // 230.375, a tie
  { at: 4, obis: '1-0:72.7.0', bits: 0x7fc00000, value: undefined }, // NaN
  { at: 6, obis: '1-0:31.7.0', bits: 0x3d800000, value: '0.062' }, // 0.0625, a tie
  { at: 8, obis: '1-0:51.7.0', bits: 0x3e400000, value: '0.188' }, // 0.1875, a tie
  { at: 10, obis: '1-0:71.7.0', bits: 0x3f800419, value: '1.000' }, // 1.000125…
  { at: 12, obis: '1-0:36.7.0', bits: 0xc49a4800, value: '-1234.2' }, // −1234.25, a tie
  { at: 14, obis: '1-0:56.7.0', bits: 0x80000000, value: '0.0' }, // −0
  { at: 16, obis: '1-0:76.7.0', bits: 0xbd23d70a, value: '0.0' }, // −0.04
  { at: 18, obis: '1-0:29.7.0', bits: 0x3e19999a, value: '0.2' }, // 0.15 and a little
  { at: 20, obis: '1-0:49.7.0', bits: 0x3ee66666, value: '0.4' }, // 0.45 less a little
  { at: 52, obis: '1-0:16.7.0', bits: 0xc59c4000, value: '-5000.0' },
  { at: 72, obis: '1-0:1.8.0', bits: 0x4640e6b7, value: '12345.679' }, // 12345.6787109375
  { at: 74, obis: '1-0:2.8.0', bits: 0x7f800000, value: undefined }, // infinity
  { at: 76, obis: '1-0:3.8.0', bits: 0xff800000, value: undefined }, // −infinity
  { at: 78, obis: '1-0:4.8.0', bits: 0x00000001, value: '0.000' }, // the smallest there is
  { at: 342, obis: '1-0:15.8.0', bits: 0x7f7fffff, value: '340282346638528859811704183484516925440.000' },
  { at: 344, obis: '1-0:131.8.0', bits: 0x4b800001, value: '16777218.000' },
  { at: 358, obis: '1-0:35.8.0', bits: 0xffffffff, value: undefined }, // NaN
];

/** Registers 0…511 with these contents, and 1.0 in all other pairs. */
export function registerBytes(): Buffer {
  const bytes = Buffer.alloc(1_024);
  for (let at = 0; at < 512; at += 2) bytes.writeUInt32BE(0x3f800000, 2 * at);
  for (const { at, bits } of CONTENTS) bytes.writeUInt32BE(bits, 2 * at);
  return bytes;
}
