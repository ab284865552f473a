import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { lockFolder } from './lock-file.js';
import type { Storage, StoredFile } from './storage.js';

/** The disk by node:fs. */
export const nodeStorage: Storage = {
  lock: lockFolder,

  async makeFolder(path) {
    const made = await mkdir(path, { recursive: true, mode: 0o700 });
    if (made === undefined) return;
    // Every folder that is new is an entry in the one above it.
    for (let at = path; at.length >= made.length && at !== dirname(at); at = dirname(at)) {
      await syncFolder(dirname(at));
    }
  },

  async list(path) {
    try {
      return (await readdir(path)).sort();
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  },

  async open(path) {
    const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    try {
      return new NodeFile(await open(path, O_RDWR | O_NOFOLLOW));
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    const file = await open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      await syncFolder(dirname(path));
    } catch (error) {
      await file.close();
      throw error;
    }
    return new NodeFile(file);
  },
};

class NodeFile implements StoredFile {
  readonly #file: FileHandle;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async size(): Promise<number> {
    return (await this.#file.stat()).size;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let done = 0;
    while (done < into.length) {
      const { bytesRead } = await this.#file.read(into, done, into.length - done, position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }

  async truncate(length: number): Promise<void> {
    await this.#file.truncate(length);
  }

  async sync(): Promise<void> {
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** Makes the names in a folder outlive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
