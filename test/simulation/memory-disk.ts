import type { Storage, StoredFile } from '@meterseal/node-red-meterseal/core';
import type { Dice } from './dice.js';
import type { Life } from './life.js';
import { never } from './life.js';
import type { Writes } from './writes.js';

type MemoryFile = {
  bytes: Uint8Array;
  /** What is on the disk for certain, where that is something else. */
  synced: Uint8Array | undefined;
};

const SECTOR_BYTES = 64;
const NOTHING = new Uint8Array(0);

/** The collector's disk: what every process writes there, and what a power cut leaves of it. */
export class MemoryDisk {
  readonly #files = new Map<string, MemoryFile>();
  readonly #folders = new Set<string>();
  readonly #writes: Writes;

  constructor(writes: Writes) {
    this.#writes = writes;
  }

  /** What was not synced is lost, there nevertheless, or there in parts. */
  cutPower(dice: Dice): void {
    for (const file of this.#files.values()) {
      const { bytes, synced } = file;
      if (synced === undefined) continue;
      const fate = dice.below(4);
      if (fate === 0) file.bytes = synced;
      if (fate === 1) file.bytes = beginningOf(bytes, synced, dice);
      if (fate === 2) file.bytes = mixtureOf(bytes, synced, dice);
      file.synced = undefined;
    }
  }

  bytes(path: string): Uint8Array {
    return this.#files.get(path)?.bytes ?? NOTHING;
  }

  /** The disk as one process sees it. */
  storageFor(life: Life): Storage {
    const change = (what: string, apply: () => void): Promise<void> =>
      this.#writes.do(life, what, apply, () => Object.assign(new Error('disk failed'), { code: 'EIO' }));
    return {
      lock: async () => async () => {},
      makeFolder: async (path) => {
        if (this.#folders.has(path)) return;
        await change(`makes ${path}`, () => this.#folders.add(path));
      },
      list: async (path) => {
        if (life.ended) return never();
        const names = [...this.#files.keys(), ...this.#folders].filter((name) => name.startsWith(`${path}/`));
        return [...new Set(names.map((name) => name.slice(path.length + 1).split('/')[0]!))].sort();
      },
      open: async (path) => {
        if (!this.#files.has(path)) {
          await change(`creates ${path}`, () => {
            this.#files.set(path, { bytes: NOTHING, synced: undefined });
          });
        }
        return openFile(this.#files.get(path)!, path, life, change);
      },
    };
  }
}

function openFile(
  file: MemoryFile,
  path: string,
  life: Life,
  change: (what: string, apply: () => void) => Promise<void>,
): StoredFile {
  return {
    size: async () => (life.ended ? never() : file.bytes.length),
    read: async (into, position) => {
      if (life.ended) return never();
      const piece = file.bytes.subarray(position, position + into.length);
      into.set(piece);
      return piece.length;
    },
    write: (bytes, position) =>
      change(`writes ${bytes.length} at ${position} of ${path}`, () => {
        const grown = new Uint8Array(Math.max(file.bytes.length, position + bytes.length));
        grown.set(file.bytes);
        grown.set(bytes, position);
        file.synced ??= file.bytes;
        file.bytes = grown;
      }),
    truncate: (length) =>
      change(`cuts ${path} to ${length}`, () => {
        file.synced ??= file.bytes;
        file.bytes = file.bytes.slice(0, length);
      }),
    sync: () =>
      change(`syncs ${path}`, () => {
        file.synced = undefined;
      }),
    close: async () => {},
  };
}

/** The write got so far. */
function beginningOf(bytes: Uint8Array, synced: Uint8Array, dice: Dice): Uint8Array {
  if (bytes.length <= synced.length) return dice.chance(0.5) ? bytes : synced;
  return bytes.slice(0, dice.between(synced.length, bytes.length));
}

/** Some sectors of it got there; those that did not, behind the old end, are zeros. */
function mixtureOf(bytes: Uint8Array, synced: Uint8Array, dice: Dice): Uint8Array {
  const mixture = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at += SECTOR_BYTES) {
    const from = dice.chance(0.5) ? bytes : synced;
    mixture.set(from.subarray(at, Math.min(at + SECTOR_BYTES, bytes.length)), at);
  }
  return mixture;
}
