import type { ComparisonReport } from '../collector/control.js';
import type { BoxStatus } from '../status.js';
import { statusText } from '../status.js';
import { DemoBox } from './demo-box.js';

const REFRESH_MS = 1_000;
const COMPARE_EVERY_MS = 30_000;
const INTERVAL = '2s';

/** The line live in a terminal, until `stop` is aborted: readings as they arrive, and a comparison every 30 seconds. */
export async function showDemo(state: string, out: NodeJS.WriteStream, stop: AbortSignal): Promise<void> {
  const box = new DemoBox({ state, interval: INTERVAL });
  stop.addEventListener('abort', () => box.abandon());
  let last: { at: Date; text: string } | undefined;
  let comparing = false;
  let nextComparison = performance.now() + 5_000;
  try {
    out.write('starting three simulated meters, the box and the collector …\n');
    await box.start();
    while (!stop.aborted) {
      box.assertAlive();
      if (!comparing && performance.now() >= nextComparison) {
        comparing = true;
        nextComparison = performance.now() + COMPARE_EVERY_MS;
        void box
          .compare()
          .then(reportText, (error: unknown) => `failed: ${error instanceof Error ? error.message : error}`)
          .then((text) => {
            last = { at: new Date(), text };
            comparing = false;
            if (!out.isTTY) out.write(`comparison ${text}\n`);
          });
      }
      draw(out, await box.status(), last, state);
      await pause(REFRESH_MS, stop);
    }
  } catch (error) {
    if (!stop.aborted) throw error;
  } finally {
    out.write('\nending …\n');
    await box.stop();
  }
}

function draw(
  out: NodeJS.WriteStream,
  status: BoxStatus,
  last: { at: Date; text: string } | undefined,
  state: string,
): void {
  const comparison =
    last === undefined ? 'none yet' : `${last.at.toISOString().slice(11, 19)} UTC  ${last.text}`;
  if (!out.isTTY) {
    const readings = status.field?.meters.map(
      ({ id, recordedTo, last }) => `${id} ${recordedTo} (${last?.summary ?? '–'})`,
    );
    const { chain, gate } = status;
    out.write(
      `chain ${chain?.size ?? '–'} entries, switch ${gate?.state ?? '–'}, ${readings?.join(', ') ?? 'no field'}\n`,
    );
    return;
  }
  out.write(
    `\u001b[H\u001b[J${statusText(status)}\ncomparison ${comparison}\n\nstate in ${state}; Ctrl-C ends everything\n`,
  );
}

function reportText(report: ComparisonReport): string {
  if (report.outcome !== 'judged') return `not possible: ${report.outcome}`;
  const counts = `${report.verified} of ${report.readings} verified, ${report.tampered.length} tampered, ${report.unverifiable.length} not yet to be judged`;
  const named = report.tampered.slice(0, 5).map(({ meter, seq, reason }) => `${meter} ${seq}: ${reason}`);
  return `${counts}; connected for ${report.windowMs.toFixed(0)} ms${named.length === 0 ? '' : `\n           ${named.join('\n           ')}`}`;
}

function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      stop.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    stop.addEventListener('abort', done);
  });
}
