import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MetersealError } from '@meterseal/protocol';
import { writeFileAtomically } from '../host/private-file.js';

/**
 * An append-only file. After any rejection the file may hold all, a part, or nothing of what was written, and the
 * handle must not be used again: a failed fsync does not fail twice, it forgets.
 */
export interface SpoolFile {
  read(): Promise<Uint8Array>;
  /** On the disk when it resolves. */
  append(bytes: Uint8Array): Promise<void>;
  /** Written, but on the disk only with the next `append`. */
  note(bytes: Uint8Array): Promise<void>;
  /** On the disk when it resolves. */
  truncate(length: number): Promise<void>;
  /** The new content is there whole or not at all; on the disk when it resolves. */
  replace(bytes: Uint8Array): Promise<void>;
  /** Keeps the content beside the file, under the name `<path>.damaged`, and goes on with an empty one. */
  setAside(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens or creates the file, 0600; a link in its place is refused.
 *
 * @throws MetersealError `file-unusable`
 */
export async function openSpoolFile(path: string): Promise<SpoolFile> {
  let file = await openForAppending(path).catch((cause: NodeJS.ErrnoException) => {
    throw new MetersealError('file-unusable', `couldn't open ${path}: ${cause.code ?? 'failed'}`, {
      hint: 'It must be a plain file in a folder that belongs to the user that runs meterseal.',
      cause,
    });
  });
  return {
    read: async () => {
      const { size } = await file.stat();
      const bytes = new Uint8Array(size);
      let at = 0;
      while (at < size) {
        const { bytesRead } = await file.read(bytes, at, size - at, at);
        if (bytesRead === 0) break;
        at += bytesRead;
      }
      return bytes.subarray(0, at);
    },
    append: async (bytes) => {
      await writeAll(file, bytes);
      await file.datasync();
    },
    note: (bytes) => writeAll(file, bytes),
    truncate: async (length) => {
      await file.truncate(length);
      await file.sync();
    },
    replace: async (bytes) => {
      await file.close();
      writeFileAtomically(path, bytes, 0o600);
      file = await openForAppending(path);
    },
    setAside: async () => {
      await file.close();
      await rename(path, `${path}.damaged`);
      file = await openForAppending(path);
    },
    close: () => file.close(),
  };
}

async function openForAppending(path: string): Promise<FileHandle> {
  const { O_RDWR, O_CREAT, O_APPEND, O_NOFOLLOW } = constants;
  const file = await open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600);
  // A process that was killed may have written what it did not live to sync: it is believed from here on.
  await file.sync();
  // The name itself must survive a power cut too.
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
  return file;
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}
