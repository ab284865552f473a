import type { ErrorCode } from './errors.js';
import { MetersealError } from './errors.js';
import { MAX_INTEGER, MAX_STR_BYTES } from './limits.js';

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Strict UTF-8: malformed sequences are refused, a byte order mark is kept as a character. */
export function fromUtf8(bytes: Uint8Array, code: ErrorCode = 'bad-encoding'): string {
  try {
    return strictDecoder.decode(bytes);
  } catch (cause) {
    throw new MetersealError(code, "couldn't decode text: not valid UTF-8", { cause });
  }
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return join(parts);
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Lexicographic order of byte strings: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

export function toHex(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes) out += HEX[byte];
  return out;
}

/** Lower-case hex only. */
export function fromHex(text: string, code: ErrorCode = 'bad-encoding'): Uint8Array {
  if (typeof text !== 'string' || text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) {
    throw new MetersealError(code, "couldn't decode hex: not an even number of lower-case hex digits");
  }
  const out = new Uint8Array(text.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return out;
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const BASE64_VALUE = new Int8Array(128).fill(-1);
for (let i = 0; i < 64; i++) BASE64_VALUE[BASE64.charCodeAt(i)] = i;

/** Standard base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  let out = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const group = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    out += BASE64[group >> 18]! + BASE64[(group >> 12) & 63]!;
    out += left > 1 ? BASE64[(group >> 6) & 63]! : '=';
    out += left > 2 ? BASE64[group & 63]! : '=';
  }
  return out;
}

/** Standard base64, padded and canonical: unused bits are zero, so that bytes have one encoding only. */
export function fromBase64(text: string, code: ErrorCode = 'bad-encoding'): Uint8Array {
  const refuse = (): never => {
    throw new MetersealError(code, "couldn't decode base64: not in the canonical, padded form");
  };
  if (typeof text !== 'string' || text.length % 4 !== 0) refuse();
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const digits = text.length - padding;
  const out = new Uint8Array((text.length / 4) * 3 - padding);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < digits; i++) {
    const unit = text.charCodeAt(i);
    const value = unit < 128 ? BASE64_VALUE[unit]! : -1;
    if (value < 0) refuse();
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out[at++] = (held >> bits) & 0xff;
    }
  }
  if ((held & ((1 << bits) - 1)) !== 0) refuse();
  return out;
}

/** Unpadded base64url, as the salt of a record is written. */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

export function fromBase64Url(text: string, code: ErrorCode = 'bad-encoding'): Uint8Array {
  if (typeof text !== 'string' || !/^[A-Za-z0-9_-]*$/.test(text)) {
    throw new MetersealError(code, "couldn't decode base64url: a character outside the alphabet");
  }
  const padded = text.replaceAll('-', '+').replaceAll('_', '/') + '==='.slice(0, (4 - (text.length % 4)) % 4);
  return fromBase64(padded, code);
}

const SURROGATE = /\p{Surrogate}/u;

/** True unless the text has half a surrogate pair, which UTF-8 cannot carry. */
export function isWellFormed(text: string): boolean {
  return !SURROGATE.test(text);
}

/** Bytes that a writer begins with: most messages fit. */
const FIRST_BYTES = 256;

/** Builds a fixed binary layout: big-endian integers, raw bytes, `str` (u16 length ‖ UTF-8). */
export class ByteWriter {
  #bytes = new Uint8Array(FIRST_BYTES);
  #at = 0;

  u8(value: number): this {
    return this.#integer(value, 1);
  }

  u16(value: number): this {
    return this.#integer(value, 2);
  }

  u32(value: number): this {
    return this.#integer(value, 4);
  }

  u64(value: number): this {
    return this.#integer(value, 8);
  }

  bytes(value: Uint8Array, length = value.length): this {
    if (value.length !== length) {
      throw new MetersealError(
        'bad-argument',
        `couldn't encode field: ${value.length} bytes where ${length} belong`,
      );
    }
    this.#reserve(length);
    this.#bytes.set(value, this.#at);
    this.#at += length;
    return this;
  }

  str(value: string): this {
    const bytes = utf8(value);
    if (bytes.length < 1 || bytes.length > MAX_STR_BYTES || !isWellFormed(value)) {
      throw new MetersealError(
        'bad-argument',
        `couldn't encode text: ${bytes.length} bytes, 1 to ${MAX_STR_BYTES} of UTF-8 allowed`,
      );
    }
    return this.u16(bytes.length).bytes(bytes);
  }

  done(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  #integer(value: number, width: number): this {
    const most = width === 8 ? MAX_INTEGER : 2 ** (8 * width) - 1;
    if (!Number.isInteger(value) || value < 0 || value > most) {
      throw new MetersealError('bad-argument', `couldn't encode integer: ${value} is not in 0…${most}`);
    }
    this.#reserve(width);
    let rest = value;
    for (let i = this.#at + width - 1; i >= this.#at; i--) {
      this.#bytes[i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    this.#at += width;
    return this;
  }

  #reserve(more: number): void {
    const needed = this.#at + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

/**
 * Bytes that do not change when the caller's do. `slice` would be no copy where the caller's are a Node Buffer.
 */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** Reads a fixed binary layout and refuses anything short, trailing or out of range with `code`. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #code: ErrorCode;
  #at = 0;

  constructor(bytes: Uint8Array, code: ErrorCode) {
    this.#bytes = bytes;
    this.#code = code;
  }

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#integer(1);
  }

  u16(): number {
    return this.#integer(2);
  }

  u32(): number {
    return this.#integer(4);
  }

  u64(): number {
    const value = this.u32() * 2 ** 32 + this.u32();
    if (value > MAX_INTEGER) this.refuse('an integer above 2^53 − 1');
    return value;
  }

  /** A copy, so that what was decoded cannot change under its owner. */
  bytes(length: number): Uint8Array {
    return copyBytes(this.#take(length));
  }

  str(): string {
    const length = this.u16();
    if (length < 1 || length > MAX_STR_BYTES) this.refuse(`a text of ${length} bytes`);
    return fromUtf8(this.#take(length), this.#code);
  }

  /** A u8 that must be one of `values`. */
  oneOf<T extends number>(values: readonly T[], what: string): T {
    const value = this.u8() as T;
    if (!values.includes(value)) this.refuse(`${what} ${value}`);
    return value;
  }

  expect(expected: Uint8Array, what: string): void {
    if (!equalBytes(this.#take(expected.length), expected)) this.refuse(`wrong ${what}`);
  }

  end(): void {
    if (this.left !== 0) this.refuse(`${this.left} bytes too many`);
  }

  refuse(what: string): never {
    throw new MetersealError(this.#code, `couldn't decode bytes: ${what} at byte ${this.#at}`);
  }

  #integer(width: 1 | 2 | 4): number {
    if (width > this.left) this.refuse('the bytes end early');
    let value = 0;
    for (const end = this.#at + width; this.#at < end; this.#at++)
      value = value * 256 + this.#bytes[this.#at]!;
    return value;
  }

  #take(length: number): Uint8Array {
    if (length > this.left) this.refuse('the bytes end early');
    const out = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return out;
  }
}
