import { profileFolder, readDataFile } from '../host/data-file.js';
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
