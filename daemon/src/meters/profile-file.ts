import { readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MAX_PROFILE_BYTES, MetersealError } from '@meterseal/protocol';
import type { Profile } from './profile.js';
import { PROFILE_NAME, parseProfile } from './profile.js';

/** The folder of the profiles that come with meterseal. */
export function profileFolder(): string {
  return dirname(fileURLToPath(import.meta.resolve('@meterseal/hw-profiles/package.json')));
}

/**
 * Loads `<folder>/<name>.json5`.
 *
 * @param name `manufacturer/model`; nothing else is ever put into a path
 * @throws MetersealError `unknown-profile` if there is none of this name, `bad-profile` if it is not in order
 */
export function loadProfile(name: string, folder = profileFolder()): Profile {
  const unknown = (why: string, cause?: unknown): never => {
    const shown = JSON.stringify(name.slice(0, 120));
    throw new MetersealError('unknown-profile', `couldn't find profile ${shown}: ${why}`, {
      hint: 'a profile is named like eastron/sdm630, after its file in hw-profiles',
      cause,
    });
  };
  if (!PROFILE_NAME.test(name)) unknown('not manufacturer/model in lower case');
  const path = join(folder, `${name}.json5`);
  let text: string;
  try {
    // A link could lead to a file that nobody meant to be a profile.
    if (realpathSync(path) !== join(realpathSync(folder), `${name}.json5`)) unknown('it is a symbolic link');
    if (statSync(path).size > MAX_PROFILE_BYTES) unknown(`more than ${MAX_PROFILE_BYTES} bytes`);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof MetersealError) throw error;
    return unknown('no such file', error);
  }
  return parseProfile(text, name);
}
