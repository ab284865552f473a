import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { isMetersealError, MAX_PROFILE_BYTES, MetersealError } from '@meterseal/protocol';
import { parseRelayProfile } from '../../gate/relay/profile.js';
import { profileFolder } from '../../host/data-file.js';
import { parseProfile } from '../../meters/profile.js';

const ENDING = '.json5';

/** Files of all profiles that come with meterseal, relay boards too. */
export function ourProfileFiles(folder = profileFolder()): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(ENDING) && !path.split(sep).includes('node_modules'))
    .sort()
    .map((path) => join(folder, path));
}

/**
 * Reads one file with the parser that the daemon uses. Its name has to be that of its last folder and of itself; below
 * `relays` it is a relay board.
 *
 * @returns what is wrong, undefined if nothing is
 * @throws MetersealError `file-missing`
 */
export function lintProfile(file: string): string | undefined {
  const [relays, maker = '', model = ''] = ['', '', ...resolve(file).split(sep)].slice(-3);
  if (!model.endsWith(ENDING)) return `its name does not end in ${ENDING}`;
  const name = `${maker}/${model.slice(0, -ENDING.length)}`;
  const text = textOf(file);
  try {
    if (relays === 'relays') parseRelayProfile(text, name);
    else parseProfile(text, name);
  } catch (error) {
    if (!isMetersealError(error, 'bad-profile')) throw error;
    return error.message.replace(/^couldn't read (relay )?profile "[^"]*": /, '');
  }
  return undefined;
}

/** No more than the parser takes, whatever the file is. */
function textOf(file: string): string {
  try {
    if (statSync(file).size > MAX_PROFILE_BYTES) return ' '.repeat(MAX_PROFILE_BYTES + 1);
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new MetersealError('file-missing', `couldn't check profile: ${file} cannot be opened`, {
      hint: 'Name files, like hw-profiles/eastron/sdm630.json5.',
      cause,
    });
  }
}
