import { crc16, withCrc } from './crc.js';

/*
 * Single bits by Modbus (Modbus Application Protocol 1.1b3, 6.1, 6.2 and 6.5), the PDUs:
 *
 *   read    01 coils or 02 inputs | at u16 | count u16      answer   fc | byte count | bits, the first in bit 0
 *   write   05 | at u16 | value u16                         answer   the same again
 *   refused                                                 answer   fc + 80h | code
 */

/** What is asked of a board of relays or inputs. */
export type BitRequest =
  | {
      readonly kind: 'read';
      readonly unit: number;
      readonly fc: 1 | 2;
      readonly at: number;
      readonly count: number;
    }
  | { readonly kind: 'write'; readonly unit: number; readonly at: number; readonly value: number };

/** FC 05: connects; zero isolates. Other values are the boards' own, such as the length of a pulse. */
export const COIL_ON = 0xff00;
export const COIL_OFF = 0;

export type BitAnswer =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'bits'; readonly bits: readonly boolean[] }
  | { readonly kind: 'written' }
  | { readonly kind: 'exception'; readonly exception: number }
  | { readonly kind: 'invalid'; readonly reason: string };

const WRITE_COIL = 5;
const INCOMPLETE: BitAnswer = { kind: 'incomplete' };

/** Unit and PDU of a request. */
function bodyOf(request: BitRequest): Uint8Array {
  const [fc, word] = request.kind === 'read' ? [request.fc, request.count] : [WRITE_COIL, request.value];
  const { unit, at } = request;
  return Uint8Array.of(unit, fc, at >> 8, at & 0xff, word >> 8, word & 0xff);
}

export function encodeRtuBitRequest(request: BitRequest): Uint8Array {
  return withCrc(bodyOf(request));
}

export function encodeTcpBitRequest(request: BitRequest, transaction: number): Uint8Array {
  const body = bodyOf(request);
  return Uint8Array.of(transaction >> 8, transaction & 0xff, 0, 0, 0, body.length, ...body);
}

/**
 * Compares what came over a serial line with the one answer that is due; the first byte that does not fit ends it.
 *
 * @param received everything since the request was sent
 */
export function recogniseRtuBits(request: BitRequest, received: Uint8Array): BitAnswer {
  const length = lengthOf(request, received);
  const answer = recogniseBody(request, received.subarray(0, length));
  if (answer.kind === 'invalid' || length === undefined || received.length < length + 2) {
    return answer.kind === 'invalid' ? answer : INCOMPLETE;
  }
  if (received.length > length + 2) return invalid(`${received.length - length - 2} bytes too many`);
  const body = received.subarray(0, length);
  return crc16(body) === received[length]! + received[length + 1]! * 256
    ? answer
    : invalid('a wrong checksum');
}

const TCP_HEADER = 6;

/** As `recogniseRtuBits`, for TCP: a frame that carries another transaction's number is not the answer. */
export function recogniseTcpBits(request: BitRequest, transaction: number, received: Uint8Array): BitAnswer {
  if (received.length < TCP_HEADER) return INCOMPLETE;
  const u16 = (at: number): number => received[at]! * 256 + received[at + 1]!;
  if (u16(0) !== transaction || u16(2) !== 0) return invalid(`transaction ${u16(0)}`);
  const body = received.subarray(TCP_HEADER);
  const length = lengthOf(request, body);
  if (length !== undefined && u16(4) !== length) return invalid(`a frame of ${u16(4)} bytes`);
  if (length !== undefined && body.length > length) return invalid(`${body.length - length} bytes too many`);
  return recogniseBody(request, body);
}

/** Bytes of unit and PDU of the answer; undefined until they tell. */
function lengthOf(request: BitRequest, received: Uint8Array): number | undefined {
  if (received.length < 2) return undefined;
  if (received[1]! >= 0x80) return 3;
  return request.kind === 'write' ? 6 : 3 + Math.ceil(request.count / 8);
}

function recogniseBody(request: BitRequest, body: Uint8Array): BitAnswer {
  const fc = request.kind === 'read' ? request.fc : WRITE_COIL;
  if (body.length >= 1 && body[0] !== request.unit) return invalid(`unit ${body[0]}`);
  if (body.length < 2) return INCOMPLETE;
  if (body[1] === (fc | 0x80)) {
    return body.length < 3 ? INCOMPLETE : { kind: 'exception', exception: body[2]! };
  }
  if (body[1] !== fc) return invalid(`function code ${body[1]}`);
  if (request.kind === 'write') {
    const due = bodyOf(request);
    const wrong = body.findIndex((byte, i) => byte !== due[i]);
    if (wrong >= 0) return invalid('the echo of another command');
    return body.length < due.length ? INCOMPLETE : { kind: 'written' };
  }
  const bytes = Math.ceil(request.count / 8);
  if (body.length >= 3 && body[2] !== bytes) return invalid(`byte count ${body[2]}`);
  if (body.length < 3 + bytes) return INCOMPLETE;
  const bits = Array.from({ length: request.count }, (_, i) => ((body[3 + (i >> 3)]! >> (i & 7)) & 1) === 1);
  return { kind: 'bits', bits };
}

function invalid(what: string): BitAnswer {
  return { kind: 'invalid', reason: `${what} in place of the answer` };
}

/** For messages: `coils of unit 1`. */
export function describeBits(request: BitRequest): string {
  return `${request.kind === 'read' && request.fc === 2 ? 'inputs' : 'coils'} of unit ${request.unit}`;
}
