/** Everything that happened in one run, as one number: two runs of a seed must give the same. */
export class Trace {
  #high = 0x811c9dc5;
  #low = 0x01000193;
  /** The lines themselves, for whoever replays a seed; in all other runs they are not kept. */
  readonly lines: string[] | undefined;
  count = 0;

  constructor(keep = false) {
    this.lines = keep ? [] : undefined;
  }

  add(line: string): void {
    this.count++;
    this.lines?.push(line);
    let high = this.#high;
    let low = this.#low;
    for (let i = 0; i < line.length; i++) {
      const unit = line.charCodeAt(i);
      high = Math.imul(high ^ unit, 0x01000193);
      low = Math.imul(low ^ (unit + i), 0x85ebca6b);
    }
    this.#high = high ^ (low >>> 15);
    this.#low = low ^ (high >>> 13);
  }

  get digest(): string {
    return [this.#high, this.#low].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }
}

/** A short name for bytes in a trace. */
export function markOf(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return `${bytes.length}:${(hash >>> 0).toString(16)}`;
}
