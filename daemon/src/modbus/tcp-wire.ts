import { concat } from '@meterseal/protocol';
import type { RegisterRead } from './register-read.js';
import type { Recognition, Wire } from './wire.js';
import { INCOMPLETE, wordsOf } from './wire.js';

/*
 * Modbus TCP (Modbus Messaging on TCP/IP 1.0b, 3.1.3)
 *
 *   transaction u16 | protocol u16 = 0 | length u16 of what follows | unit | PDU
 *
 *   request PDU   fc | at u16 | count u16
 *   answer PDU    fc | byte count | words, high byte first
 *   exception     fc + 80h | code
 */

const HEADER = 7;
/** unit and a PDU of 253 bytes: no frame can be longer. */
const MAX_LENGTH = 254;

export function encodeTcpRequest(read: RegisterRead, transaction: number): Uint8Array {
  const { unit, fc, at, count } = read;
  const u16 = (value: number): [number, number] => [value >> 8, value & 0xff];
  return Uint8Array.of(...u16(transaction), 0, 0, 0, 6, unit, fc, ...u16(at), ...u16(count));
}

/** Compares unit and PDU of a frame that carries the read's transaction number with the answer to `read`. */
export function recogniseTcp(read: RegisterRead, unit: number, pdu: Uint8Array): Recognition {
  if (unit !== read.unit) return invalid(`unit ${unit}`);
  if (pdu[0] === (read.fc | 0x80)) {
    return pdu.length === 2 ? { kind: 'exception', exception: pdu[1]! } : invalid('a malformed exception');
  }
  if (pdu[0] !== read.fc) return invalid(`function code ${pdu[0]}`);
  if (pdu[1] !== 2 * read.count) return invalid(`byte count ${pdu[1]}`);
  if (pdu.length !== 2 + 2 * read.count) return invalid(`${pdu.length - 2} data bytes`);
  return { kind: 'words', words: wordsOf(pdu.subarray(2)) };
}

/** The wire of Modbus TCP: a frame with another transaction number is a stale answer, and is passed over. */
export class TcpWire implements Wire {
  #transaction = 0;
  #read: RegisterRead | undefined;
  #received: Uint8Array = new Uint8Array(0);

  request(read: RegisterRead): Uint8Array {
    this.#transaction = (this.#transaction % 0xffff) + 1;
    this.#read = read;
    return encodeTcpRequest(read, this.#transaction);
  }

  receive(bytes: Uint8Array): Recognition {
    this.#received = concat(this.#received, bytes);
    for (;;) {
      const received = this.#received;
      if (received.length < HEADER + 1) return INCOMPLETE;
      const u16 = (at: number): number => received[at]! * 256 + received[at + 1]!;
      const length = u16(4);
      if (u16(2) !== 0 || length < 3 || length > MAX_LENGTH) {
        return { kind: 'broken', reason: 'bytes that are no Modbus TCP frame' };
      }
      const end = HEADER - 1 + length;
      if (received.length < end) return INCOMPLETE;
      const read = this.#read;
      this.#received = received.slice(end);
      if (read === undefined || u16(0) !== this.#transaction) continue;
      this.#read = undefined;
      return recogniseTcp(read, received[HEADER - 1]!, received.subarray(HEADER, end));
    }
  }

  get heard(): boolean {
    return this.#received.length > 0;
  }

  /** The rest of a frame that was cut off may never come: then the next frame's border cannot be found. */
  giveUp(): boolean {
    this.#read = undefined;
    return this.#received.length > 0;
  }

  /** Transaction numbers go on over connections: a gateway may hold answers to the last one. */
  reset(): void {
    this.#read = undefined;
    this.#received = new Uint8Array(0);
  }
}

function invalid(what: string): Recognition {
  return { kind: 'invalid', reason: `${what} in place of the answer` };
}
