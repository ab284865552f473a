import { MetersealError } from '@meterseal/protocol';
import modbusSerial from 'modbus-serial';
import type { Clock } from '../host/clock.js';
import type { BusAddress } from './address.js';
import { formatAddress } from './address.js';
import type { LineCounters, Rejection } from './framing.js';
import { Framing } from './framing.js';
import { LateReplies } from './late-replies.js';
import type { Transport } from './port.js';
import { Port } from './port.js';
import type { RegisterRead } from './register-read.js';
import { checkRead, describeRead } from './register-read.js';
import { SerialTransport } from './serial-transport.js';
import { SerialWire } from './serial-wire.js';
import { TcpTransport } from './tcp-transport.js';
import { TcpWire } from './tcp-wire.js';
import { lineTiming } from './timing.js';

const ModbusRTU = modbusSerial.default;
type Client = InstanceType<typeof ModbusRTU>;

/** What reads registers; the rest of the daemon sees no more of a bus. */
export interface RegisterReader {
  /**
   * Reads registers of one meter.
   *
   * @returns `count` register words as the meter sent them for this very request
   * @throws MetersealError `no-answer` the meter said nothing; `timeout` the deadline passed otherwise;
   *   `frame-invalid` other bytes than the answer came; `meter-exception` the meter refused; `port-failed` the
   *   device or the connection failed; `stopped` the bus was closed
   */
  readRegisters(read: BusRead): Promise<Uint16Array>;
}

export interface BusRead extends RegisterRead {
  /** Monotonic milliseconds by which the read has to be settled. */
  readonly deadlineMs: number;
  /** Least time since the last exchange with this unit, ms. */
  readonly pauseMs?: number;
  /** Other reads that this meter is known to answer; they may be used to clear the line. */
  readonly others?: readonly Omit<RegisterRead, 'unit'>[];
}

export interface BusOptions {
  readonly address: BusAddress;
  readonly clock: Clock;
  /** How long a meter may take to begin its answer, ms. */
  readonly responseMs?: number;
  /** How long opening may take, ms. */
  readonly openMs?: number;
  /** Makes the transport; the default opens what the address names. */
  readonly transport?: () => Transport;
}

const FIRST_REOPEN_MS = 250;
const LAST_REOPEN_MS = 30_000;
/** modbus-serial's own timeout waits without end unless told; the framing always settles long before this. */
const BACKSTOP_MS = 5_000;

/**
 * One line with its meters: a queue with one transaction in flight. It opens with the first read, and after a
 * failure again with the next one, but not before a pause that doubles from one failure to the next.
 */
export class Bus implements RegisterReader {
  readonly address: string;
  readonly #options: BusOptions;
  readonly #framing: Framing;
  readonly #lastExchange = new Map<number, number>();
  #port: Port | undefined;
  #client: Client | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #failures = 0;
  #reopenAt = 0;
  #failure = 'not opened';
  #openings = 0;
  #stopped = false;

  constructor(options: BusOptions) {
    this.#options = options;
    this.address = formatAddress(options.address);
    const wire = options.address.kind === 'tcp' ? new TcpWire() : new SerialWire();
    const timing = lineTiming(options.address, options.responseMs ?? 1_000);
    this.#framing = new Framing(wire, timing, new LateReplies());
  }

  /** How often the line was opened: after each the meters behind it may be others. */
  get openings(): number {
    return this.#openings;
  }

  get counters(): Readonly<LineCounters> {
    return this.#framing.counters;
  }

  /** Settles by its deadline or, if it had to queue behind another read, by that one's. */
  readRegisters(read: BusRead): Promise<Uint16Array> {
    const turn = this.#tail.then(() => this.#transact(read));
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  /** Ends the read under way and those that wait, and frees the device. */
  async close(): Promise<void> {
    this.#stopped = true;
    await this.#closePort();
    await this.#tail;
  }

  async #transact(read: BusRead): Promise<Uint16Array> {
    const { unit, deadlineMs, pauseMs = 0, others = [] } = read;
    checkRead(read);
    const { clock, address } = this.#options;
    if (read.data !== undefined && address.kind === 'tcp') {
      throw new MetersealError(
        'bad-argument',
        `couldn't read ${describeRead(read)}: ${this.address} speaks Modbus`,
      );
    }
    const pauseLeft =
      (this.#lastExchange.get(unit) ?? Number.NEGATIVE_INFINITY) + pauseMs - clock.monotonic();
    if (pauseLeft > 0) await clock.sleep(pauseLeft);
    if (this.#stopped) throw this.#error(read, { code: 'stopped', reason: 'the bus was closed' });
    if (clock.monotonic() >= deadlineMs) {
      throw this.#error(read, { code: 'timeout', reason: 'the line was busy for too long' });
    }
    const { client, port } = await this.#ensureOpen(read);
    port.prepare({
      deadline: deadlineMs,
      others: others.map((other) => ({ ...other, unit })),
      pauseMs,
    });
    client.setID(unit);
    client.setTimeout(deadlineMs - clock.monotonic() + BACKSTOP_MS);
    try {
      const words = await readThrough(client, port, read);
      this.#failures = 0;
      return words;
    } catch (cause) {
      const rejection = port.takeRejection();
      if (rejection !== undefined) throw this.#error(read, rejection);
      // modbus-serial and the framing are at odds: nothing on this port can be trusted any longer.
      await this.#closePort();
      throw this.#error(read, { code: 'port-failed', reason: String(cause) }, cause);
    } finally {
      this.#lastExchange.set(unit, clock.monotonic());
    }
  }

  async #ensureOpen(read: BusRead): Promise<{ client: Client; port: Port }> {
    if (this.#port?.isOpen && this.#client !== undefined) return { client: this.#client, port: this.#port };
    const { clock, openMs = 3_000 } = this.#options;
    if (clock.monotonic() < this.#reopenAt) {
      throw this.#error(read, { code: 'port-failed', reason: this.#failure });
    }
    await this.#closePort();
    const port = new Port(this.#transport(), this.#framing, clock);
    const client = new ModbusRTU(port);
    this.#port = port;
    this.#client = client;
    const expiry = new AbortController();
    try {
      const limit = Math.min(openMs, read.deadlineMs - clock.monotonic());
      await Promise.race([
        new Promise<void>((resolve, reject) => {
          client.open((error?: Error | null) => (error ? reject(error) : resolve()));
        }),
        clock.sleep(limit, expiry.signal).then(() => {
          if (!expiry.signal.aborted) throw new Error(`not open after ${Math.round(limit)} ms`);
        }),
      ]);
    } catch (cause) {
      await this.#closePort();
      this.#failed(cause instanceof Error ? cause.message : String(cause));
      throw this.#error(read, { code: 'port-failed', reason: this.#failure }, cause);
    } finally {
      expiry.abort();
    }
    if (this.#stopped) {
      await this.#closePort();
      throw this.#error(read, { code: 'stopped', reason: 'the bus was closed' });
    }
    this.#openings += 1;
    port.once('close', () => this.#failed('the connection ended'));
    return { client, port };
  }

  #transport(): Transport {
    const { address, transport } = this.#options;
    if (transport !== undefined) return transport();
    return address.kind === 'tcp'
      ? new TcpTransport(address.host, address.port)
      : new SerialTransport(address.path, address);
  }

  #failed(reason: string): void {
    this.#failure = reason;
    // A connection that worked until now may be opened again at once.
    const pause = this.#failures === 0 ? 0 : FIRST_REOPEN_MS * 2 ** (this.#failures - 1);
    this.#reopenAt = this.#options.clock.monotonic() + Math.min(pause, LAST_REOPEN_MS);
    this.#failures += 1;
  }

  async #closePort(): Promise<void> {
    const port = this.#port;
    this.#port = undefined;
    this.#client = undefined;
    // Not by the client: it would stop listening first, and the read under way would never be settled.
    if (port !== undefined) await new Promise<void>((resolve) => port.close(() => resolve()));
  }

  #error(
    read: RegisterRead,
    { code, reason }: Pick<Rejection, 'reason'> & { code: Rejection['code'] | 'stopped' },
    cause?: unknown,
  ): MetersealError {
    return new MetersealError(code, `couldn't read ${describeRead(read)} on ${this.address}: ${reason}`, {
      hint: HINTS[code],
      cause,
    });
  }
}

/** Modbus by modbus-serial; DL/T 645, of which it knows nothing, by the port itself. */
async function readThrough(client: Client, port: Port, read: RegisterRead): Promise<Uint16Array> {
  const { unit, fc, at, count, data } = read;
  if (data !== undefined) return port.readData({ unit, fc, at, count, data });
  const reading = fc === 3 ? client.readHoldingRegisters(at, count) : client.readInputRegisters(at, count);
  return Uint16Array.from((await reading).data);
}

const HINTS: Record<Rejection['code'] | 'stopped', string> = {
  'no-answer': 'check power, wiring and polarity, unit number, baud rate and parity',
  timeout: 'give the meter more time, or find what keeps the line busy',
  'frame-invalid':
    'look for a second device with this unit number, a second poller, echo, or noise on the line',
  'meter-exception': 'check the profile: this meter does not have these registers',
  'port-failed': 'check that the device or the gateway is there, and that no other program uses it',
  stopped: 'nothing to do',
};
