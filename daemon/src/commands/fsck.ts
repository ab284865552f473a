import { existsSync, readFileSync } from 'node:fs';
import type { Engine } from '@meterseal/native';
import { loadEngine } from '@meterseal/native';
import type { Policy } from '@meterseal/protocol';
import { isMetersealError, MetersealError, openCheckpoint, parsePolicy } from '@meterseal/protocol';
import type { Command } from 'commander';
import { checkField } from '../agent/check-field.js';
import { FieldStore } from '../agent/field-store.js';
import { checkChain } from '../chain/fsck.js';
import type { SeenHead } from '../chain/invariants.js';
import { EXIT } from '../exit-code.js';
import type { StateFolder } from '../host/state-folder.js';
import { stateFolder } from '../host/state-folder.js';

export function registerFsck(program: Command): void {
  program
    .command('fsck')
    .description(
      'Recompute everything that is stored and compare. Exit code 0: clean, 1: damaged, naming what.',
    )
    .option('--state <folder>', 'state folder', './.meterseal')
    .option('--field-state <folder>', "the field's, where it has its own")
    .option('--json', 'print one JSON object')
    .action(async (options: { state: string; fieldState?: string; json?: boolean }) => {
      process.exitCode = await fsck(options);
    });
}

async function fsck(options: { state: string; fieldState?: string; json?: boolean }): Promise<number> {
  const state = stateFolder(options.state, { fieldState: options.fieldState });
  if (!existsSync(state.chainDatabase)) {
    throw new MetersealError('file-missing', `couldn't check state: there is no chain in ${state.root}`, {
      hint: 'Name the state folder with --state.',
    });
  }
  const { engine } = loadEngine();
  const policy = parsePolicy(engine, readPolicy(state.policy));
  const seen = await seenHeads(state, policy, engine);
  const chain = await checkChain(state.chainDatabase, policy, engine, seen);
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

/** What has been published, and what the field was shown last, of a chain that the policy believes. */
async function seenHeads(state: StateFolder, policy: Policy, engine: Engine): Promise<SeenHead[]> {
  const logs: Policy = { logs: policy.logs, witnesses: [], groups: [], quorum: undefined };
  const heads: SeenHead[] = [];
  for (const [by, read] of [
    ['the published checkpoint', async () => readIfThere(state.checkpoint)],
    ["the field's last receipt", () => lastReceipt(state)],
  ] as const) {
    try {
      const note = await read();
      if (note === undefined) continue;
      const { size, root } = openCheckpoint(engine, logs, note).checkpoint;
      heads.push({ by, size, root });
    } catch (error) {
      // A published checkpoint is not synced, so a power cut may leave it torn; field.db is checked by itself.
      if (!isMetersealError(error)) throw error;
    }
  }
  return heads;
}

async function lastReceipt(state: StateFolder): Promise<string | undefined> {
  if (!existsSync(state.fieldDatabase)) return undefined;
  const store = await FieldStore.open(state.fieldDatabase, { readonly: true });
  try {
    return await store.lastReceipt();
  } finally {
    await store.close();
  }
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
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
