import { concat, MetersealError } from '@meterseal/protocol';

/*
 * DL/T 645-2007, the data link layer (section 5.2)
 *
 *   FE × 0…4 | 68 | A0…A5 | 68 | C | L | DATA | CS | 16
 *
 *   A0…A5   12 BCD digits, the last two first
 *   C       bit 7 from the meter, bit 6 an error, bit 5 more frames follow, bits 4…0 what it is about
 *   DATA    L bytes, each with 33h added, so that FE and 68 are seldom in it
 *   CS      sum from the first 68 to the last byte of DATA
 *
 * FE wakes the line and is in no sum. Only what reads is in this file: no type, table or argument leads to another
 * control code.
 */

/** Address 12 decimal digits, identifier 8 hex digits, both as people write them: the most significant first. */
export type DltRequest =
  | { readonly kind: 'read'; readonly address: string; readonly identifier: string }
  /** The part of a long answer that follows; `sequence` counts from 1. */
  | {
      readonly kind: 'read-next';
      readonly address: string;
      readonly identifier: string;
      readonly sequence: number;
    }
  /** For the one meter on a line: every one that hears it answers. */
  | { readonly kind: 'read-address' };

/** A frame whose borders and sum are right, with its data as they were before 33h was added. */
export interface DltFrame {
  readonly address: string;
  readonly control: number;
  readonly data: Uint8Array;
}

/** Control codes of requests: all that there are here. */
const CONTROL = { read: 0x11, 'read-next': 0x12, 'read-address': 0x13 } as const;

const PREAMBLE = 0xfe;
const START = 0x68;
const END = 0x16;
const OFFSET = 0x33;
/** Both starts, the address between them, C and L. */
const HEADER = 10;
/** CS and END. */
const TRAILER = 2;
/** DL/T 645-2007, 5.2.5: L is at most 200 when data are read. */
const MAX_DATA = 200;
const MAX_FRAME = HEADER + MAX_DATA + TRAILER;
/** A preamble, and a frame that was cut off before the one that counts. */
const MAX_BUFFER = 2 * MAX_FRAME;

/**
 * The bytes that ask a meter for something, with the preamble.
 *
 * @throws MetersealError `bad-argument` for anything but a read of one meter
 */
export function encodeRequest(request: DltRequest): Uint8Array {
  const control = Object.hasOwn(CONTROL, request.kind) ? CONTROL[request.kind] : undefined;
  if (control === undefined) return refuse(`${String(request.kind)} does not read`);
  // AA in place of digits: whoever hears it. 99…99 would be everybody, and nobody answers to it.
  const address =
    request.kind === 'read-address' ? new Uint8Array(6).fill(0xaa) : addressBytes(request.address);
  const body = Uint8Array.of(START, ...address, START, control, 0, ...dataOf(request).map(addOffset));
  body[HEADER - 1] = body.length - HEADER;
  return Uint8Array.of(PREAMBLE, PREAMBLE, PREAMBLE, PREAMBLE, ...body, sumOf(body), END);
}

/** Whether `address` can be one meter's. */
export function isAddress(address: string): boolean {
  return /^[0-9]{12}$/.test(address) && !/^9{12}$/.test(address);
}

/** Takes frames out of what comes from a line; it keeps no more than two of the longest. */
export class DltReceiver {
  #buffer: Uint8Array = new Uint8Array(0);

  /** Bytes that are kept: they could become a frame. */
  get pending(): number {
    return this.#buffer.length;
  }

  /**
   * @param bytes what was received
   * @returns the frames that are complete with it; what belongs to none is passed over
   */
  push(bytes: Uint8Array): readonly DltFrame[] {
    const all = concat(this.#buffer, bytes);
    const frames: DltFrame[] = [];
    let from = 0;
    while (from < all.length) {
      const found = frameAt(all, from);
      if (found === 'incomplete') break;
      if (found === 'none') {
        from += 1;
      } else {
        frames.push(found);
        from += HEADER + found.data.length + TRAILER;
      }
    }
    this.#buffer = all.slice(Math.max(from, all.length - MAX_BUFFER));
    return frames;
  }
}

function frameAt(all: Uint8Array, from: number): DltFrame | 'none' | 'incomplete' {
  if (all[from] !== START) return 'none';
  const bytes = all.subarray(from);
  // Looked at as soon as they are there: noise that begins with 68 must not hold a frame up.
  if (bytes.length > 7 && bytes[7] !== START) return 'none';
  if (bytes.length < HEADER) return 'incomplete';
  const address = addressOf(bytes.subarray(1, 7));
  const length = bytes[9]!;
  if (address === undefined || length > MAX_DATA) return 'none';
  const end = HEADER + length;
  if (bytes.length < end + TRAILER) return 'incomplete';
  if (bytes[end] !== sumOf(bytes.subarray(0, end)) || bytes[end + 1] !== END) return 'none';
  return { address, control: bytes[8]!, data: bytes.slice(HEADER, end).map((byte) => byte - OFFSET) };
}

function dataOf(request: DltRequest): Uint8Array {
  if (request.kind === 'read-address') return new Uint8Array(0);
  const { identifier } = request;
  if (!/^[0-9a-f]{8}$/.test(identifier)) refuse(`identifier ${JSON.stringify(identifier)}`);
  const bytes = reversed(identifier);
  if (request.kind === 'read') return bytes;
  const { sequence } = request;
  if (!Number.isInteger(sequence) || sequence < 1 || sequence > 255) refuse(`frame ${sequence}`);
  return Uint8Array.of(...bytes, sequence);
}

function addressBytes(address: string): Uint8Array {
  if (!isAddress(address)) refuse(`address ${JSON.stringify(address)}`);
  return reversed(address);
}

/** @returns undefined for what is no number: a meter answers with its own, never with AA */
function addressOf(bytes: Uint8Array): string | undefined {
  const digits = [...bytes]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .reverse()
    .join('');
  return isAddress(digits) ? digits : undefined;
}

/** Two digits in each byte, the last two first. */
function reversed(digits: string): Uint8Array {
  return Uint8Array.from(digits.match(/../g)!.reverse(), (pair) => Number.parseInt(pair, 16));
}

function addOffset(byte: number): number {
  return (byte + OFFSET) & 0xff;
}

function sumOf(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => (sum + byte) & 0xff, 0);
}

function refuse(what: string): never {
  throw new MetersealError('bad-argument', `couldn't build a DL/T 645 request: ${what}`);
}
