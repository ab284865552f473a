import type { SeededRandom } from '../../protocol/seeded-random.js';
import { answerData, frameOf } from '../dlt645/frame-of.js';

/** Bytes of values that have not four. */
const LENGTHS: Readonly<Record<string, number>> = {
  '04000102': 3,
  '02010100': 2,
  '02020100': 3,
  '02030000': 3,
};

interface Sending {
  readonly due: number;
  readonly bytes: Uint8Array;
}

/**
 * A line of DL/T 645 meters in virtual time that go wrong in every way that keeps to the one assumption: what a meter
 * sends on account of one request it sends before the answer to the next. Each value tells by which request of the line it
 * was read.
 */
export class FaultyDltLine {
  requests = 0;
  readonly #random: SeededRandom;
  readonly #faultShare: number;
  #sendings: Sending[] = [];
  readonly #busyUntil = new Map<string, number>();

  /** @param faultShare of the requests that go wrong, in percent */
  constructor(random: SeededRandom, faultShare: number) {
    this.#random = random;
    this.#faultShare = faultShare;
  }

  /** Eight digits: the request of the line, and the meter. */
  static value(address: string, request: number): string {
    return String((request % 100_000) * 1_000 + Number(address)).padStart(8, '0');
  }

  get nextAt(): number | undefined {
    return this.#sendings[0]?.due;
  }

  take(now: number): Uint8Array[] {
    const due = this.#sendings.filter((sending) => sending.due <= now);
    this.#sendings = this.#sendings.filter((sending) => sending.due > now);
    return due.map(({ bytes }) => bytes);
  }

  request(bytes: Uint8Array, now: number): void {
    this.requests += 1;
    const hex = (from: number, to: number): string =>
      Buffer.from(bytes.slice(from, to).map((byte) => byte - (from > 12 ? 0x33 : 0)))
        .reverse()
        .toString('hex');
    const address = hex(5, 11);
    const identifier = hex(14, 18);
    const digits = 2 * (LENGTHS[identifier] ?? 4);
    const data = answerData(identifier, FaultyDltLine.value(address, this.requests).slice(-digits));
    const soon = now + 20 + this.#random.below(30);
    const good = frameOf({ address, control: 0x91, data });
    if (this.#random.below(100) >= this.#faultShare) this.#send(address, soon, good);
    else this.#goWrong(address, identifier, data, good, soon, now);
  }

  #goWrong(
    address: string,
    identifier: string,
    data: Uint8Array,
    good: Uint8Array,
    soon: number,
    now: number,
  ): void {
    switch (this.#random.below(10)) {
      case 0:
        break;
      case 1:
      case 2:
        this.#send(address, now + this.#random.below(3_000), good);
        break;
      case 3:
        this.#send(address, soon, good);
        this.#send(address, soon + this.#random.below(2_000), good);
        break;
      case 4: {
        const cut = 1 + this.#random.below(good.length - 1);
        this.#send(address, soon, good.slice(0, cut));
        if (this.#random.below(2) === 0)
          this.#send(address, soon + this.#random.below(1_000), good.slice(cut));
        break;
      }
      case 5:
        this.#send(address, soon, frameOf({ address, control: 0xd1, data: Uint8Array.of(2) }));
        break;
      case 6:
        this.#send(address, soon, frameOf({ address: '000000000099', control: 0x91, data }));
        break;
      case 7: {
        const other = `${identifier.slice(0, 6)}7f`;
        const wrong = answerData(other, FaultyDltLine.value(address, 0));
        this.#send(address, soon, frameOf({ address, control: 0x91, data: wrong }));
        break;
      }
      case 8: {
        const damaged = good.slice();
        damaged[this.#random.below(good.length)]! ^= 1 << this.#random.below(8);
        this.#send(address, soon, damaged);
        break;
      }
      default: {
        const noise = this.#random.bytes(1 + this.#random.below(9)).map((byte) => (byte < 40 ? 0x68 : byte));
        this.#put(now + this.#random.below(3_000), noise);
        this.#send(address, soon, Uint8Array.of(...noise, ...good));
      }
    }
  }

  /** In order for each meter, in one or two pieces. */
  #send(address: string, wanted: number, bytes: Uint8Array): void {
    const due = Math.max(wanted, this.#busyUntil.get(address) ?? 0);
    const pause = this.#random.below(2) * this.#random.below(15);
    const cut = this.#random.below(bytes.length);
    this.#put(due, bytes.slice(0, cut));
    this.#put(due + pause, bytes.slice(cut));
    this.#busyUntil.set(address, due + pause);
  }

  #put(due: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#sendings.push({ due, bytes });
    // Stable: what is due at the same time keeps its order.
    this.#sendings.sort((a, b) => a.due - b.due);
  }
}
