import { join } from 'node:path';
import { MetersealError } from '@meterseal/protocol';
import type { Command } from 'commander';
import { stateFolder } from '../host/state-folder.js';
import { checkDemo } from './demo/check.js';
import { DEMO_METERS, DemoBox } from './demo/demo-box.js';
import { showDemo } from './demo/live.js';
import { showPage } from './demo/page.js';
import { restoreReading, tamperingOf, tamperWithOneReading } from './demo/tamper.js';

type CommandOptions = {
  state: string;
  port: string;
  fresh?: boolean;
  headless?: boolean;
  check?: boolean;
  json?: boolean;
};

export function registerDemo(program: Command): void {
  const demo = program
    .command('demo')
    .description(
      'Run the whole line with simulated meters: as a page of Node-RED, --headless in the terminal, or --check to try an insider.',
    )
    .option('--state <folder>', 'state folder of the demo; kept', './.meterseal')
    .option('--fresh', 'begin anew')
    .option('--port <n>', 'of Node-RED, on this machine only', '1880')
    .option('--headless', 'without Node-RED: a table in the terminal')
    .option('--check', 'edit the collector as an insider would, and require that each comparison names it')
    .option('--json', 'with --check: print the result only')
    .action(async (options: CommandOptions) => {
      const port = portOf(options.port);
      if (options.fresh) await DemoBox.wipe(options.state);
      const stop = stopSignal();
      if (options.check) await check(options, stop);
      else if (options.headless) await showDemo(options.state, process.stdout, stop);
      else await showPage({ state: options.state, port }, process.stdout, stop);
    });
  demo
    .command('insider')
    .description(
      "Play somebody who can write to the running collector's disk: tamper, restore, or show what is changed.",
    )
    .argument('<action>', 'tamper, restore or show')
    .action((action: string, _: unknown, command: Command) => {
      process.stdout.write(
        `${JSON.stringify(insider(action, command.optsWithGlobals<CommandOptions>().state))}\n`,
      );
    });
}

/** @returns what is changed now; null for nothing */
function insider(action: string, path: string): unknown {
  const { root, collector } = stateFolder(path);
  const note = join(root, 'insider.json');
  switch (action) {
    case 'tamper':
      return tamperWithOneReading(collector, DEMO_METERS[0]!.id, note);
    case 'restore':
      restoreReading(note);
      return null;
    case 'show':
      return tamperingOf(note) ?? null;
    default:
      throw new MetersealError('misuse', `couldn't play insider: ${JSON.stringify(action)} is unknown`, {
        hint: 'Possible are tamper, restore and show.',
      });
  }
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

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new MetersealError('misuse', `couldn't read --port: ${JSON.stringify(text)} is no port`, {
    hint: 'For example --port 1881.',
  });
}

/** Aborted by whatever asks the demo to end, however often it does: it must not leave processes behind. */
function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  // Nobody looks any more: the terminal is gone, or the end of the pipe.
  process.stdout.on('error', () => stop.abort());
  return stop.signal;
}
