import { MetersealError } from '@meterseal/protocol';
import type { BitLine } from '../../modbus/bit-line.js';
import { COIL_OFF } from '../../modbus/bit-request.js';
import type { RelayProfile } from './profile.js';

/** Where a relay or an input is; the channel is the number that is printed on the board, from 1. */
export type BoardPlace = { readonly unit: number; readonly profile: RelayProfile; readonly channel: number };

/** One relay and its auxiliary contact, as the wires go. It decides nothing. */
export class RelayBoard {
  readonly #line: BitLine;
  readonly #relay: BoardPlace;
  readonly #contact: BoardPlace;
  readonly #coils: { readonly at: number; readonly count: number };
  readonly #pulse: { readonly at: number; readonly unitMs: number; readonly most: number };
  readonly #inputs: { readonly at: number; readonly count: number };

  /** @throws MetersealError `bad-config` for a board that cannot do what is asked of it */
  constructor(line: BitLine, relay: BoardPlace, contact: BoardPlace) {
    this.#line = line;
    this.#relay = relay;
    this.#contact = contact;
    const { coils, pulse } = relay.profile;
    const { inputs } = contact.profile;
    if (coils === undefined) throw unfit('relay', relay, 'it has no relays');
    if (pulse === undefined) {
      throw unfit('relay', relay, 'it has no timed pulse, so that a gate that hangs would stay connected');
    }
    if (inputs === undefined) throw unfit('contact', contact, 'it has no inputs');
    if (relay.channel > coils.count) throw unfit('relay', relay, `it has ${coils.count} channels`);
    if (contact.channel > inputs.count) throw unfit('contact', contact, `it has ${inputs.count} inputs`);
    this.#coils = coils;
    this.#pulse = pulse;
    this.#inputs = inputs;
  }

  /** The least pulse, ms. */
  get stepMs(): number {
    return this.#pulse.unitMs;
  }

  /**
   * Closes the relay for a time that the board keeps by itself; anew if it is closed already.
   *
   * @param lengthMs asked for at the very moment of sending; rounded down to what the board can, less than that sends nothing
   * @returns false if nothing was sent
   * @throws what `BitLine` throws
   */
  pulse(lengthMs: () => number): Promise<boolean> {
    const { at, unitMs, most } = this.#pulse;
    return this.#line.write(this.#relay.unit, at + this.#relay.channel - 1, () => {
      const value = Math.min(most, Math.floor(lengthMs() / unitMs));
      return value >= 1 ? value : null;
    });
  }

  /** Opens the relay; that ends a pulse too. */
  async off(): Promise<void> {
    await this.#line.write(this.#relay.unit, this.#coils.at + this.#relay.channel - 1, () => COIL_OFF);
  }

  /** What the board says that it drives the relay to; true is connected. */
  async coil(): Promise<boolean> {
    const { at, count } = this.#coils;
    return (await this.#line.read(this.#relay.unit, 1, at, count))[this.#relay.channel - 1] === true;
  }

  /** Where the relay's contact is, by the wire from its auxiliary contact; true is connected. */
  async contact(): Promise<boolean> {
    const { at, count } = this.#inputs;
    return (await this.#line.read(this.#contact.unit, 2, at, count))[this.#contact.channel - 1] === true;
  }

  close(): Promise<void> {
    return this.#line.close();
  }
}

function unfit(key: string, { profile, channel }: BoardPlace, why: string): MetersealError {
  const message = `couldn't use channel ${channel} of ${profile.name} as ${key}: ${why}`;
  return new MetersealError('bad-config', message, {
    hint: 'docs/isolation.md says what a board needs, and which ones have it.',
  });
}
