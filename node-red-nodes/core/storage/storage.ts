import { isMetersealError, MetersealError } from '@meterseal/protocol';

/**
 * Where the collector keeps its files. Everything that it holds goes through these two interfaces, so that a test can
 * let any single operation fail, and lose what was not yet on the disk.
 */
export interface Storage {
  /** Makes the folder, and those above it, readable to this user only. It outlives a power cut once this resolves. */
  makeFolder(path: string): Promise<void>;
  /** Names in a folder, sorted; none where there is no folder. */
  list(path: string): Promise<string[]>;
  /** Opens a file for reading and writing, and makes an empty one where there is none. Its name outlives a power cut. */
  open(path: string): Promise<StoredFile>;
  /**
   * Takes a folder for one collector alone: two would write over each other.
   *
   * @param path of the file that stands for the lock
   * @returns what gives it back
   * @throws MetersealError `state-in-use`
   */
  lock(path: string): Promise<() => Promise<void>>;
}

/**
 * One open file with one owner.
 *
 * After `write`, `truncate` or `sync` has thrown, nothing is known of what is on the disk: the owner writes no more and
 * opens the file again.
 */
export interface StoredFile {
  size(): Promise<number>;
  /** Fills `into` from `position`. @returns bytes read, fewer only at the end of the file */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Writes all of `bytes`; they survive a power cut only after `sync`. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  truncate(length: number): Promise<void>;
  /** Resolves when everything written is on the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Reads exactly `length` bytes.
 *
 * @throws MetersealError `file-damaged` if the file ends before
 */
export async function readExactly(file: StoredFile, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  if ((await file.read(bytes, position)) < length) {
    throw new MetersealError(
      'file-damaged',
      `couldn't read ${length} bytes at ${position}: the file ends before`,
    );
  }
  return bytes;
}

/** What a write that failed is called from outside; paths and causes stay in `cause`. */
export function storeError(what: string, cause: unknown): MetersealError {
  if (isMetersealError(cause, 'commit-failed', 'disk-full')) return cause;
  const full = (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOSPC';
  return new MetersealError(
    full ? 'disk-full' : 'commit-failed',
    `couldn't store ${what}: the disk refused it`,
    {
      hint: full
        ? "Make room on the collector's disk, then start the collector again."
        : "Check the collector's disk, then start the collector again: until then it accepts nothing.",
      cause,
    },
  );
}
