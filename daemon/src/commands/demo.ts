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
      if (options.check) await check(options);
      else await live(options);
    });
}

async function check({ state, json }: CommandOptions): Promise<void> {
  const say = json ? (): void => {} : (line: string): void => void process.stdout.write(`${line}\n`);
  const { readings, verified, tampered, chain, windows } = await checkDemo(state, say);
  const { size, root } = chain!;
  process.stdout.write(
    `${JSON.stringify({ readings, verified, tampered, chain: { size, root }, windows })}\n`,
  );
}

async function live({ state }: CommandOptions): Promise<void> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  await showDemo(state, process.stdout, stop.signal);
}
