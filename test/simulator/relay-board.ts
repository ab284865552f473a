/** What is wrong with a board; everything is in order where nothing is set. */
export type RelayFaults = {
  /** The contact does not move any more, whatever its coil does: welded, or burnt. */
  readonly stuck?: 'closed' | 'open';
  /** What is read of the coil, whatever it does. */
  readonly coilSays?: boolean;
  /** What is read of the auxiliary contact, whatever it does. */
  readonly contactSays?: boolean;
  /** Pulses do not end by themselves. */
  readonly timerLost?: boolean;
  /** Commands are answered and not obeyed. */
  readonly deaf?: boolean;
  /** Requests are neither answered nor obeyed. */
  readonly silent?: boolean;
  /** Answers are late by so many milliseconds. */
  readonly lateMs?: number;
  /** Of so many requests the first is not answered, though obeyed. */
  readonly losesOneOf?: number;
};

const CHANNELS = 8;
const PULSE_AT = 0x0200;
const PULSE_UNIT_MS = 100;
const ON = 0xff00;
const ILLEGAL_FUNCTION = 1;
const ILLEGAL_ADDRESS = 2;
const ILLEGAL_VALUE = 3;

/**
 * A board with eight relays and eight inputs, as Waveshare's (D): FC 01, 02 and 05, and FC 05 at 0x0200 + n for a pulse of
 * value × 100 ms. Input 1 is wired to the auxiliary contact of relay 1, which is the one that can be at fault.
 */
export class RelayBoard {
  faults: RelayFaults = {};
  readonly #coils = new Array<boolean>(CHANNELS).fill(false);
  readonly #timers = new Array<NodeJS.Timeout | undefined>(CHANNELS);
  readonly #onContact: (isClosed: boolean) => void;
  #wasClosed = false;

  /** @param onContact called whenever the contact of relay 1 moves */
  constructor(onContact: (isClosed: boolean) => void) {
    this.#onContact = onContact;
  }

  /** Where the contact of relay 1 really is. */
  get isClosed(): boolean {
    const { stuck } = this.faults;
    return stuck === undefined ? this.#coils[0]! : stuck === 'closed';
  }

  set(faults: RelayFaults): void {
    this.faults = faults;
    this.#look();
  }

  /** The answer to a request: the PDUs of the Modbus Application Protocol. */
  answer(pdu: Uint8Array): Uint8Array {
    const [fc = 0] = pdu;
    const refuse = (code: number): Uint8Array => Uint8Array.of(fc | 0x80, code);
    if (pdu.length !== 5) return refuse(ILLEGAL_VALUE);
    const at = pdu[1]! * 256 + pdu[2]!;
    const word = pdu[3]! * 256 + pdu[4]!;
    if (fc === 1 || fc === 2) {
      if (word < 1 || at + word > CHANNELS) return refuse(ILLEGAL_ADDRESS);
      const bits = fc === 1 ? this.#coilBits() : this.#inputBits();
      const byte = bits.slice(at, at + word).reduce((sum, bit, i) => sum | (Number(bit) << i), 0);
      return Uint8Array.of(fc, 1, byte);
    }
    if (fc !== 5) return refuse(ILLEGAL_FUNCTION);
    if (at >= PULSE_AT && at < PULSE_AT + CHANNELS) this.#pulse(at - PULSE_AT, word);
    else if (at >= CHANNELS) return refuse(ILLEGAL_ADDRESS);
    else if (word !== ON && word !== 0) return refuse(ILLEGAL_VALUE);
    else this.#drive(at, word === ON);
    return Uint8Array.from(pdu);
  }

  #coilBits(): boolean[] {
    const [, ...others] = this.#coils;
    return [this.faults.coilSays ?? this.#coils[0]!, ...others];
  }

  #inputBits(): boolean[] {
    return [this.faults.contactSays ?? this.isClosed, ...new Array<boolean>(CHANNELS - 1).fill(false)];
  }

  #pulse(channel: number, value: number): void {
    this.#drive(channel, true);
    if (this.faults.timerLost || this.faults.deaf) return;
    this.#timers[channel] = setTimeout(() => this.#drive(channel, false), value * PULSE_UNIT_MS);
  }

  #drive(channel: number, isOn: boolean): void {
    if (this.faults.deaf) return;
    clearTimeout(this.#timers[channel]);
    this.#coils[channel] = isOn;
    this.#look();
  }

  #look(): void {
    if (this.isClosed === this.#wasClosed) return;
    this.#wasClosed = this.isClosed;
    this.#onContact(this.isClosed);
  }
}
