import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { AnswerHead } from '@meterseal/protocol';
import { MetersealError, readAnswerHead } from '@meterseal/protocol';
import type { ComparisonAnswer, ComparisonLink } from './gate-link.js';

/** Connections to the comparison port: requests for entries, and one beside them. */
const MAX_CONNECTIONS = 5;
/** Bytes read at a time until an answer has said how long it is. */
const HEAD_BYTES = 65_536;

type Waiting = {
  readonly request: readonly Uint8Array[];
  readonly most: number;
  readonly resolve: (answer: ComparisonAnswer) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * The comparison port over TCP: HTTP/1.1 as far as a comparison speaks it. The body of an answer is read straight to
 * where it stays, because a comparison is hundreds of megabytes and is as long as it takes to take them.
 */
export class TcpComparisonLink implements ComparisonLink {
  readonly #host: string;
  readonly #port: number;
  readonly #signal: AbortSignal;
  readonly #connections = new Set<Connection>();
  readonly #idle: Connection[] = [];
  readonly #queue: Waiting[] = [];
  readonly #onAbort = (): void => this.#end(new Error('stopped'));

  /** @param signal ends every request */
  constructor(host: string, port: number, signal: AbortSignal) {
    this.#host = host;
    this.#port = port;
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort);
  }

  send(method: 'GET' | 'POST', path: string, most: number, body?: Uint8Array): Promise<ComparisonAnswer> {
    const lines = [`${method} ${path} HTTP/1.1`, `host: ${this.#host}:${this.#port}`];
    if (body !== undefined) {
      lines.push('content-type: application/octet-stream', `content-length: ${body.length}`);
    }
    const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
    return new Promise((resolve, reject) => {
      if (this.#signal.aborted) return reject(new Error('stopped'));
      this.#queue.push({ request: body === undefined ? [head] : [head, body], most, resolve, reject });
      this.#serve();
    });
  }

  close(): void {
    this.#end(new Error('closed'));
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  #serve(): void {
    while (this.#queue.length > 0) {
      const connection = this.#take() ?? this.#connect();
      if (connection === undefined) return;
      const { request, most, resolve, reject } = this.#queue.shift()!;
      connection.ask(request, most).then(
        (answer) => {
          this.#idle.push(connection);
          resolve(answer);
          this.#serve();
        },
        (error) => {
          this.#connections.delete(connection);
          connection.end(error);
          reject(error);
          this.#serve();
        },
      );
    }
  }

  /** One that serves no other request now. */
  #take(): Connection | undefined {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.isOpen) return connection;
      this.#connections.delete(connection);
    }
    return undefined;
  }

  #connect(): Connection | undefined {
    if (this.#connections.size >= MAX_CONNECTIONS) return undefined;
    const connection = new Connection(this.#host, this.#port);
    this.#connections.add(connection);
    return connection;
  }

  #end(error: Error): void {
    for (const { reject } of this.#queue.splice(0)) reject(error);
    for (const connection of this.#connections) connection.end(error);
    this.#connections.clear();
    this.#idle.length = 0;
  }
}

/** One request at a time. */
class Connection {
  readonly #socket: Socket;
  readonly #start = Buffer.allocUnsafeSlow(HEAD_BYTES);
  #begun: Uint8Array = new Uint8Array(0);
  #head: AnswerHead | undefined;
  #body = Buffer.alloc(0);
  #filled = 0;
  #waiting: Omit<Waiting, 'request'> | undefined;
  #failure: unknown;

  constructor(host: string, port: number) {
    const onread = {
      buffer: () => (this.#head === undefined ? this.#start : this.#body.subarray(this.#filled)),
      callback: (count: number) => this.#take(count),
    };
    // A function is taken as well as a buffer; the types of Node do not say so for every version.
    this.#socket = connect({ host, port, noDelay: true, onread } as Parameters<typeof connect>[0] & object);
    this.#socket.on('error', (error) => this.end(error));
    this.#socket.once('close', () => this.end(new Error('the connection broke off')));
  }

  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  ask(request: readonly Uint8Array[], most: number): Promise<ComparisonAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      this.#waiting = { most, resolve, reject };
      for (const bytes of request) this.#socket.write(bytes);
    });
  }

  /** Ends it at once. */
  end(error: unknown): void {
    this.#failure ??= error;
    this.#socket.destroy();
    this.#waiting?.reject(this.#failure);
    this.#waiting = undefined;
  }

  /** @returns false to read nothing more */
  #take(count: number): boolean {
    try {
      if (this.#head === undefined) this.#begin(this.#start.subarray(0, count));
      else this.#filled += count;
      const head = this.#head as AnswerHead | undefined;
      if (head === undefined || this.#filled < head.length) return true;
      const answer = { status: head.status, body: this.#body };
      const waiting = this.#waiting!;
      this.#head = undefined;
      this.#waiting = undefined;
      waiting.resolve(answer);
      return true;
    } catch (error) {
      this.end(error);
      return false;
    }
  }

  #begin(read: Uint8Array): void {
    const { most } = this.#waiting ?? refuse('it came without being asked for');
    const bytes = this.#begun.length === 0 ? read : Buffer.concat([this.#begun, read]);
    const head = readAnswerHead(bytes);
    if (head === undefined) {
      this.#begun = Uint8Array.from(bytes);
      return;
    }
    this.#begun = new Uint8Array(0);
    if (head.length > most) {
      throw new MetersealError('too-large', `couldn't read body: more than ${most} bytes`);
    }
    const rest = bytes.subarray(head.bytes);
    if (rest.length > head.length) refuse('it is longer than it says');
    this.#head = head;
    this.#body = Buffer.allocUnsafeSlow(head.length);
    this.#body.set(rest);
    this.#filled = rest.length;
  }
}

function refuse(why: string): never {
  throw new MetersealError('bad-message', `couldn't read answer: ${why}`);
}
