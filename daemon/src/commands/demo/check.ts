import { randomBytes } from 'node:crypto';
import { MetersealError } from '@meterseal/protocol';
import type { ComparisonReport } from '../collector/control.js';
import { DEMO_METERS, DemoBox } from './demo-box.js';
import type { Touched } from './insider.js';
import { changeOneValue, deleteOneRecord, inventOneRecord } from './insider.js';

const READINGS = 24;
const INTERVAL = '250ms';

type Step = {
  readonly name: string;
  readonly reason: string;
  readonly edit: (folder: string) => Touched;
};

const STEPS: readonly Step[] = [
  {
    name: 'one stored value changed',
    reason: 'hash-differs',
    edit: (folder) => changeOneValue(folder, DEMO_METERS[0]!.id),
  },
  {
    name: 'one record deleted',
    reason: 'missing-at-collector',
    edit: (folder) => deleteOneRecord(folder, DEMO_METERS[1]!.id),
  },
  {
    name: 'one record invented',
    reason: 'not-in-chain',
    edit: (folder) => inventOneRecord(folder, DEMO_METERS[2]!.id, randomBytes(16)),
  },
];

/**
 * Runs the line, edits the collector's spool in three ways as an insider would, and requires that each comparison names
 * exactly what was touched.
 *
 * @param say one line of progress
 * @param stop ends it early, with `stopped`
 * @returns the last comparison, with the length of every window in milliseconds
 */
export async function checkDemo(
  state: string,
  say: (line: string) => void,
  stop: AbortSignal,
): Promise<ComparisonReport & { readonly windows: readonly number[] }> {
  const box = new DemoBox({ state, interval: INTERVAL, mostReadings: READINGS });
  stop.addEventListener('abort', () => box.abandon());
  try {
    say('starting three simulated meters, the box and the collector');
    await box.start();
    say(`waiting for ${READINGS} readings of each meter`);
    await box.until('every reading is anchored and acknowledged', ({ field }) =>
      field?.meters.every(
        ({ recordedTo, anchoredTo, acknowledgedTo, last }) =>
          (last?.seq ?? 0) >= READINGS && recordedTo === anchoredTo && recordedTo === acknowledgedTo[0],
      ),
    );
    const windows: number[] = [];
    let report = await box.compare();
    windows.push(report.windowMs);
    say(`compared: ${report.readings} readings, ${report.verified} verified`);
    demand(report, [], report.readings >= READINGS * DEMO_METERS.length);

    const expected: (Touched & { readonly reason: string })[] = [];
    for (const { name, reason, edit } of STEPS) {
      await box.stopCollector();
      expected.push({ ...edit(box.state.collector), reason });
      await box.startCollector();
      report = await box.compare();
      windows.push(report.windowMs);
      const { meter, seq } = expected.at(-1)!;
      say(
        `${name} (${meter}, ${seq}): ${report.tampered.map((found) => `${found.reason} ${found.meter} ${found.seq}`).join(', ')}`,
      );
      demand(report, expected, true);
    }
    return { ...report, windows };
  } finally {
    await box.stop();
  }
}

function demand(
  report: ComparisonReport,
  expected: readonly (Touched & { readonly reason: string })[],
  enough: boolean,
): void {
  const name = ({ meter, seq, reason }: Touched & { readonly reason: string }): string =>
    `${meter} ${seq} ${reason}`;
  const found = report.tampered.map(name).sort();
  const wanted = expected.map(name).sort();
  const clean = report.outcome === 'judged' && report.unverifiable.length === 0;
  if (clean && enough && found.join() === wanted.join()) return;
  const seen = [...found, ...report.unverifiable.map(name)].join('; ') || 'nothing';
  throw new MetersealError(
    'proof-invalid',
    `couldn't confirm the demo: ${report.outcome}, expected ${wanted.join('; ') || 'all verified'}, the comparison named ${seen}`,
  );
}
