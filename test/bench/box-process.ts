import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { askStatus } from 'meterseal/internal/commands/status';
import { systemClock } from 'meterseal/internal/host/clock';
import type { StateFolder } from 'meterseal/internal/host/state-folder';

const BIN = fileURLToPath(new URL('../../../daemon/bin/meterseal.js', import.meta.url));
/** A chain of a million entries is replayed when it is opened. */
const START_MS = 300_000;

export type BoxProcess = {
  /** The gate's control port. */
  readonly control: number;
  stop(): Promise<void>;
};

/** A box as `meterseal run` runs it over a state folder that has everything; resolves when it can be asked. */
export async function startBox({ root }: StateFolder): Promise<BoxProcess> {
  const child = spawn(process.execPath, [BIN, 'run', '--state', root], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  let isOver = false;
  const ended = new Promise<void>((resolve) =>
    child.once('exit', () => {
      isOver = true;
      resolve();
    }),
  );
  const latest = performance.now() + START_MS;
  for (;;) {
    const { gate } = await askStatus(root);
    if (gate !== null && gate.controlPort > 0) {
      const stop = async (): Promise<void> => {
        child.kill('SIGTERM');
        await ended;
      };
      return { control: gate.controlPort, stop };
    }
    if (isOver || performance.now() > latest) throw new Error('the box did not start');
    await systemClock.sleep(100);
  }
}
