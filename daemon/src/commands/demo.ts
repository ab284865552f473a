import type { Command } from 'commander';
import { checkDemo } from './demo/check.js';
import { DemoBox } from './demo/demo-box.js';
import { showDemo } from './demo/live.js';

type CommandOptions = { state: string; fresh?: boolean; check?: boolean; json?: boolean };

export function registerDemo(program: Command): void {
  program
    .command('demo')
    .description(
      'Run the whole line with simulated meters: live in the terminal, or --check to try an insider.',
    )
    .option('--state <folder>', 'state folder of the demo; kept', './.meterseal')
    .option('--fresh', 'begin anew')
    .option('--check', 'edit the collector as an insider would, and require that each comparison names it')
    .option('--json', 'with --check: print the result only')
    .action(async (options: CommandOptions) => {
      if (options.fresh) DemoBox.wipe(options.state);
      const stop = stopSignal();
      if (options.check) await check(options, stop);
      else await showDemo(options.state, process.stdout, stop);
    });
}

async function check({ state, json }: CommandOptions, stop: AbortSignal): Promise<void> {
  const say = json ? (): void => {} : (line: string): void => void process.stdout.write(`${line}\n`);
  const report = await checkDemo(state, say, stop);
  const { readings, verified, windows } = report;
  const tampered = report.tampered.map(({ meter, seq, reason }) => ({ meter, seq, reason }));
  const { size, root } = report.chain!;
  process.stdout.write(
    `${JSON.stringify({ readings, verified, tampered, chain: { size, root }, windows })}\n`,
  );
}

/** Aborted by whatever asks the demo to end, however often it does: it must not leave processes behind. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  // Nobody looks any more: the terminal is gone, or the end of the pipe.
  process.stdout.on('error', () => stop.abort());
  return stop.signal;
}
