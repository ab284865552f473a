import { withCrc } from 'meterseal/internal/modbus/crc';
import type { RegisterRead } from 'meterseal/internal/modbus/register-read';
import type { SeededRandom } from '../../protocol/seeded-random.js';

interface Sending {
  readonly due: number;
  readonly bytes: Uint8Array;
}

/**
 * A serial line in virtual time with meters that go wrong in every way that keeps to the one assumption: what a
 * meter sends on account of one request it sends before the answer to the next. Each word of an answer tells by which
 * request of the line it was read, so that a right register of an old time shows.
 */
export class FaultyLine {
  requests = 0;
  /** Of the requests that go wrong, in percent. */
  faultShare: number;
  readonly #random: SeededRandom;
  #sendings: Sending[] = [];
  /** When each unit is done with what it has begun. */
  readonly #busyUntil = new Map<number, number>();

  constructor(random: SeededRandom, faultShare: number) {
    this.#random = random;
    this.faultShare = faultShare;
  }

  /** The words of `read` at the time of the line's request number `request`. */
  static words({ unit, fc, at, count }: RegisterRead, request: number): number[] {
    return Array.from({ length: count }, (_, i) => (request * 257 + unit * 31 + fc * 7 + at + i) & 0xffff);
  }

  /** When bytes come next; undefined: never, unless something is sent. */
  get nextAt(): number | undefined {
    return this.#sendings[0]?.due;
  }

  /** The bytes that have come by `now`. */
  take(now: number): Uint8Array[] {
    const due = this.#sendings.filter((sending) => sending.due <= now);
    this.#sendings = this.#sendings.filter((sending) => sending.due > now);
    return due.map(({ bytes }) => bytes);
  }

  request(bytes: Uint8Array, now: number): void {
    this.requests += 1;
    const [unit = 0, fc = 0, atHigh = 0, atLow = 0, , count = 0] = bytes;
    const read = { unit, fc: fc as 3 | 4, at: atHigh * 256 + atLow, count };
    const words = FaultyLine.words(read, this.requests);
    const body = [unit, fc, 2 * count, ...words.flatMap((word) => [word >> 8, word & 0xff])];
    const soon = now + 5 + this.#random.below(40);
    const good = withCrc(Uint8Array.from(body));
    if (this.#random.below(100) >= this.faultShare) this.#send(unit, soon, good);
    else this.#goWrong(Uint8Array.from(body), good, soon, now);
  }

  #goWrong(body: Uint8Array, good: Uint8Array, soon: number, now: number): void {
    const [unit = 0, fc = 0] = body;
    const changed = (at: number, value: number): Uint8Array =>
      withCrc(body.map((byte, i) => (i === at ? value : byte)));
    switch (this.#random.below(12)) {
      case 0:
        break;
      case 1:
      case 2:
        this.#send(unit, now + this.#random.below(3_000), good);
        break;
      case 3:
        this.#send(unit, soon, good);
        this.#send(unit, soon + this.#random.below(2_000), good);
        break;
      case 4: {
        const cut = 1 + this.#random.below(good.length - 1);
        this.#send(unit, soon, good.slice(0, cut));
        if (this.#random.below(2) === 0) this.#send(unit, soon + this.#random.below(1_000), good.slice(cut));
        break;
      }
      case 5:
        this.#send(unit, soon, withCrc(Uint8Array.of(unit, fc | 0x80, 1 + this.#random.below(11))));
        break;
      case 6:
        this.#send(unit, soon, changed(0, (unit % 3) + 1));
        break;
      case 7:
        this.#send(unit, soon, changed(1, fc ^ 7));
        break;
      case 8: {
        const damaged = good.slice();
        damaged[this.#random.below(good.length)]! ^= 1 << this.#random.below(8);
        this.#send(unit, soon, damaged);
        break;
      }
      case 9:
        this.#send(unit, soon, this.#random.bytes(1 + this.#random.below(60)));
        break;
      case 10:
        // Noise between frames, while the line is perhaps idle; and an answer of somebody else's meter.
        this.#put(now + this.#random.below(3_000), this.#random.bytes(1 + this.#random.below(5)));
        this.#put(now + this.#random.below(3_000), changed(0, 99));
        this.#send(unit, soon, good);
        break;
      default: {
        const noise = this.#random.bytes(1 + this.#random.below(5));
        const before = this.#random.below(2) === 0;
        this.#send(unit, soon, Uint8Array.from(before ? [...noise, ...good] : [...good, ...noise]));
      }
    }
  }

  /** In order for each unit, in one or two pieces. */
  #send(unit: number, wanted: number, bytes: Uint8Array): void {
    const due = Math.max(wanted, this.#busyUntil.get(unit) ?? 0);
    const pause = this.#random.below(2) * this.#random.below(15);
    const cut = this.#random.below(bytes.length);
    this.#put(due, bytes.slice(0, cut));
    this.#put(due + pause, bytes.slice(cut));
    this.#busyUntil.set(unit, due + pause);
  }

  #put(due: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#sendings.push({ due, bytes });
    // Stable: what is due at the same time keeps its order.
    this.#sendings.sort((a, b) => a.due - b.due);
  }
}
