import type { SpoolFile } from 'meterseal/internal/gate/spool-file';

/** A spool file in memory, whose next write can go wrong in either way. */
export class FaultySpoolFile implements SpoolFile {
  bytes: Uint8Array;
  aside: Uint8Array | null = null;
  writes = 0;
  /** What happens to the next write: nothing of it arrives, or all of it although it is reported failed. */
  next: 'fine' | 'not-applied' | 'applied-but-failed' = 'fine';
  code = 'EIO';

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.bytes = bytes;
  }

  async read(): Promise<Uint8Array> {
    return this.bytes.slice();
  }

  append(bytes: Uint8Array): Promise<void> {
    return this.#write(() => {
      this.bytes = Uint8Array.from([...this.bytes, ...bytes]);
    });
  }

  note(bytes: Uint8Array): Promise<void> {
    return this.append(bytes);
  }

  truncate(length: number): Promise<void> {
    return this.#write(() => {
      this.bytes = this.bytes.slice(0, length);
    });
  }

  replace(bytes: Uint8Array): Promise<void> {
    return this.#write(() => {
      this.bytes = bytes.slice();
    });
  }

  setAside(): Promise<void> {
    return this.#write(() => {
      this.aside = this.bytes;
      this.bytes = new Uint8Array(0);
    });
  }

  async close(): Promise<void> {}

  async #write(apply: () => void): Promise<void> {
    this.writes++;
    const { next } = this;
    this.next = 'fine';
    if (next !== 'not-applied') apply();
    if (next !== 'fine') throw Object.assign(new Error(`${this.code}: i/o error`), { code: this.code });
  }
}
