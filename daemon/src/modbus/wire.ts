import type { RegisterRead } from './register-read.js';

/**
 * What a wire makes of received bytes:
 * - `incomplete`: nothing to be said yet
 * - `more`: a part of the answer to the outstanding read; `bytes` ask for the next
 * - `words`: the answer to the outstanding read
 * - `exception`: the meter refuses the outstanding read, with a Modbus exception code, or the error byte of DL/T 645
 * - `invalid`: bytes that are not the answer to the outstanding read, or come with none outstanding
 * - `broken`: the border between frames is lost, and with it the connection
 */
export type Recognition =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'more'; readonly bytes: Uint8Array }
  | { readonly kind: 'words'; readonly words: Uint16Array }
  | { readonly kind: 'exception'; readonly exception: number }
  | { readonly kind: 'invalid'; readonly reason: string }
  | { readonly kind: 'broken'; readonly reason: string };

export const INCOMPLETE: Recognition = { kind: 'incomplete' };

/** One way to put reads and answers into bytes. It keeps what it needs to recognise one answer, and no time. */
export interface Wire {
  /** The request's bytes. From here on the answer to `read`, and no other, is recognised. */
  request(read: RegisterRead): Uint8Array;
  receive(bytes: Uint8Array): Recognition;
  /** True if there are bytes that could become the answer. */
  readonly heard: boolean;
  /** Nothing is outstanding any longer. True if the border between frames is lost by it. */
  giveUp(): boolean;
  /** A connection begins: nothing received counts any longer. */
  reset(): void;
}

/** The words of a read answer's data bytes, high byte first. */
export function wordsOf(bytes: Uint8Array): Uint16Array {
  return Uint16Array.from({ length: bytes.length / 2 }, (_, i) => bytes[2 * i]! * 256 + bytes[2 * i + 1]!);
}
