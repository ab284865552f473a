import { existsSync, readFileSync } from 'node:fs';
import { loadEngine } from '@meterseal/native';
import { MetersealError, parsePolicy } from '@meterseal/protocol';
import type { Command } from 'commander';
import { checkField } from '../agent/check-field.js';
import { checkChain } from '../chain/fsck.js';
import { EXIT } from '../exit-code.js';
import { stateFolder } from '../host/state-folder.js';

export function registerFsck(program: Command): void {
  program
    .command('fsck')
    .description(
      'Recompute everything that is stored and compare. Exit code 0: clean, 1: damaged, naming what.',
    )
    .option('--state <folder>', 'state folder', './.meterseal')
    .option('--json', 'print one JSON object')
    .action(async (options: { state: string; json?: boolean }) => {
      process.exitCode = await fsck(options);
    });
}

async function fsck(options: { state: string; json?: boolean }): Promise<number> {
  const state = stateFolder(options.state);
  if (!existsSync(state.chainDatabase)) {
    throw new MetersealError('file-missing', `couldn't check state: there is no chain in ${state.root}`, {
      hint: 'Name the state folder with --state.',
    });
  }
  const { engine } = loadEngine();
  const policy = parsePolicy(engine, readPolicy(state.policy));
  const chain = await checkChain(state.chainDatabase, policy, engine);
  const field = existsSync(state.fieldDatabase)
    ? await checkField(state.fieldDatabase, engine)
    : { records: 0, findings: [] };
  const findings = [...chain.findings, ...field.findings];
  const clean = findings.length === 0;
  if (options.json) {
    process.stdout.write(
      `${JSON.stringify({ clean, size: chain.size, root: chain.root, records: field.records, findings })}\n`,
    );
  } else {
    for (const finding of findings) process.stdout.write(`damaged: ${finding}\n`);
    const verdict = clean ? 'clean' : `${findings.length} findings`;
    process.stdout.write(`${verdict}: chain of ${chain.size} entries, ${field.records} records\n`);
  }
  return clean ? EXIT.well : EXIT.no;
}

function readPolicy(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new MetersealError('file-missing', `couldn't check state: its policy ${path} cannot be opened`, {
      hint: 'The chain writes it again at its next start, if its log key is there.',
      cause,
    });
  }
}
