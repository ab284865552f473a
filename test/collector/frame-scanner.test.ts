import { crc32, crc32ByTable } from '@meterseal/node-red-meterseal/internal/storage/crc32';
import type { Damage } from '@meterseal/node-red-meterseal/internal/storage/frame-scanner';
import { FrameScanner, putFrame } from '@meterseal/node-red-meterseal/internal/storage/frame-scanner';
import { utf8 } from '@meterseal/protocol';
import t from 'tap';

const FORMAT = { lead: 0, most: 1_000 };
const CONTENTS = ['first', 'second one', 'x'.repeat(300), 'last'];

function frame(content: string): Uint8Array {
  const bytes = new Uint8Array(8 + content.length);
  putFrame(bytes, 0, new Uint8Array(0), utf8(content));
  return bytes;
}

const FRAMES = CONTENTS.map(frame);
const FILE = new Uint8Array(Buffer.concat(FRAMES));
const starts = FRAMES.map((_, i) => FRAMES.slice(0, i).reduce((sum, { length }) => sum + length, 0));

function scan(
  bytes: Uint8Array,
  piece = bytes.length || 1,
): { seen: string[]; damage: readonly Damage[]; torn: number | undefined } {
  const seen: string[] = [];
  const scanner = new FrameScanner(FORMAT, (_at, body) => seen.push(Buffer.from(body).toString()));
  for (let at = 0; at < bytes.length; at += piece) scanner.feed(bytes.subarray(at, at + piece));
  return { seen, ...scanner.end() };
}

t.test('CRC-32 has its known value, with and without the built-in function', async (t) => {
  t.equal(crc32(utf8('123456789')), 0xcbf43926);
  t.equal(crc32ByTable(utf8('123456789')), 0xcbf43926);
  t.equal(crc32ByTable(new Uint8Array(0)), 0);
});

t.test('whole frames are found whatever pieces the file comes in', async (t) => {
  for (let piece = 1; piece <= FILE.length; piece += piece < 20 ? 1 : 37) {
    t.strictSame(scan(FILE, piece), { seen: CONTENTS, damage: [], torn: undefined }, `pieces of ${piece}`);
  }
  t.strictSame(scan(new Uint8Array(0)), { seen: [], damage: [], torn: undefined });
});

t.test('a file cut anywhere has lost the frame that was cut, and nothing else', async (t) => {
  for (let length = 0; length < FILE.length; length++) {
    const whole = starts.filter((start, i) => start + FRAMES[i]!.length <= length).length;
    const torn = starts[whole] === length ? undefined : starts[whole];
    for (const piece of [length || 1, 13]) {
      t.strictSame(scan(FILE.subarray(0, length), piece), {
        seen: CONTENTS.slice(0, whole),
        damage: [],
        torn,
      });
    }
  }
});

t.test('a byte changed anywhere is reported, and what follows is still found', async (t) => {
  for (let at = 0; at < FILE.length; at++) {
    const bad = FILE.slice();
    bad[at] = bad[at]! ^ 0x40;
    const hit = starts.findLastIndex((start) => start <= at);
    const { seen, damage, torn } = scan(bad, 29);
    t.strictSame(
      seen,
      CONTENTS.filter((_, i) => i !== hit),
      `byte ${at}`,
    );
    const place = { from: starts[hit]!, to: starts[hit + 1] ?? FILE.length };
    // Where the length of the last frame grew, nobody can tell it from one that was cut short.
    if (hit === CONTENTS.length - 1 && torn !== undefined) t.equal(torn, place.from);
    else t.strictSame(damage, [place], `byte ${at}`);
  }
});

t.test(
  'zeros behind the last frame, as a file system leaves them, are torn; anything else is damage',
  async (t) => {
    const zeros = new Uint8Array(Buffer.concat([FILE, Buffer.alloc(5_000)]));
    t.strictSame(scan(zeros, 100), { seen: CONTENTS, damage: [], torn: FILE.length });
    zeros[zeros.length - 1] = 1;
    t.strictSame(scan(zeros, 100).damage, [{ from: FILE.length, to: zeros.length }]);
    const between = new Uint8Array(Buffer.concat([FRAMES[0]!, Buffer.alloc(40), FRAMES[1]!]));
    t.strictSame(scan(between), {
      seen: CONTENTS.slice(0, 2),
      damage: [{ from: 13, to: 53 }],
      torn: undefined,
    });
  },
);
