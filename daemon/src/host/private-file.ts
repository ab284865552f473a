import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { MetersealError } from '@meterseal/protocol';

/** Keys, codes and tokens are one line or one PEM block. */
const MAX_SECRET_BYTES = 65_536;

/**
 * Writes a file so that it is there whole or not at all, also after a power cut: temporary file, fsync, rename, fsync of
 * the folder. What stood there is replaced, a link too; it is never followed.
 *
 * @param mode 0600 for everything that is secret; the umask does not change it
 * @throws MetersealError `disk-full`, `file-unusable`
 */
export function writeFileAtomically(path: string, content: string | Uint8Array, mode: number): void {
  const temporary = `${path}.new`;
  try {
    // Whatever an interrupted write, or somebody else, left under this name must not lend us its mode or its target.
    rmSync(temporary, { force: true });
    const file = openSync(temporary, 'wx', mode);
    try {
      fchmodSync(file, mode);
      const bytes = typeof content === 'string' ? Buffer.from(content) : content;
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'failed';
    throw new MetersealError(
      reason === 'ENOSPC' ? 'disk-full' : 'file-unusable',
      `couldn't write ${path}: ${reason}`,
      { hint: 'Check that its folder exists, belongs to this user, and has space left.', cause },
    );
  }
}

/**
 * Reads a secret, and refuses a file that others can read or that is a link.
 *
 * @param what how messages call it: "couldn't read <what>"
 * @throws MetersealError `file-missing`, `file-unusable`
 */
export function readPrivateFile(path: string, what: string): string {
  const file = openWithoutFollowing(path, what);
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw unusable(path, what, 'is not a plain file');
    if ((stat.mode & 0o077) !== 0) {
      throw unusable(path, what, 'can be read by others', `Set its mode to 0600: chmod 600 ${path}`);
    }
    if (stat.size > MAX_SECRET_BYTES) throw unusable(path, what, `has more than ${MAX_SECRET_BYTES} bytes`);
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw cause instanceof MetersealError ? cause : unusable(path, what, 'cannot be read', undefined, cause);
  } finally {
    closeSync(file);
  }
}

/** Without O_NONBLOCK a pipe in the file's place would be waited for. */
function openWithoutFollowing(path: string, what: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      throw new MetersealError('file-missing', `couldn't read ${what}: ${path} does not exist`, {
        hint: 'Check the path; put the file there.',
        cause,
      });
    }
    const why = code === 'ELOOP' ? 'is a link' : 'cannot be opened';
    throw unusable(path, what, why, undefined, cause);
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function unusable(path: string, what: string, why: string, hint?: string, cause?: unknown): MetersealError {
  return new MetersealError('file-unusable', `couldn't read ${what}: ${path} ${why}`, {
    hint: hint ?? 'It must be a plain file that belongs to the user that runs meterseal.',
    cause,
  });
}
