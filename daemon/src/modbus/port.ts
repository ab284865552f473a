import { EventEmitter } from 'node:events';
import type { Clock } from '../host/clock.js';
import { withCrc } from './crc.js';
import type { DueRead, Framing, LineAction, LineInput, Rejection } from './framing.js';
import type { RegisterRead } from './register-read.js';

/** What a port object needs of a serial port or a socket. A transport is opened once. */
export interface Transport {
  /**
   * @param onBytes everything received
   * @param onClosed once, whenever the connection ends after having been opened
   * @throws whatever the operating system says
   */
  open(onBytes: (bytes: Uint8Array) => void, onClosed: (reason: string) => void): Promise<void>;
  write(bytes: Uint8Array): void;
  /** Ends the connection, or the attempt to open it; resolves when the device is free again. */
  close(): Promise<void>;
}

interface Waiting {
  resolve(words: Uint16Array): void;
  reject(error: Error): void;
}

type Done = (error?: Error | null) => void;

/**
 * The port object that modbus-serial is built upon (`new ModbusRTU(port)`), for both transports. modbus-serial
 * writes RTU frames and takes each `data` for the answer to what it wrote last; so this port hands it nothing
 * but answers that the framing has accepted, and an empty one when there is none: modbus-serial then rejects at
 * once, and `takeRejection` says why.
 */
export class Port extends EventEmitter {
  readonly #transport: Transport;
  readonly #framing: Framing;
  readonly #clock: Clock;
  #open = false;
  #ending = false;
  #timer: AbortController | undefined;
  #terms: Omit<DueRead, 'read'> = { deadline: 0 };
  #rejection: Rejection | undefined;
  /** Whoever waits for data: modbus-serial does not. */
  #waiting: Waiting | undefined;

  constructor(transport: Transport, framing: Framing, clock: Clock) {
    super();
    this.#transport = transport;
    this.#framing = framing;
    this.#clock = clock;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Says before each read what modbus-serial has no word for. */
  prepare(terms: Omit<DueRead, 'read'>): void {
    this.#terms = terms;
    this.#rejection = undefined;
  }

  /** Why the last read was rejected. */
  takeRejection(): Rejection | undefined {
    const rejection = this.#rejection;
    this.#rejection = undefined;
    return rejection;
  }

  open(done: Done): void {
    const opened = this.#transport.open(
      (bytes) => {
        if (this.#open) this.#input({ kind: 'bytes', bytes });
      },
      (reason) => {
        this.#ended(reason);
        void this.#transport.close();
      },
    );
    opened.then(
      () => {
        if (this.#ending) return done(new Error('the port was closed'));
        this.#open = true;
        this.#input({ kind: 'opened' });
        done();
      },
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    );
  }

  /** @param frame a request for registers as modbus-serial makes it, with its CRC */
  write(frame: Uint8Array): void {
    const u16 = (at: number): number => frame[at]! * 256 + frame[at + 1]!;
    const fc = frame[1];
    if (frame.length !== 8 || (fc !== 3 && fc !== 4)) throw new Error('this port only reads registers');
    const read: RegisterRead = { unit: frame[0]!, fc, at: u16(2), count: u16(4) };
    this.#input({ kind: 'read', read, ...this.#terms });
  }

  /**
   * Reads what modbus-serial has no word for: data of a DL/T 645 meter. As by `write`, after `prepare`.
   *
   * @returns the words of the answer
   * @throws Error if there is none; `takeRejection` says why
   */
  readData(read: RegisterRead): Promise<Uint16Array> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#input({ kind: 'read', read, ...this.#terms });
    });
  }

  close(done: Done): void {
    this.#ending = true;
    this.#ended('the port was closed');
    this.#transport.close().then(
      () => done(),
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    );
  }

  /** As `close`; a read under way is rejected first. */
  destroy(done: Done = () => {}): void {
    this.close(done);
  }

  #input(input: LineInput): void {
    for (const action of this.#framing.step(input, this.#clock.monotonic())) this.#perform(action);
    this.#setTimer();
  }

  #perform(action: LineAction): void {
    switch (action.kind) {
      case 'send':
        this.#transport.write(action.bytes);
        return;
      case 'accept':
        if (action.read.data !== undefined) this.#takeWaiting()?.resolve(action.words);
        else this.emit('data', Buffer.from(answerFrame(action.read, action.words)));
        return;
      case 'reject':
        this.#rejection = action;
        if (this.#waiting !== undefined) this.#takeWaiting()?.reject(new Error(action.reason));
        else this.emit('data', Buffer.alloc(0));
        return;
      case 'need-silence':
        return;
      case 'abandon':
        this.destroy();
    }
  }

  /** Once: by then the framing may be another port's. */
  #ended(reason: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#input({ kind: 'closed', reason });
    this.emit('close');
  }

  #takeWaiting(): Waiting | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting;
  }

  #setTimer(): void {
    this.#timer?.abort();
    this.#timer = undefined;
    const at = this.#framing.wakeAt;
    if (at === undefined || !this.#open) return;
    const timer = new AbortController();
    this.#timer = timer;
    void this.#clock.sleep(at - this.#clock.monotonic(), timer.signal).then(() => {
      if (!timer.signal.aborted) this.#input({ kind: 'clock' });
    });
  }
}

/** The RTU frame of an accepted answer, whichever wire it came by: modbus-serial knows no other. */
function answerFrame(read: RegisterRead, words: Uint16Array): Uint8Array {
  const body = new Uint8Array(3 + 2 * words.length);
  body.set([read.unit, read.fc, 2 * words.length]);
  words.forEach((word, i) => {
    body.set([word >> 8, word & 0xff], 3 + 2 * i);
  });
  return withCrc(body);
}
