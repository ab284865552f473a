import type { Random } from '@meterseal/protocol';
import { toHex } from '@meterseal/protocol';

const LIFE_MS = 60_000;
/** Open challenges of one meter, and of all unknown meters together; the oldest goes first. */
const MOST_PER_METER = 8;
const MOST_UNKNOWN = 64;

type Challenge = { readonly meter: string; readonly expiresAt: number };

/** Challenges: 32 bytes, good once, for one meter, for 60 s of the monotonic clock. */
export class Challenges {
  readonly #random: Random;
  readonly #open = new Map<string, Challenge>();
  /** Challenges in the order of issue, by subject; 0 for unknown meters. */
  readonly #issued = new Map<number, string[]>();

  constructor(random: Random) {
    this.#random = random;
  }

  /**
   * @param subject 0 for a meter that is not enrolled: it gets a challenge too, and is rejected on the chain
   * @param now monotonic milliseconds
   */
  issue(meter: string, subject: number, now: number): Uint8Array {
    const challenge = this.#random(32);
    const name = toHex(challenge);
    const issued = (this.#issued.get(subject) ?? []).filter((open) => this.#open.has(open));
    issued.push(name);
    while (issued.length > (subject === 0 ? MOST_UNKNOWN : MOST_PER_METER))
      this.#open.delete(issued.shift()!);
    this.#issued.set(subject, issued);
    this.#open.set(name, { meter, expiresAt: now + LIFE_MS });
    return challenge;
  }

  /** Spends a challenge, whatever comes of it. */
  spend(
    challenge: Uint8Array,
    meter: string,
    now: number,
  ): 'good' | 'challenge-unknown' | 'challenge-expired' {
    const name = toHex(challenge);
    const open = this.#open.get(name);
    if (open === undefined || open.meter !== meter) return 'challenge-unknown';
    this.#open.delete(name);
    return now < open.expiresAt ? 'good' : 'challenge-expired';
  }
}
