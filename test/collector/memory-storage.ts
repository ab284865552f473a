import type { Storage, StoredFile } from '@meterseal/node-red-meterseal/internal/storage/storage';

type MemoryFile = { bytes: Uint8Array; durable: Uint8Array };

/** What becomes of writes that were not synced when the power fails. */
export type CrashMode = 'lost' | 'kept' | 'torn';

/** How the operation that a test chose fails: before it does anything, or after it did all of it. */
export type FaultMode = 'not-applied' | 'applied';

/**
 * A disk in memory that knows what was synced. Any one operation that changes something can be made to fail, and the
 * power can be cut at any time.
 */
export class MemoryStorage implements Storage {
  #files = new Map<string, MemoryFile>();
  #folders = new Set<string>();
  #operations = 0;
  #fault: { at: number; mode: FaultMode } | undefined;
  #hasFailed = false;
  /** Operations that change something, in order. */
  readonly log: string[] = [];

  get operations(): number {
    return this.#operations;
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Lets the operation of that number fail, counted from now. */
  failAt(at: number, mode: FaultMode): void {
    this.#operations = 0;
    this.#hasFailed = false;
    this.#fault = { at, mode };
  }

  heal(): void {
    this.#fault = undefined;
  }

  crash(mode: CrashMode): void {
    for (const file of this.#files.values()) {
      if (mode === 'lost') file.bytes = file.durable;
      // The first half of what was added reached the disk.
      const { length } = file.durable;
      if (mode === 'torn' && file.bytes.length > length) {
        file.bytes = file.bytes.slice(0, length + Math.floor((file.bytes.length - length) / 2));
      }
      file.durable = file.bytes;
    }
  }

  bytes(path: string): Uint8Array {
    return this.#files.get(path)?.bytes ?? new Uint8Array(0);
  }

  put(path: string, bytes: Uint8Array): void {
    this.#files.set(path, { bytes: bytes.slice(), durable: bytes.slice() });
  }

  paths(): string[] {
    return [...this.#files.keys()].sort();
  }

  async lock(): Promise<() => Promise<void>> {
    return async () => {};
  }

  async makeFolder(path: string): Promise<void> {
    if (this.#folders.has(path)) return;
    await this.#change(`makeFolder ${path}`, () => this.#folders.add(path));
  }

  async list(path: string): Promise<string[]> {
    const inside = [...this.#files.keys(), ...this.#folders].filter((name) => name.startsWith(`${path}/`));
    return [...new Set(inside.map((name) => name.slice(path.length + 1).split('/')[0]!))].sort();
  }

  async open(path: string): Promise<StoredFile> {
    if (!this.#files.has(path)) {
      await this.#change(`create ${path}`, () => {
        this.#files.set(path, { bytes: new Uint8Array(0), durable: new Uint8Array(0) });
      });
    }
    const file = this.#files.get(path)!;
    const change = (what: string, apply: () => void): Promise<void> => this.#change(`${what} ${path}`, apply);
    return {
      size: async () => file.bytes.length,
      read: async (into, position) => {
        const piece = file.bytes.subarray(position, position + into.length);
        into.set(piece);
        return piece.length;
      },
      write: (bytes, position) =>
        change('write', () => {
          const grown = new Uint8Array(Math.max(file.bytes.length, position + bytes.length));
          grown.set(file.bytes);
          grown.set(bytes, position);
          file.bytes = grown;
        }),
      truncate: (length) =>
        change('truncate', () => {
          file.bytes = file.bytes.slice(0, length);
        }),
      sync: () =>
        change('sync', () => {
          file.durable = file.bytes;
        }),
      close: async () => {},
    };
  }

  async #change(what: string, apply: () => void): Promise<void> {
    const fails = this.#fault?.at === this.#operations++;
    this.log.push(what);
    if (!fails || this.#fault!.mode === 'applied') apply();
    if (!fails) return;
    this.#hasFailed = true;
    throw Object.assign(new Error('disk failed'), { code: 'EIO' });
  }
}
