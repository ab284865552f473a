import { concat, MetersealError } from '@meterseal/protocol';
import type { Clock } from '../host/clock.js';
import type { BusAddress } from './address.js';
import { formatAddress } from './address.js';
import type { BitAnswer, BitRequest } from './bit-request.js';
import {
  describeBits,
  encodeRtuBitRequest,
  encodeTcpBitRequest,
  recogniseRtuBits,
  recogniseTcpBits,
} from './bit-request.js';
import type { Transport } from './port.js';
import { SerialTransport } from './serial-transport.js';
import { TcpTransport } from './tcp-transport.js';
import { lineTiming } from './timing.js';

/**
 * Milliseconds of silence after anything but a good answer. An answer carries no number on a serial line: one that is
 * later than this could be taken for the answer to the next request of its kind.
 */
const LATE_MS = 500;
/** Milliseconds after which a line that does not fall silent is given up. */
const NOISE_MS = 2_000;

export type BitLineOptions = {
  readonly address: BusAddress;
  readonly clock: Clock;
  /** How long a board may take to answer, ms; opening the port may take as long again. */
  readonly answerMs: number;
  /** Makes the transport; the default opens what the address names. */
  readonly transport?: () => Transport;
};

type Waiting = {
  readonly recognise: (received: Uint8Array) => BitAnswer;
  readonly settle: (answer: BitAnswer | { readonly kind: 'closed'; readonly reason: string }) => void;
  received: Uint8Array;
};

/**
 * A line with boards of relays and inputs: one exchange at a time, each with one answer that fits byte by byte, or an
 * error. The port is opened with the first exchange, and again with the next one after it was lost.
 */
export class BitLine {
  readonly #options: BitLineOptions;
  readonly #name: string;
  readonly #gapMs: number;
  #tail: Promise<unknown> = Promise.resolve();
  #transport: Transport | null = null;
  #waiting: Waiting | null = null;
  #transaction = 0;
  /** Monotonic milliseconds before which nothing is sent. */
  #quietUntil = 0;
  #closed = false;

  constructor(options: BitLineOptions) {
    this.#options = options;
    this.#name = formatAddress(options.address);
    this.#gapMs = lineTiming(options.address, options.answerMs).gapMs;
  }

  /**
   * @param fc 1 coils, 2 inputs
   * @throws MetersealError `no-answer`, `frame-invalid`, `link-fault` the board refuses, `port-failed`, `stopped`
   */
  async read(unit: number, fc: 1 | 2, at: number, count: number): Promise<readonly boolean[]> {
    const answer = await this.#queue(() => ({ kind: 'read', unit, fc, at, count }));
    return answer?.kind === 'bits' ? answer.bits : [];
  }

  /**
   * Writes one coil.
   *
   * @param value asked for at the very moment of sending; null sends nothing
   * @returns false if nothing was sent
   * @throws MetersealError as `read`; the board may have obeyed nevertheless
   */
  async write(unit: number, at: number, value: () => number | null): Promise<boolean> {
    const answer = await this.#queue(() => {
      const now = value();
      return now === null ? null : { kind: 'write', unit, at, value: now };
    });
    return answer !== null;
  }

  /** Ends the exchange under way and those that wait, and frees the port. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#drop('the line was closed');
    await this.#tail;
  }

  #queue(request: () => BitRequest | null): Promise<BitAnswer | null> {
    const turn = this.#tail.then(() => this.#exchange(request));
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  async #exchange(make: () => BitRequest | null): Promise<BitAnswer | null> {
    await this.#silence();
    const transport = await this.#open();
    const request = make();
    if (request === null) return null;
    const { clock, answerMs, address } = this.#options;
    const answered = new Promise<Parameters<Waiting['settle']>[0]>((settle) => {
      this.#transaction = (this.#transaction % 0xffff) + 1;
      const transaction = this.#transaction;
      const recognise =
        address.kind === 'tcp'
          ? (received: Uint8Array) => recogniseTcpBits(request, transaction, received)
          : (received: Uint8Array) => recogniseRtuBits(request, received);
      this.#waiting = { recognise, settle, received: new Uint8Array(0) };
      transport.write(
        address.kind === 'tcp' ? encodeTcpBitRequest(request, transaction) : encodeRtuBitRequest(request),
      );
    });
    const timer = new AbortController();
    const late = clock.sleep(answerMs, timer.signal).then(() => ({ kind: 'late' }) as const);
    const answer = await Promise.race([answered, late]);
    timer.abort();
    this.#waiting = null;
    if (answer.kind === 'bits' || answer.kind === 'written') {
      this.#quietUntil = clock.monotonic() + this.#gapMs;
      return answer;
    }
    this.#quietUntil = clock.monotonic() + LATE_MS;
    // A connection may still bring what was asked for on it; a serial line is waited out.
    if (address.kind === 'tcp') await this.#drop('an exchange failed');
    const what = request.kind === 'read' ? 'read' : 'write';
    throw this.#error(what, describeBits(request), answer);
  }

  /** Waits until nothing more can come of what went wrong before. */
  async #silence(): Promise<void> {
    const { clock } = this.#options;
    const end = clock.monotonic() + NOISE_MS;
    for (;;) {
      if (this.#closed) throw this.#error('use', 'line', { kind: 'stopped' });
      const left = this.#quietUntil - clock.monotonic();
      if (left <= 0) return;
      if (clock.monotonic() > end) {
        throw this.#error('use', 'line', { kind: 'invalid', reason: 'it does not fall silent' });
      }
      await clock.sleep(left);
    }
  }

  async #open(): Promise<Transport> {
    if (this.#transport !== null) return this.#transport;
    const { address, clock, answerMs } = this.#options;
    const transport =
      this.#options.transport?.() ??
      (address.kind === 'tcp'
        ? new TcpTransport(address.host, address.port)
        : new SerialTransport(address.path, address));
    this.#transport = transport;
    const timer = new AbortController();
    const lost = (reason: string): void => {
      if (transport === this.#transport) void this.#drop(reason);
    };
    try {
      await Promise.race([
        transport.open((bytes) => this.#receive(transport, bytes), lost),
        clock.sleep(answerMs, timer.signal).then(() => {
          if (!timer.signal.aborted) throw new Error(`not open after ${answerMs} ms`);
        }),
      ]);
    } catch (cause) {
      await this.#drop('it did not open');
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw this.#error('open', 'line', { kind: 'closed', reason }, cause);
    } finally {
      timer.abort();
    }
    if (this.#closed) throw this.#error('use', 'line', { kind: 'stopped' });
    return transport;
  }

  #receive(transport: Transport, bytes: Uint8Array): void {
    if (transport !== this.#transport) return;
    const waiting = this.#waiting;
    if (waiting === null) {
      this.#quietUntil = this.#options.clock.monotonic() + LATE_MS;
      return;
    }
    waiting.received = concat(waiting.received, bytes);
    const answer = waiting.recognise(waiting.received);
    if (answer.kind === 'incomplete') return;
    this.#waiting = null;
    waiting.settle(answer);
  }

  async #drop(reason: string): Promise<void> {
    const transport = this.#transport;
    this.#transport = null;
    this.#waiting?.settle({ kind: 'closed', reason });
    this.#waiting = null;
    // A device that is gone is free already.
    await transport?.close().catch(() => undefined);
  }

  #error(
    what: string,
    noun: string,
    answer:
      | BitAnswer
      | { readonly kind: 'closed'; readonly reason: string }
      | { readonly kind: 'late' | 'stopped' },
    cause?: unknown,
  ): MetersealError {
    const [code, why, hint] = reasonOf(answer);
    return new MetersealError(code, `couldn't ${what} ${noun} on ${this.#name}: ${why}`, { hint, cause });
  }
}

function reasonOf(
  answer:
    | BitAnswer
    | { readonly kind: 'closed'; readonly reason: string }
    | { readonly kind: 'late' | 'stopped' },
): ['no-answer' | 'frame-invalid' | 'link-fault' | 'port-failed' | 'stopped', string, string] {
  switch (answer.kind) {
    case 'invalid':
      return ['frame-invalid', answer.reason, 'look for another device or program on this line, or noise'];
    case 'exception':
      return [
        'link-fault',
        `the board refuses with exception ${answer.exception}`,
        'check profile and channel: this board does not have it',
      ];
    case 'closed':
      return ['port-failed', answer.reason, 'check that the device is there and no other program uses it'];
    case 'stopped':
      return ['stopped', 'the line was closed', 'nothing to do'];
    default:
      return [
        'no-answer',
        'no answer',
        'check power, wiring and polarity, unit number, baud rate and parity',
      ];
  }
}
