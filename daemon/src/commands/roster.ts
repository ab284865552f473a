import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { Holder } from '@meterseal/protocol';
import { isMeterId, MetersealError } from '@meterseal/protocol';
import type { Command } from 'commander';
import { parse, stringify } from 'yaml';
import { parseRoster } from '../chain/platform/roster.js';
import { writeFileAtomically } from '../host/private-file.js';
import type { StateFolder } from '../host/state-folder.js';
import { makePrivateFolder, stateFolder } from '../host/state-folder.js';

type AddOptions = { state: string; holder: string[]; codeFile: string };

export function registerRoster(program: Command): void {
  const roster = program.command('roster').description('The meters that may enrol at this platform.');
  roster
    .command('add')
    .description('Put a meter on the roster, and write its one-time enrolment code into a file (0600).')
    .argument('<meter>', 'meter ID')
    .requiredOption('--code-file <file>', 'where the code goes; the field reads it from there')
    .option('--holder <key=value>', "the holder's data, once per key", collect, [])
    .option('--state <folder>', 'state folder', './.meterseal')
    .action((meter: string, options: AddOptions) => add(meter, options));
}

function add(meter: string, options: AddOptions): void {
  const holder = Object.fromEntries(options.holder.map(holderField));
  addToRoster(stateFolder(options.state), { meter, holder }, options.codeFile);
  process.stdout.write(`${meter} is on the roster; its code is in ${options.codeFile}\n`);
}

/**
 * Puts a meter on the roster with a fresh one-time code.
 *
 * @param codeFile where the code goes, 0600
 * @throws MetersealError `misuse`, `bad-roster`
 */
export function addToRoster(
  state: StateFolder,
  { meter, holder }: { readonly meter: string; readonly holder: Holder },
  codeFile: string,
): void {
  if (!isMeterId(meter)) {
    throw new MetersealError(
      'misuse',
      `couldn't add meter: ${JSON.stringify(meter)} is not 1–64 of A-Za-z0-9._:-`,
      { hint: 'Choose an ID without spaces, such as the serial number on the meter.' },
    );
  }
  makePrivateFolder(state.root, { mayBeLink: true });
  makePrivateFolder(state.chain);
  const text = existsSync(state.roster) ? readFileSync(state.roster, 'utf8') : '';
  // What the platform would refuse is not added to: the new meter could not enrol either.
  if (parseRoster(text).has(meter)) {
    throw new MetersealError('misuse', `couldn't add meter: ${meter} is on the roster already`, {
      hint: 'Remove its entry first if a new code is wanted.',
    });
  }
  const code = randomBytes(15).toString('base64url');
  const codeSha256 = createHash('sha256').update(code).digest('hex');
  // The code before the roster: a code that nobody asks for does no harm, a roster entry without its code does.
  writeFileAtomically(codeFile, `${code}\n`, 0o600);
  const entries = (parse(text) as unknown[] | null) ?? [];
  writeFileAtomically(state.roster, stringify([...entries, { meter, holder, codeSha256 }]), 0o600);
}

function holderField(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1)
    throw new MetersealError('misuse', `couldn't read --holder: ${JSON.stringify(text)} is not key=value`, {
      hint: "For example --holder 'name=A. Holder' --holder contract=1001.",
    });
  return [text.slice(0, at), text.slice(at + 1)];
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}
