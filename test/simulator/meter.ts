import type { SeededRandom } from '../protocol/seeded-random.js';
import { answerDlt645 } from './dlt645-side.js';
import type { EventLog } from './event-log.js';
import type { Fault, Faults } from './fault.js';
import type { RegisterImage } from './register-image.js';

/** A request as it came by either transport. */
export interface MeterRequest {
  readonly transport: 'tcp' | 'serial';
  readonly unit: number;
  readonly pdu: Uint8Array;
  /** Puts an answer into the transport's frame. */
  frame(unit: number, pdu: Uint8Array): Uint8Array;
  send(bytes: Uint8Array): void;
  /** Ends the connection without a word. */
  reset(): void;
}

interface Outgoing {
  readonly bytes: Uint8Array;
  readonly request: MeterRequest;
  /** Milliseconds since 1970; undefined: when the next request comes. */
  due: number | undefined;
}

const ILLEGAL_FUNCTION = 1;
const ILLEGAL_ADDRESS = 2;
const ILLEGAL_COUNT = 3;
const NO_SUCH_DATA = 2;

/** One meter: answers in order, as devices do, and goes wrong as it is told. */
export class Meter {
  readonly image: RegisterImage;
  readonly #unit: number;
  readonly #secondsNow: () => number;
  readonly #delayMs: number;
  readonly #faults: Faults;
  readonly #random: SeededRandom;
  readonly #log: EventLog;
  readonly #outgoing: Outgoing[] = [];
  #timer: NodeJS.Timeout | undefined;
  #requests = 0;

  constructor(options: {
    image: RegisterImage;
    unit: number;
    secondsNow: () => number;
    delayMs: number;
    faults: Faults;
    random: SeededRandom;
    log: EventLog;
  }) {
    this.image = options.image;
    this.#unit = options.unit;
    this.#secondsNow = options.secondsNow;
    this.#delayMs = options.delayMs;
    this.#faults = options.faults;
    this.#random = options.random;
    this.#log = options.log;
  }

  handle(request: MeterRequest): void {
    const fault = this.#faults.draw(this.#unit);
    const { pdu, ...asked } = this.image.speaksDlt645
      ? this.#answerData(request.pdu, fault)
      : this.#answerRegisters(request.pdu, fault);
    this.#requests += 1;
    this.#log.write({
      event: 'request',
      transport: request.transport,
      unit: this.#unit,
      n: this.#requests,
      fc: request.pdu[0]!,
      ...asked,
      ...(fault === undefined ? {} : { fault: fault.kind }),
    });
    for (const outgoing of this.#outgoing) outgoing.due ??= Date.now();
    this.#enqueue(request, pdu, fault);
    this.#pump();
  }

  #answerData(request: Uint8Array, fault: Fault | undefined): ReturnType<typeof answerDlt645> {
    const error = fault?.kind === 'exception' ? (fault.code ?? NO_SUCH_DATA) : undefined;
    return answerDlt645(request, this.image, this.#secondsNow(), error);
  }

  #answerRegisters(
    request: Uint8Array,
    fault: Fault | undefined,
  ): { pdu: Uint8Array; at: number; count: number; words?: string } {
    const fc = request[0]!;
    const u16 = (at: number): number => request[at]! * 256 + request[at + 1]!;
    const asked = { at: u16(1), count: u16(3) };
    const refuse = (code: number): { pdu: Uint8Array; at: number; count: number } => ({
      pdu: Uint8Array.of(fc | 0x80, code),
      ...asked,
    });
    if (fault?.kind === 'exception') return refuse(fault.code ?? ILLEGAL_ADDRESS);
    if ((fc !== 3 && fc !== 4) || request.length !== 5) return refuse(ILLEGAL_FUNCTION);
    const { at, count } = asked;
    if (count < 1 || count > 125) return refuse(ILLEGAL_COUNT);
    const words = this.image.words(fc, at, count, this.#secondsNow());
    if (words === undefined) return refuse(ILLEGAL_ADDRESS);
    const bytes = words.flatMap((word) => [word >> 8, word & 0xff]);
    return { pdu: Uint8Array.of(fc, 2 * count, ...bytes), ...asked, words: hexWords(words) };
  }

  #enqueue(request: MeterRequest, pdu: Uint8Array, fault: Fault | undefined): void {
    const unit = this.#unit;
    const put = (bytes: Uint8Array, laterMs: number | undefined = 0): void => {
      const due = laterMs === undefined ? undefined : Date.now() + this.#delayMs + laterMs;
      this.#outgoing.push({ bytes, request, due });
    };
    const frame = request.frame(unit, pdu);
    switch (fault?.kind) {
      case 'silent':
        return;
      case 'reset':
        request.reset();
        return;
      case 'late':
        this.#outgoing.push({
          bytes: frame,
          request,
          due: fault.ms === undefined ? undefined : Date.now() + fault.ms,
        });
        return;
      case 'doubled':
        put(frame);
        put(frame, fault.ms ?? 0);
        return;
      case 'torn': {
        const cut = 1 + this.#random.below(frame.length - 1);
        put(frame.slice(0, cut));
        if (fault.ms !== undefined) put(frame.slice(cut), fault.ms);
        return;
      }
      case 'wrong-unit':
        put(request.frame((unit % 247) + 1, pdu));
        return;
      case 'wrong-function':
        put(request.frame(unit, Uint8Array.of(pdu[0]! ^ 7, ...pdu.slice(1))));
        return;
      case 'wrong-length':
        put(request.frame(unit, Uint8Array.of(pdu[0]!, pdu[1]! + 2, ...pdu.slice(2), 0, 0)));
        return;
      case 'garbage':
        put(this.#random.bytes(1 + this.#random.below(40)));
        return;
      case 'noise':
        put(this.#noisy(frame, request.transport));
        return;
      default:
        put(frame);
    }
  }

  /** Bytes before or behind the frame; on a serial line also one changed, which TCP rules out. */
  #noisy(frame: Uint8Array, transport: MeterRequest['transport']): Uint8Array {
    const noise = this.#random.bytes(1 + this.#random.below(4));
    switch (this.#random.below(transport === 'serial' ? 3 : 2)) {
      case 0:
        return Uint8Array.of(...noise, ...frame);
      case 1:
        return Uint8Array.of(...frame, ...noise);
      default: {
        const changed = frame.slice();
        changed[this.#random.below(frame.length)]! ^= 1 << this.#random.below(8);
        return changed;
      }
    }
  }

  /** Sends what is due, never a later answer before an earlier one. */
  #pump(): void {
    clearTimeout(this.#timer);
    for (;;) {
      const head = this.#outgoing[0];
      if (head?.due === undefined) return;
      const left = head.due - Date.now();
      if (left > 0) {
        this.#timer = setTimeout(() => this.#pump(), left);
        return;
      }
      this.#outgoing.shift();
      head.request.send(head.bytes);
      this.#log.write({ event: 'sent', unit: this.#unit, bytes: Buffer.from(head.bytes).toString('hex') });
    }
  }
}

function hexWords(words: readonly number[]): string {
  return words.map((word) => word.toString(16).padStart(4, '0')).join('');
}
