import type { RegisterImage } from './register-image.js';

/*
 * DL/T 645 as a meter sees it: 68 address 68 control length data sum 16. Not the daemon's own code, so that a mistake in
 * one of them shows.
 */

const START = 0x68;
const AROUND = 12;

/** What begins at the start of `received`: a request, no request, or perhaps one that is not all there yet. */
export function requestAt(
  received: Buffer,
): { length: number; unit: number; pdu: Uint8Array } | 'none' | 'wait' {
  if (received[0] !== START || received[7] !== START) return 'none';
  if (received.length < AROUND) return 'wait';
  const length = AROUND + received[9]!;
  if (received.length < length) return 'wait';
  const address = Buffer.from(received.subarray(1, 7)).reverse().toString('hex');
  const isWhole =
    received[length - 2] === sumOf(received.subarray(0, length - 2)) && received[length - 1] === 0x16;
  if (!isWhole || !/^[0-9]+$/.test(address)) return 'none';
  const data = received.subarray(10, length - 2).map((byte) => byte - 0x33);
  return { length, unit: Number(address), pdu: Uint8Array.of(received[8]!, ...data) };
}

/** @param pdu control code and data */
export function frameDlt645(unit: number, pdu: Uint8Array): Uint8Array {
  const address = Buffer.from(String(unit).padStart(12, '0'), 'hex').reverse();
  const data = pdu.slice(1).map((byte) => byte + 0x33);
  const body = Uint8Array.of(START, ...address, START, pdu[0]!, data.length, ...data);
  return Uint8Array.of(0xfe, 0xfe, ...body, sumOf(body), 0x16);
}

const READ = 0x11;
const NO_SUCH_DATA = 0x02;

/**
 * The answer of a meter that knows nothing but its values.
 *
 * @param error that the meter answers with in any case
 */
export function answerDlt645(
  request: Uint8Array,
  image: RegisterImage,
  seconds: number,
  error: number | undefined,
): { pdu: Uint8Array; identifier: string; words?: string } {
  const [control = 0, ...data] = request;
  const identifier = Buffer.from(data).reverse().toString('hex');
  const refuse = (code: number): { pdu: Uint8Array; identifier: string } => ({
    pdu: Uint8Array.of(control | 0xc0, code),
    identifier,
  });
  if (error !== undefined) return refuse(error);
  const value = control === READ && data.length === 4 ? image.data(identifier, seconds) : undefined;
  if (value === undefined) return refuse(NO_SUCH_DATA);
  const digits = Buffer.from(value).reverse().toString('hex');
  const words = identifier + digits.padStart(4 * Math.ceil(value.length / 2), '0');
  return { pdu: Uint8Array.of(control | 0x80, ...data, ...value), identifier, words };
}

function sumOf(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return sum & 0xff;
}
