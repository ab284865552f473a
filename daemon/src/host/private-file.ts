import { closeSync, fsyncSync, lstatSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { MetersealError } from '@meterseal/protocol';

/**
 * Writes a file so that it is there whole or not at all, also after a power cut: temporary file, fsync, rename, fsync of
 * the folder.
 *
 * @param mode 0600 for everything that is secret
 */
export function writeFileAtomically(path: string, content: string | Uint8Array, mode: number): void {
  const temporary = `${path}.new`;
  const file = openSync(temporary, 'w', mode);
  try {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/**
 * Reads a secret, and refuses a file that others can read or that is a link.
 *
 * @param what how messages call it: "couldn't read <what>"
 * @throws MetersealError `file-missing`, `file-unusable`
 */
export function readPrivateFile(path: string, what: string): string {
  try {
    const stat = lstatSync(path);
    if (!stat.isFile()) {
      throw new MetersealError('file-unusable', `couldn't read ${what}: ${path} is not a plain file`);
    }
    if ((stat.mode & 0o077) !== 0) {
      throw new MetersealError('file-unusable', `couldn't read ${what}: others may read ${path}`, {
        hint: `Set its mode to 0600: chmod 600 ${path}`,
      });
    }
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof MetersealError) throw cause;
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new MetersealError(
      missing ? 'file-missing' : 'file-unusable',
      `couldn't read ${what}: ${path} ${missing ? 'does not exist' : 'cannot be read'}`,
      { cause },
    );
  }
}
