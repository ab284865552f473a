import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DATA_FILE_NAME, profileFolder, readDataFile } from '../host/data-file.js';
import type { Profile } from './profile.js';
import { parseProfile } from './profile.js';

/**
 * Loads `<folder>/<name>.json5`.
 *
 * @param name `manufacturer/model`; nothing else is ever put into a path
 * @throws MetersealError `unknown-profile` if there is none of this name, `bad-profile` if it is not in order
 */
export function loadProfile(name: string, folder = profileFolder()): Profile {
  return parseProfile(readDataFile(name, folder, 'profile'), name);
}

/** Names of the profiles of meters below `folder`, in their order; relay boards are no meters. */
export function profileNames(folder = profileFolder()): readonly string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'relays')
    .flatMap(({ name }) => readdirSync(join(folder, name)).map((file) => [name, file] as const))
    .filter(([, file]) => file.endsWith('.json5'))
    .map(([maker, file]) => `${maker}/${file.slice(0, -'.json5'.length)}`)
    .filter((name) => DATA_FILE_NAME.test(name))
    .sort();
}
