import { existsSync } from 'node:fs';
import { loadEngine } from '@meterseal/native';
import type { Proof } from '@meterseal/protocol';
import { encodeProof, isMeterId, MetersealError } from '@meterseal/protocol';
import type { Command } from 'commander';
import { FieldStore } from '../agent/field-store.js';
import { chainProof } from '../chain/prove.js';
import { writeFileAtomically } from '../host/private-file.js';
import { stateFolder } from '../host/state-folder.js';

type ProveOptions = { state: string; fieldState?: string; meter: string; seq: string; output: string };

export function registerProve(program: Command): void {
  program
    .command('prove')
    .description(
      'Write the proof of one reading: record, entries, inclusion proofs and checkpoint in one file.',
    )
    .option('--state <folder>', 'state folder', './.meterseal')
    .option('--field-state <folder>', "the field's, where it has its own")
    .requiredOption('--meter <id>', 'meter ID')
    .requiredOption('--seq <n>', 'number of the reading')
    .requiredOption('-o, --output <file>', 'proof file; it holds personal data')
    .action((options: ProveOptions) => prove(options));
}

async function prove(options: ProveOptions): Promise<void> {
  const seq = Number(options.seq);
  if (!Number.isSafeInteger(seq) || seq < 1 || !isMeterId(options.meter)) {
    throw new MetersealError(
      'misuse',
      "couldn't prove reading: --meter must be a meter ID and --seq a number from 1",
      { hint: '`meterseal status` names the meters and how far each has been recorded.' },
    );
  }
  const state = stateFolder(options.state, { fieldState: options.fieldState });
  if (!existsSync(state.fieldDatabase) || !existsSync(state.chainDatabase)) {
    throw new MetersealError('file-missing', `couldn't prove reading: there is no box in ${state.root}`, {
      hint: 'Name the state folder with --state.',
    });
  }
  const { record, salt, subject } = await storedReading(state.fieldDatabase, options.meter, seq);
  const { entries, note } = await chainProof(state.chainDatabase, { subject, seq }, loadEngine().engine);
  const proof: Proof = { record, meter: options.meter, salt, subject, entries, note };
  writeFileAtomically(options.output, encodeProof(proof), 0o600);
  process.stdout.write(`proof of reading ${seq} of meter ${options.meter} written to ${options.output}\n`);
}

async function storedReading(
  database: string,
  id: string,
  seq: number,
): Promise<{ record: Uint8Array; salt: Uint8Array; subject: number }> {
  const store = await FieldStore.open(database, { readonly: true });
  try {
    const meter = await store.findMeter(id);
    if (meter?.state !== 'enrolled') {
      throw new MetersealError('not-found', `couldn't prove reading: no meter ${id} is enrolled here`, {
        hint: '`meterseal status` names the meters of a running box.',
      });
    }
    const record = await store.record(meter.number, seq);
    if (record === undefined) {
      throw new MetersealError('not-found', `couldn't prove reading: meter ${id} has no reading ${seq}`, {
        hint: '`meterseal status` says how far the meter has been recorded.',
      });
    }
    return { record: record.bytes, salt: meter.salt!, subject: meter.subject! };
  } finally {
    await store.close();
  }
}
