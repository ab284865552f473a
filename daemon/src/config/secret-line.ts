import { MetersealError } from '@meterseal/protocol';
import { readPrivateFile } from '../host/private-file.js';

/**
 * The secret that a file holds: one line of printable characters, with or without its line end.
 *
 * @param what how messages call it: "couldn't read <what>"
 * @throws MetersealError `file-missing`; `file-unusable`, also for a file that others can read
 */
export function readSecretLine(path: string, what: string): string {
  const secret = readPrivateFile(path, what).trim();
  if (/^[\x21-\x7e]+$/.test(secret)) return secret;
  throw new MetersealError(
    'file-unusable',
    `couldn't read ${what}: ${path} does not hold one line without spaces`,
    { hint: 'Write the secret alone into the file, nothing before or behind it.' },
  );
}
