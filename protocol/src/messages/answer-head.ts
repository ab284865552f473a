import { MetersealError } from '../errors.js';
import { MAX_ANSWER_HEAD_BYTES } from '../limits.js';

/*
 * The head of an HTTP/1.1 answer as proof.sock gives it and the gate passes it on:
 *
 *   HTTP/1.1 <status> <reason>CRLF (<name>: <value>CRLF)* CRLF          and then exactly `content-length` bytes
 */

export type AnswerHead = {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** Bytes of the body. */
  readonly length: number;
  /** Bytes of the head itself: the body starts behind them. */
  readonly bytes: number;
};

const STATUS_LINE = /^HTTP\/1\.1 ([1-5][0-9]{2})(?: [\t\x20-\x7e]*)?$/;
const HEADER_LINE = /^([A-Za-z0-9-]+):[ \t]*([\x20-\x7e]*?)[ \t]*$/;
const LENGTH = /^(?:0|[1-9][0-9]{0,15})$/;
const LF = 10;

/**
 * Reads the head of an answer, which comes from anybody.
 *
 * @param bytes what was received so far
 * @returns undefined while the head is not complete
 * @throws MetersealError `bad-message` for what is no such head: the length must be said, once, and nothing is encoded
 */
export function readAnswerHead(bytes: Uint8Array): AnswerHead | undefined {
  const end = endOf(bytes);
  if (end < 0) {
    if (bytes.length > MAX_ANSWER_HEAD_BYTES) refuse('its head is too long');
    return undefined;
  }
  const [first, ...lines] = String.fromCharCode(...bytes.subarray(0, end - 4)).split('\r\n');
  const status = Number(STATUS_LINE.exec(first!)?.[1] ?? refuse('no status line'));
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = HEADER_LINE.exec(line) ?? refuse('a malformed header');
    const known = name!.toLowerCase();
    if (known === 'transfer-encoding') refuse('its body is encoded');
    if (known === 'content-length' && headers.has(known)) refuse('two lengths');
    headers.set(known, value!);
  }
  const length = headers.get('content-length') ?? (status === 204 ? '0' : refuse('no length'));
  if (!LENGTH.test(length)) refuse('a malformed length');
  return { status, headers, length: Number(length), bytes: end };
}

/** The position behind the empty line that ends the head; −1 where it is not there yet. */
function endOf(bytes: Uint8Array): number {
  const most = Math.min(bytes.length, MAX_ANSWER_HEAD_BYTES);
  for (let at = bytes.indexOf(LF); at >= 0 && at < most; at = bytes.indexOf(LF, at + 1)) {
    if (at >= 3 && bytes[at - 1] === 13 && bytes[at - 2] === LF && bytes[at - 3] === 13) return at + 1;
  }
  return -1;
}

function refuse(why: string): never {
  throw new MetersealError('bad-message', `couldn't read answer: ${why}`);
}
