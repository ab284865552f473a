/** Repeatable numbers for property tests (xorshift32): a failure names its seed and comes again. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  /** An integer in 0 … below − 1; `below` up to 2^53. */
  below(below: number): number {
    const high = this.#next() % 2 ** 21;
    return (high * 2 ** 32 + this.#next()) % below;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#next() & 0xff);
  }

  #next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state;
  }
}
