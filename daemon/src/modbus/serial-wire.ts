import { DltWire } from './dlt-wire.js';
import type { RegisterRead } from './register-read.js';
import { RtuWire } from './rtu-wire.js';
import type { Recognition, Wire } from './wire.js';

/**
 * The wire of a serial line, on which Modbus and DL/T 645 meters may hang side by side: neither takes the other's
 * frames for its own. What comes is held against what was asked last.
 */
export class SerialWire implements Wire {
  readonly #rtu = new RtuWire();
  readonly #dlt = new DltWire();
  #outstanding: Wire = this.#rtu;

  request(read: RegisterRead): Uint8Array {
    this.#outstanding.giveUp();
    this.#outstanding = read.data === undefined ? this.#rtu : this.#dlt;
    return this.#outstanding.request(read);
  }

  receive(bytes: Uint8Array): Recognition {
    return this.#outstanding.receive(bytes);
  }

  get heard(): boolean {
    return this.#outstanding.heard;
  }

  giveUp(): boolean {
    return this.#outstanding.giveUp();
  }

  reset(): void {
    this.#outstanding.reset();
  }
}
