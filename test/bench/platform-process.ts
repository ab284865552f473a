import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { loadEngine } from '@meterseal/native';
import { startChain } from 'meterseal/internal/chain/role';
import { systemClock } from 'meterseal/internal/host/clock';
import { createLogger } from 'meterseal/internal/host/logger';
import { stateFolder } from 'meterseal/internal/host/state-folder';

/*
 * The chain role alone, in a process of its own, behind its real socket.
 */

export type PlatformFigures = {
  /** 99th percentile of the event loop's delay since the last question, milliseconds. */
  readonly delayMs: number;
  readonly rssMiB: number;
};

export type PlatformProcess = {
  figures(): Promise<PlatformFigures>;
  stop(): Promise<void>;
};

export async function startPlatform(root: string, platformId: string): Promise<PlatformProcess> {
  const child = fork(fileURLToPath(import.meta.url), ['serve', root, platformId]);
  const answer = <T>(): Promise<T> =>
    new Promise((resolve) => child.once('message', (message) => resolve(message as T)));
  await answer();
  return {
    figures: () => {
      const figures = answer<PlatformFigures>();
      child.send('figures');
      return figures;
    },
    stop: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    },
  };
}

if (process.argv[2] === 'serve') {
  const state = stateFolder(process.argv[3]!);
  const chain = await startChain({
    clock: systemClock,
    random: (length) => new Uint8Array(randomBytes(length)),
    log: createLogger('error'),
    platformId: process.argv[4]!,
    engine: loadEngine().engine,
    stateDir: state.root,
    collectorKeys: [],
    session: { lifeMs: 86_400_000, readings: 100_000_000 },
    sockets: state.sockets,
  });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  process.on('message', () => {
    const rssMiB = process.memoryUsage.rss() / 2 ** 20;
    process.send!({ delayMs: delay.percentile(99) / 1e6, rssMiB } satisfies PlatformFigures);
    delay.reset();
  });
  process.once('SIGTERM', () => void chain.stop().then(() => process.exit()));
  process.send!('ready');
}
