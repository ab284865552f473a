import type { StoredFile } from './storage.js';

/** Bytes of a piece if not given: large enough to be fast, small enough to be worked on where it was read to. */
const PIECE_BYTES = 2 * 1024 * 1024;

export type Piece = {
  /** Good until the next piece but one is begun. */
  readonly bytes: Uint8Array;
  /** Where it stands in the file. */
  readonly at: number;
  /** Nothing comes behind it. */
  readonly isLast: boolean;
};

/**
 * Reads a file from front to back in pieces, each into the other one of two buffers: the next one comes while the last
 * is worked on. Where a piece ends within something, the next one is begun there again.
 */
export class ReadAhead {
  readonly #file: StoredFile;
  readonly #end: number;
  readonly #buffers: readonly [Uint8Array, Uint8Array];
  #turn: 0 | 1 = 0;
  #next: Promise<Piece> | undefined;

  /** @param end nothing is read from there on */
  constructor(file: StoredFile, end: number, pieceBytes = PIECE_BYTES) {
    this.#file = file;
    this.#end = end;
    const length = Math.min(pieceBytes, end);
    this.#buffers = [new Uint8Array(length), new Uint8Array(length)];
  }

  /** Begins to read the piece at a position. */
  begin(at: number): void {
    const buffer = this.#buffers[this.#turn];
    this.#turn = this.#turn === 0 ? 1 : 0;
    this.#next = this.#read(buffer.subarray(0, Math.min(buffer.length, this.#end - at)), at);
    // Whoever gives up before it comes does not hear of it.
    this.#next.catch(() => {});
  }

  /** The piece that was begun. @throws what the file throws */
  async take(): Promise<Piece> {
    return this.#next!;
  }

  async #read(into: Uint8Array, at: number): Promise<Piece> {
    const got = await this.#file.read(into, at);
    return { bytes: into.subarray(0, got), at, isLast: got < into.length || at + got === this.#end };
  }
}
