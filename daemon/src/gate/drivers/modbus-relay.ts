import type { ReadBack } from '@meterseal/protocol';
import { MetersealError } from '@meterseal/protocol';
import type { Clock } from '../../host/clock.js';
import type { Logger } from '../../host/logger.js';
import type { SwitchDriver } from '../driver.js';
import type { RelayBoard } from '../relay/board.js';

/** How long the first pulse of a window is: long enough to be seen, over before it matters. */
const PROOF_MS = 500;
/** How often it is tried: a machine that is busy can miss one. */
const PROOFS = 3;
/** After that, how long the board's timer may be late before it counts as lost; and how long a contact may take to move. */
const SETTLE_MS = 1_000;
/** A board's clock is a cheap one: so much later than it should it may end a pulse. */
const DRIFT = 0.02;
/** Between two looks at a contact that is to move. */
const LOOK_MS = 50;
/** How long isolating goes on trying to reach the board before it says that it failed. */
const TRYING_MS = 3_000;

export type ModbusRelayOptions = {
  readonly board: RelayBoard;
  /** The comparison port, which exists only while connected: what is cut by the contact is first ended in order. */
  readonly port: SwitchDriver;
  /** The relay is closed for so long at a time, ms. */
  readonly pulseMs: number;
  /** What a command may take to reach the board, ms: no pulse is sent that could outlast the lease by it. */
  readonly answerMs: number;
  readonly clock: Clock;
  readonly log: Logger;
};

/**
 * Driver of grade G2: a contact in the line. It is closed by pulses that the board ends by itself and that never outlast the
 * lease, so that a gate that hangs, is stopped or is killed isolates too. Each window begins with the proof that the
 * board does end them.
 */
export class ModbusRelayDriver implements SwitchDriver {
  readonly name = 'modbus-relay';
  readonly grade = 2;
  /** By hand, or by its own inputs. */
  readonly isMovedByOthers = true;
  readonly #options: ModbusRelayOptions;
  /** Aborted by `isolate`: whatever connects gives up. */
  #window = new AbortController();

  constructor(options: ModbusRelayOptions) {
    this.#options = options;
    this.#window.abort();
  }

  async connect(until: number): Promise<number> {
    if (!this.#window.signal.aborted) {
      throw new MetersealError('busy', "couldn't connect: the relay is in use already");
    }
    const window = new AbortController();
    this.#window = window;
    const { board, port, pulseMs } = this.#options;
    await twice(() => board.off());
    await this.#proveTimer(until, window.signal);
    const closedUntil = await twice(() => this.#pulse(pulseMs, until, window.signal));
    if (closedUntil === 0) {
      throw new MetersealError(
        'link-fault',
        "couldn't connect: isolated meanwhile, or too little time is left",
      );
    }
    void this.#renew(closedUntil, until, window.signal);
    // What the witnesses say is judged by the state machine; until it has, nothing that comes to the port is served.
    await this.#settles(true, SETTLE_MS, window.signal);
    if (window.signal.aborted) throw new MetersealError('stopped', "couldn't connect: isolated meanwhile");
    return port.connect(until);
  }

  async isolate(): Promise<void> {
    this.#window.abort();
    // The port's part up to its first wait is done before anything else happens: accept nothing, drop, reset.
    const ended = this.#options.port.isolate();
    await Promise.all([ended, this.#cut()]);
  }

  async readBacks(): Promise<ReadBack[]> {
    const { board, port } = this.#options;
    const own = port.readBacks();
    const coil = await this.#ask(() => board.coil());
    const contact = await this.#ask(() => board.contact());
    return [...(await own), { witness: 'coil', says: coil }, { witness: 'contact', says: contact }];
  }

  close(): Promise<void> {
    this.#window.abort();
    return this.#options.board.close();
  }

  /**
   * Lets a first short pulse run out. Nothing can pass meanwhile: the port does not exist yet.
   *
   * @throws MetersealError `link-fault` if the board does not open the contact by itself
   */
  async #proveTimer(until: number, over: AbortSignal): Promise<void> {
    for (let proof = 0; proof < PROOFS && !over.aborted; proof++) {
      await twice(() => this.#pulse(PROOF_MS, until, over));
      const hasClosed = await this.#looks(PROOF_MS, over, (coil, contact) => coil || contact);
      if (!(await this.#settles(false, PROOF_MS + SETTLE_MS, over))) {
        throw new MetersealError(
          'link-fault',
          "couldn't connect: the board's timer does not open the relay",
          {
            hint: 'The relay, its contact or its timer is stuck, or an input of the board moves the relay: exchange it.',
          },
        );
      }
      if (hasClosed) return;
    }
    throw new MetersealError('link-fault', "couldn't connect: the relay was not seen to close", {
      hint: 'Neither the coil nor the contact moved: look at the board, its power and its wires.',
    });
  }

  /**
   * Closes the contact, or keeps it closed, but not beyond the lease.
   *
   * @param notFrom monotonic time from which on it is too late
   * @returns monotonic time until which the contact is closed; 0 if nothing was sent
   */
  async #pulse(
    lengthMs: number,
    until: number,
    over: AbortSignal,
    notFrom = Number.POSITIVE_INFINITY,
  ): Promise<number> {
    const { board, clock, answerMs } = this.#options;
    let closedUntil = 0;
    const isSent = await board.pulse(() => {
      const now = clock.monotonic();
      if (over.aborted || now >= notFrom) return 0;
      const length = Math.min(lengthMs, (until - answerMs - now) * (1 - DRIFT));
      closedUntil = now + length;
      return length;
    });
    return isSent ? closedUntil : 0;
  }

  /**
   * One renewal may fail without the contact opening. A contact that has opened meanwhile, as that of a gate that was
   * stopped for a while, is not closed again in this window: the witnesses find it.
   */
  async #renew(firstUntil: number, until: number, over: AbortSignal): Promise<void> {
    const { clock, log, pulseMs } = this.#options;
    let closedUntil = firstUntil;
    while (!over.aborted) {
      await clock.sleep(pulseMs / 3, over);
      try {
        closedUntil = await this.#pulse(pulseMs, until, over, closedUntil);
        if (closedUntil === 0) return;
      } catch (err) {
        if (!over.aborted) log.warn({ err }, 'a pulse of the relay was not renewed');
      }
    }
  }

  /** Waits until coil and contact are where they should be. @returns false if they are not in time */
  #settles(connected: boolean, mostMs: number, over?: AbortSignal): Promise<boolean> {
    return this.#looks(mostMs, over, (coil, contact) => coil === connected && contact === connected);
  }

  /** Looks at coil and contact until they are as wanted. @returns false if they are not in time */
  async #looks(
    mostMs: number,
    over: AbortSignal | undefined,
    isSo: (coil: boolean, contact: boolean) => boolean,
  ): Promise<boolean> {
    const { board, clock } = this.#options;
    const end = clock.monotonic() + mostMs;
    for (;;) {
      const isThere = async (): Promise<boolean> => isSo(await board.coil(), await board.contact());
      if (await isThere().catch(() => false)) return true;
      if (over?.aborted || clock.monotonic() >= end) return false;
      await clock.sleep(LOOK_MS, over);
    }
  }

  /** @throws what the last try failed with */
  async #cut(): Promise<void> {
    const { board, clock } = this.#options;
    const end = clock.monotonic() + TRYING_MS;
    for (;;) {
      try {
        await board.off();
        break;
      } catch (error) {
        if (clock.monotonic() >= end) throw error;
      }
    }
    await this.#settles(false, SETTLE_MS);
  }

  async #ask(look: () => Promise<boolean>): Promise<ReadBack['says']> {
    const says = (connected: boolean): ReadBack['says'] => (connected ? 'connected' : 'isolated');
    return twice(look).then(says, () => 'unknown');
  }
}

/** An answer that is lost is asked for once more: a comparison is worth that. */
function twice<T>(act: () => Promise<T>): Promise<T> {
  return act().catch(act);
}
