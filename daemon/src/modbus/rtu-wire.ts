import { concat } from '@meterseal/protocol';
import { crc16, withCrc } from './crc.js';
import type { RegisterRead } from './register-read.js';
import type { Recognition, Wire } from './wire.js';
import { INCOMPLETE, wordsOf } from './wire.js';

/*
 * Modbus RTU (Modbus over Serial Line 1.02, 2.5.1; Modbus Application Protocol 1.1b3, 6.3 and 6.4)
 *
 *   request     unit | fc | at u16 | count u16 | CRC u16, low byte first             8 bytes
 *   answer      unit | fc | byte count | words, high byte first | CRC                5 + byte count
 *   exception   unit | fc + 80h | code | CRC                                         5 bytes
 *
 * An answer carries neither address nor number: unit, function code and byte count are all that ties it to its
 * request. So bytes are compared with the one answer that is due as they come, and the first that does not
 * fit ends the attempt.
 */

const HEADER = 3;
const CRC = 2;
const EXCEPTION_LENGTH = HEADER + CRC;

/** The 8 bytes that ask for registers. */
export function encodeRtuRequest(read: RegisterRead): Uint8Array {
  const { unit, fc, at, count } = read;
  return withCrc(Uint8Array.of(unit, fc, at >> 8, at & 0xff, count >> 8, count & 0xff));
}

/**
 * Compares everything received since `read` was sent with the answer to it.
 *
 * @param received at most a few hundred bytes; what exceeds the answer's length is refused
 */
export function recogniseRtu(read: RegisterRead, received: Uint8Array): Recognition {
  if (received.length >= 1 && received[0] !== read.unit) return invalid(`unit ${received[0]}`);
  if (received.length < 2) return INCOMPLETE;
  const refused = received[1] === (read.fc | 0x80);
  if (!refused && received[1] !== read.fc) return invalid(`function code ${received[1]}`);
  if (received.length < HEADER) return INCOMPLETE;
  if (!refused && received[2] !== 2 * read.count) return invalid(`byte count ${received[2]}`);
  const length = refused ? EXCEPTION_LENGTH : HEADER + 2 * read.count + CRC;
  if (received.length < length) return INCOMPLETE;
  if (received.length > length) return invalid(`${received.length - length} bytes too many`);
  const body = received.subarray(0, length - CRC);
  if (crc16(body) !== received[length - 2]! + received[length - 1]! * 256) return invalid('a wrong checksum');
  if (refused) return { kind: 'exception', exception: received[2]! };
  return { kind: 'words', words: wordsOf(body.subarray(HEADER)) };
}

/** The wire of Modbus RTU: all bytes since the request are the answer, or something is wrong. */
export class RtuWire implements Wire {
  #read: RegisterRead | undefined;
  #received: Uint8Array = new Uint8Array(0);

  request(read: RegisterRead): Uint8Array {
    this.#read = read;
    this.#received = new Uint8Array(0);
    return encodeRtuRequest(read);
  }

  receive(bytes: Uint8Array): Recognition {
    if (this.#read === undefined) return invalid(`${bytes.length} unsolicited bytes`);
    this.#received = concat(this.#received, bytes);
    const recognition = recogniseRtu(this.#read, this.#received);
    if (recognition.kind !== 'incomplete') this.giveUp();
    return recognition;
  }

  get heard(): boolean {
    return this.#received.length > 0;
  }

  /** Silence marks the border between RTU frames, so none is ever lost. */
  giveUp(): boolean {
    this.#read = undefined;
    this.#received = new Uint8Array(0);
    return false;
  }

  reset(): void {
    this.giveUp();
  }
}

function invalid(what: string): Recognition {
  return { kind: 'invalid', reason: `${what} in place of the answer` };
}
