import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeSpoolFrame, readSpoolFrames } from '@meterseal/node-red-meterseal/core';
import type { ReadingRecord } from '@meterseal/protocol';
import { decodeRecord, encodeRecord } from '@meterseal/protocol';
import { restoreReading, tamperingOf, tamperWithOneReading } from 'meterseal/internal/commands/demo/tamper';
import type { Test } from 'tap';
import t from 'tap';
import { sampleRecord } from '../../../protocol/sample-proof.js';

const METER = 'M-1';

/** A collector's folder with readings of two meters in two segments, and the place of the insider's note. */
function collectorWith(
  t: Test,
  values: readonly string[],
): { folder: string; segments: string[]; note: string } {
  const folder = mkdtempSync(join(tmpdir(), 'ms-tamper-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'spool'));
  const frames = values.flatMap((value, i) =>
    [METER, 'M-2'].map((meter) =>
      encodeSpoolFrame({ received: 1_000 + i, record: encodeRecord(recordOf(meter, i + 1, value)) }),
    ),
  );
  const half = Math.ceil(frames.length / 2);
  const segments = [frames.slice(0, half), frames.slice(half)].map((part, i) => {
    const path = join(folder, 'spool', `0000000${i + 1}.spool`);
    writeFileSync(path, Buffer.concat(part));
    return path;
  });
  return { folder, segments, note: join(folder, 'insider.json') };
}

function recordOf(meter: string, seq: number, value: string): ReadingRecord {
  return { ...sampleRecord(seq), meter, values: [{ obis: '1-0:1.8.0', unit: 'kWh', value }] };
}

function stored(segments: readonly string[]): string[] {
  return segments
    .flatMap((path) => readSpoolFrames(readFileSync(path)))
    .map(({ record }) => decodeRecord(record))
    .map(({ meter, seq, values }) => `${meter} ${seq} ${values[0]!.value}`);
}

t.test(
  'one reading is lowered in place, twenty back from the last, and put back byte for byte',
  async (t) => {
    const { folder, segments, note } = collectorWith(
      t,
      Array.from({ length: 60 }, (_, i) => `12345.6${10 + i}`),
    );
    const before = segments.map((path) => readFileSync(path));
    const was = stored(segments);
    t.equal(tamperingOf(note), undefined);

    const tampering = tamperWithOneReading(folder, METER, note);
    t.match(tampering, { meter: METER, seq: 40, unit: 'kWh', was: '12345.649', is: '11345.649' });
    t.strictSame(tamperingOf(note), tampering, 'the insider keeps a note');
    t.strictSame(
      stored(segments).filter((line) => !was.includes(line)),
      [`${METER} 40 11345.649`],
      'exactly this reading is another, its checksum good',
    );

    t.strictSame(restoreReading(note), tampering);
    t.strictSame(
      segments.map((path) => readFileSync(path)),
      before,
    );
    t.equal(tamperingOf(note), undefined);
  },
);

t.test('the number of digits stays, whatever the digits are', async (t) => {
  for (const [was, is] of [
    ['10000.000', '10000.001'],
    ['9.9', '9.8'],
    ['7', '8'],
    ['30050.000', '30040.000'],
  ]) {
    const { folder, note } = collectorWith(t, [was!]);
    t.match(tamperWithOneReading(folder, METER, note), { was, is });
  }
});

t.test('readings that are appended meanwhile stay', async (t) => {
  const { folder, segments, note } = collectorWith(t, ['5.5', '5.6', '5.7']);
  tamperWithOneReading(folder, METER, note);
  const later = encodeSpoolFrame({ received: 2_000, record: encodeRecord(recordOf(METER, 4, '5.8')) });
  writeFileSync(segments[1]!, later, { flag: 'a' });
  restoreReading(note);
  t.match(stored(segments).at(-1), `${METER} 4 5.8`);
});

t.test('an insider who was interrupted after his note can still restore', async (t) => {
  const { folder, segments, note } = collectorWith(t, ['5.5']);
  const before = readFileSync(segments[0]!);
  tamperWithOneReading(folder, METER, note);
  writeFileSync(segments[0]!, before);
  restoreReading(note);
  t.strictSame(readFileSync(segments[0]!), before);
});

t.test('what cannot be done is refused', async (t) => {
  const { folder, segments, note } = collectorWith(t, ['5.5']);
  t.throws(() => restoreReading(note), { code: 'not-found' }, 'nothing to restore');
  t.throws(
    () => tamperWithOneReading(folder, 'M-9', note),
    { code: 'not-found' },
    'no reading of this meter',
  );
  tamperWithOneReading(folder, METER, note);
  t.throws(() => tamperWithOneReading(folder, METER, note), { code: 'conflict' }, 'one at a time');
  writeFileSync(segments[0]!, '');
  t.throws(() => restoreReading(note), { code: 'conflict' }, 'somebody else has written there');
});
