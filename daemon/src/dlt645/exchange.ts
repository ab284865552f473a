import { concat } from '@meterseal/protocol';
import type { DltFrame, DltRequest } from './frame.js';
import { DltReceiver, encodeRequest } from './frame.js';

/*
 * One question and its answer (DL/T 645-2007, section 7)
 *
 *   read          11 → 91  identifier | value            D1  error
 *                      B1  identifier | a part of it, and so on with
 *   read-next     12 → 92  identifier | a part | sequence, B2 where more follows, D2 error
 *   read-address  13 → 93  address
 */

/**
 * What received bytes come to:
 * - `incomplete`: nothing to be said yet
 * - `more`: a part of the answer; `bytes` ask for the next
 * - `data`: the whole answer; of a value its bytes, as sent: the least significant first
 * - `error`: the meter refuses; the bits of the byte that says why
 * - `invalid`: what should be the answer is none
 */
export type Reception =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'more'; readonly bytes: Uint8Array }
  | { readonly kind: 'data'; readonly address: string; readonly data: Uint8Array }
  | { readonly kind: 'error'; readonly error: number }
  | { readonly kind: 'invalid'; readonly reason: string };

const FROM_METER = 0x80;
const ERROR = 0x40;
const MORE = 0x20;
/** Bytes of an identifier. */
const IDENTIFIER = 4;
/** Frames of one answer: more than any value needs, and no endless one. */
const MAX_PARTS = 16;

/**
 * Asks once, and takes for the answer only what can be nothing else: its meter, its identifier, its place in the row. Frames of
 * other meters, of other questions and of other readers say so themselves, and are passed over.
 */
export class Exchange {
  readonly #question: Exclude<DltRequest, { kind: 'read-next' }>;
  readonly #receiver = new DltReceiver();
  #request: DltRequest;
  #parts: Uint8Array = new Uint8Array(0);
  #ended = false;

  constructor(question: Exclude<DltRequest, { kind: 'read-next' }>) {
    this.#question = question;
    this.#request = question;
  }

  /** The bytes that begin it. */
  begin(): Uint8Array {
    return encodeRequest(this.#question);
  }

  /** True if there are bytes that could become the answer. */
  get heard(): boolean {
    return this.#receiver.pending > 0;
  }

  /** After anything but `incomplete` and `more` it is over. */
  receive(bytes: Uint8Array): Reception {
    if (this.#ended) return invalid(`${bytes.length} unsolicited bytes`);
    const own = this.#receiver.push(bytes).filter((frame) => this.#isOwn(frame));
    if (own[0] === undefined) return { kind: 'incomplete' };
    // Two answers to one question: which of them is it?
    const reception = own.length > 1 ? invalid('several frames') : this.#judge(own[0]);
    this.#ended = reception.kind !== 'more';
    return reception;
  }

  /** Whether a frame is about what was asked; an error does not say of which data it is. */
  #isOwn({ address, control, data }: DltFrame): boolean {
    const request = this.#request;
    if (request.kind !== 'read-address' && address !== request.address) return false;
    if ((control & ~(ERROR | MORE)) !== (FROM_METER | ASKED[request.kind])) return false;
    if (request.kind === 'read-address' || (control & ERROR) !== 0) return true;
    return digitsOf(data.subarray(0, IDENTIFIER)) === request.identifier;
  }

  #judge({ address, control, data }: DltFrame): Reception {
    const request = this.#request;
    const asked = ASKED[request.kind];
    if (control === (FROM_METER | ERROR | asked)) {
      return data.length === 1
        ? { kind: 'error', error: data[0]! }
        : invalid(`an error of ${data.length} bytes`);
    }
    if (request.kind === 'read-address') {
      if (control !== (FROM_METER | asked)) return invalid(`control code ${hex(control)}`);
      return digitsOf(data) === address ? { kind: 'data', address, data } : invalid('two addresses');
    }
    if ((control & ~MORE) !== (FROM_METER | asked)) return invalid(`control code ${hex(control)}`);
    return this.#part(request, data, (control & MORE) !== 0);
  }

  #part(request: Exclude<DltRequest, { kind: 'read-address' }>, data: Uint8Array, more: boolean): Reception {
    const { address, identifier } = request;
    const sequence = request.kind === 'read' ? 0 : request.sequence;
    const end = data.length - (sequence === 0 ? 0 : 1);
    if (end <= IDENTIFIER) return invalid('an answer without a value');
    if (sequence > 0 && data[end] !== sequence) return invalid(`part ${data[end]}`);
    this.#parts = concat(this.#parts, data.subarray(IDENTIFIER, end));
    if (!more) return { kind: 'data', address, data: this.#parts };
    if (sequence + 1 >= MAX_PARTS) return invalid(`more than ${MAX_PARTS} parts`);
    this.#request = { kind: 'read-next', address, identifier, sequence: sequence + 1 };
    return { kind: 'more', bytes: encodeRequest(this.#request) };
  }
}

/** Low five bits of the control code of an answer. */
const ASKED = { read: 0x11, 'read-next': 0x12, 'read-address': 0x13 } as const;

/** The digits of bytes that came least significant first. */
function digitsOf(bytes: Uint8Array): string {
  return Array.from(bytes, hex).reverse().join('');
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

function invalid(what: string): Extract<Reception, { kind: 'invalid' }> {
  return { kind: 'invalid', reason: `${what} in place of the answer` };
}
