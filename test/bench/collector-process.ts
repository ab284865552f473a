import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { StateFolder } from 'meterseal/internal/host/state-folder';

const BIN = fileURLToPath(new URL('../../../daemon/bin/meterseal.js', import.meta.url));

export type CollectorProcess = {
  /** In base64. */
  readonly key: string;
  readonly url: string;
  /** Starts it; the chain has to be there, because its policy is. */
  listen(): Promise<void>;
  stop(): Promise<void>;
};

/** A collector as `meterseal collector` runs it. */
export async function startCollector(options: {
  readonly dir: string;
  readonly platformId: string;
  readonly token: string;
  readonly state: StateFolder;
  /** The gate's control port. */
  readonly control?: number;
}): Promise<CollectorProcess> {
  const { dir, platformId, token, state, control = 9 } = options;
  await firstLine(['collector', 'init', '--dir', dir]);
  let url = '';
  let stop = async (): Promise<void> => {};
  return {
    key: readFileSync(join(dir, 'collector.pub'), 'utf8').trim(),
    get url() {
      return url;
    },
    listen: async () => {
      const args = ['collector', '--dir', dir, '--platform-id', platformId, '--policy', state.policy];
      const { line, end } = await firstLine([
        ...args,
        ...['--control', `127.0.0.1:${control}`, '--listen', '127.0.0.1:0', '--token-file', token],
      ]);
      url = `http://127.0.0.1:${(JSON.parse(line) as { port: number }).port}`;
      stop = end;
    },
    stop: () => stop(),
  };
}

async function firstLine(args: readonly string[]): Promise<{ line: string; end: () => Promise<void> }> {
  const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const lines = createInterface({ input: child.stdout });
  const line = await Promise.race([
    new Promise<string>((resolve) => lines.once('line', resolve)),
    ended.then(() => Promise.reject(new Error(`${args.slice(0, 2).join(' ')} ended before it was ready`))),
  ]);
  return {
    line,
    end: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
