import { MetersealError } from '@meterseal/protocol';
import type { Reception } from '../dlt645/exchange.js';
import { Exchange } from '../dlt645/exchange.js';
import type { DataItem, RegisterRead } from './register-read.js';
import { dltAddressOf } from './register-read.js';
import type { Recognition, Wire } from './wire.js';
import { INCOMPLETE, wordsOf } from './wire.js';

/** The wire of DL/T 645: what belongs to no frame is passed over, and so are frames that are of something else. */
export class DltWire implements Wire {
  #exchange: Exchange | undefined;
  #data: DataItem | undefined;

  request({ unit, data }: RegisterRead): Uint8Array {
    if (data === undefined)
      throw new MetersealError('bad-argument', "couldn't ask by DL/T 645: no identifier");
    this.#data = data;
    this.#exchange = new Exchange({
      kind: 'read',
      address: dltAddressOf(unit),
      identifier: data.identifier,
    });
    return this.#exchange.begin();
  }

  receive(bytes: Uint8Array): Recognition {
    if (this.#exchange === undefined || this.#data === undefined) {
      return { kind: 'invalid', reason: `${bytes.length} unsolicited bytes in place of the answer` };
    }
    const recognition = recognise(this.#exchange.receive(bytes), this.#data, this.#exchange.heard);
    if (recognition.kind !== 'incomplete' && recognition.kind !== 'more') this.giveUp();
    return recognition;
  }

  get heard(): boolean {
    return this.#exchange?.heard ?? false;
  }

  /** Frames say where they begin, so that the border between them is never lost. */
  giveUp(): boolean {
    this.#exchange = undefined;
    return false;
  }

  reset(): void {
    this.giveUp();
  }
}

/** @param heard bytes came behind the frame: who sent them, and what else? */
function recognise(reception: Reception, { identifier, bytes }: DataItem, heard: boolean): Recognition {
  switch (reception.kind) {
    case 'incomplete':
      return INCOMPLETE;
    case 'more':
    case 'invalid':
      return reception;
    case 'error':
      return { kind: 'exception', exception: reception.error };
    case 'data': {
      const { data } = reception;
      if (heard) return { kind: 'invalid', reason: 'bytes behind the answer' };
      if (data.length !== bytes) return { kind: 'invalid', reason: `a value of ${data.length} bytes` };
      const padding = data.length % 2 === 0 ? [] : [0];
      return {
        kind: 'words',
        words: wordsOf(Uint8Array.of(...identifierBytes(identifier), ...padding, ...data.reverse())),
      };
    }
  }
}

function identifierBytes(identifier: string): readonly number[] {
  return identifier.match(/../g)!.map((pair) => Number.parseInt(pair, 16));
}
