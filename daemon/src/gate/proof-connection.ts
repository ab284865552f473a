import type { NetConnectOpts, Socket } from 'node:net';
import { connect } from 'node:net';
import type { AnswerHead } from '@meterseal/protocol';
import { MetersealError, readAnswerHead } from '@meterseal/protocol';

/** Bytes read at a time: what a Unix socket holds at most. */
const READ_BYTES = 262_144;

/** What becomes of one request. */
export interface AnswerVisitor {
  head(head: AnswerHead): void;
  /**
   * A piece of the body, in memory that is read into again after `taken` was called; nothing more is read before.
   *
   * @param isLast the answer is complete with it
   */
  piece(bytes: Uint8Array, isLast: boolean, taken: () => void): void;
  /** The answer does not come, or not whole, or is none. Nothing follows. */
  failed(error: MetersealError): void;
}

/**
 * One connection to proof.sock, one request at a time. Answers go through one buffer, piece by piece, as fast as whoever
 * takes them: an HTTP client of Node costs three times as much for the hundreds of megabytes of a comparison.
 */
export class ProofConnection {
  readonly #socket: Socket;
  #visitor: AnswerVisitor | undefined;
  /** Of an answer whose head is not complete. */
  #begun: Uint8Array = new Uint8Array(0);
  #left: number | undefined;

  constructor(path: string) {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const onread = {
      buffer,
      callback: (count: number) => this.#take(buffer.subarray(0, count)),
    };
    // Node takes `onread` here as it does for TCP; its types do not say so.
    this.#socket = connect({ path, onread } as NetConnectOpts);
    this.#socket.on('error', () => {});
    this.#socket.once('close', () => this.#fail('the connection broke off'));
  }

  /** False once it serves no more requests. */
  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#socket.readyState !== 'closed';
  }

  /**
   * Asks for something while nothing else is under way.
   *
   * @param path and query, as they go over the wire
   * @param body with its type, for a POST
   */
  ask(
    method: 'GET' | 'POST',
    path: string,
    body: { readonly type: string; readonly bytes: Uint8Array } | null,
    visitor: AnswerVisitor,
  ): void {
    this.#visitor = visitor;
    const lines = [`${method} ${path} HTTP/1.1`, 'host: localhost', 'connection: keep-alive'];
    if (body !== null) lines.push(`content-type: ${body.type}`, `content-length: ${body.bytes.length}`);
    this.#socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
    if (body !== null) this.#socket.write(body.bytes);
  }

  /** Ends it at once; whoever waits for an answer hears nothing more. */
  destroy(): void {
    this.#visitor = undefined;
    this.#socket.destroy();
  }

  /** @returns false to read nothing more for now */
  #take(read: Uint8Array): boolean {
    const visitor = this.#visitor;
    if (visitor === undefined) return this.#fail('it answered without being asked');
    let bytes = read;
    if (this.#left === undefined) {
      const begun = this.#begun.length === 0 ? read : Buffer.concat([this.#begun, read]);
      let head: AnswerHead | undefined;
      try {
        head = readAnswerHead(begun);
      } catch (error) {
        return this.#fail((error as MetersealError).message);
      }
      if (head === undefined) {
        this.#begun = Uint8Array.from(begun);
        return true;
      }
      this.#begun = new Uint8Array(0);
      this.#left = head.length;
      visitor.head(head);
      bytes = begun.subarray(head.bytes);
    }
    this.#left -= bytes.length;
    if (this.#left < 0) return this.#fail('it answered more than it said');
    const isLast = this.#left === 0;
    if (bytes.length === 0 && !isLast) return true;
    if (isLast) {
      this.#left = undefined;
      this.#visitor = undefined;
    }
    let isTaken = false;
    let isPaused = false;
    visitor.piece(bytes, isLast, () => {
      isTaken = true;
      if (isPaused) this.#socket.resume();
    });
    isPaused = !isTaken;
    return isTaken;
  }

  #fail(why: string): false {
    const visitor = this.#visitor;
    this.destroy();
    visitor?.failed(new MetersealError('unreachable', `couldn't ask proof.sock: ${why}`));
    return false;
  }
}
