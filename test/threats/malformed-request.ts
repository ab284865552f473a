import type { NetConnectOpts, Socket } from 'node:net';
import { connect } from 'node:net';
import { SeededRandom } from '../protocol/seeded-random.js';

/** How a request ended: the status of the answer; without one `closed`, or `waiting` for the rest of the request. */
export type Ended = {
  readonly sent: string;
  readonly how: number | 'closed' | 'waiting';
  readonly body: string;
};

const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE', 'PRI', 'get'];
const TYPES = ['application/json', 'application/octet-stream', 'text/plain', 'multipart/form-data', 'x', ''];
const MEGABYTE = 1_048_576;
/** Far more than any body that is taken. */
const HUGE_BYTES = 32 * MEGABYTE;
const PATIENCE_MS = 1_000;

/** Seeded requests of which hardly one makes sense, for an interface with these calls. */
export class MalformedRequests {
  readonly #random: SeededRandom;
  readonly #paths: readonly string[];
  readonly #header: string;

  /**
   * @param paths of the interface's calls, which are asked for wrongly
   * @param header that goes with every request
   */
  constructor(seed: number, paths: readonly string[], header = 'x-nothing: 0') {
    this.#random = new SeededRandom(seed);
    this.#paths = paths;
    this.#header = header;
  }

  /** Sends the next request, and waits for its end. */
  async send(to: NetConnectOpts): Promise<Ended> {
    const { head, body, sent } = this.#next();
    const isDone = this.#random.below(2) === 0;
    const socket = connect(to);
    let received = Buffer.alloc(0);
    const ended = new Promise<void>((resolve) => {
      socket.once('close', resolve);
      socket.on('data', (piece: Buffer) => {
        if (received.length < MEGABYTE) received = Buffer.concat([received, piece]);
        if (isWhole(received)) resolve();
      });
    });
    socket.on('error', () => {});
    for (const piece of [head, ...body]) if (!(await write(socket, piece))) break;
    // What is never complete the server gives up some time; one who is done can say so.
    if (isDone) socket.end();
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
    const isClosed = socket.closed;
    socket.destroy();
    const text = received.toString('latin1');
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1];
    return {
      sent,
      how: status === undefined ? (isClosed ? 'closed' : 'waiting') : Number(status),
      body: bodyOf(text),
    };
  }

  #next(): { head: Buffer; body: readonly Buffer[]; sent: string } {
    const kind = this.#random.below(16);
    if (kind === 0) {
      return {
        head: Buffer.from(this.#random.bytes(1 + this.#random.below(2_000))),
        body: [],
        sent: 'noise',
      };
    }
    const method = this.#random.below(3) === 0 ? this.#of(METHODS) : 'POST';
    const path = this.#path();
    const type = this.#of(TYPES);
    const start = `${method} ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\n${this.#header}\r\n`;
    const sent = `${method} ${path} (${type})`;
    if (kind === 1) {
      const head = Buffer.from(`${start}x-long: ${'a'.repeat(100_000)}\r\n\r\n`);
      return { head, body: [], sent: `${sent}, long header` };
    }
    if (kind === 2) {
      const length = this.#of(['-1', '1e9', '99999999999999999999', '0x10', '10, 20', '']);
      return {
        head: Buffer.from(`${start}content-length: ${length}\r\n\r\nx`),
        body: [],
        sent: `${sent}, length ${length}`,
      };
    }
    if (kind === 3) {
      const head = Buffer.from(`${start}transfer-encoding: chunked\r\n\r\n`);
      const chunk = Buffer.from(this.#of(['ffffffff\r\nx', 'zz\r\n', '5\r\nabc\r\n0\r\n\r\n', '0\r\n\r\n']));
      return { head, body: [chunk], sent: `${sent}, chunked` };
    }
    if (kind === 4) {
      const head = Buffer.from(`${start}content-length: ${HUGE_BYTES}\r\n\r\n`);
      const body = Array.from({ length: HUGE_BYTES / MEGABYTE }, () => Buffer.alloc(MEGABYTE, 0x20));
      return { head, body, sent: `${sent}, huge` };
    }
    const content = this.#content();
    const head = Buffer.from(`${start}content-length: ${content.length}\r\nconnection: close\r\n\r\n`);
    return {
      head,
      body: [content],
      sent: `${sent}, ${content.length} bytes ${content.subarray(0, 40).toString('latin1')}`,
    };
  }

  #path(): string {
    const path = this.#of(this.#paths);
    const odd = [
      '/',
      '/../..',
      '/%00',
      `${path}/..`,
      `${path}?${'a='.repeat(4_000)}`,
      `${path}?from=-1&to=1e9`,
      '*',
      path.toUpperCase(),
    ];
    return this.#random.below(4) === 0 ? this.#of(odd) : path;
  }

  #content(): Buffer {
    const odd = [
      '',
      'null',
      '[]',
      '[null]',
      '"',
      '{"a":',
      '{"__proto__":{"meter":"x"},"constructor":1}',
      '{"meter":1e999,"holder":[],"code":{}}',
      `{"meter":"${'x'.repeat(100_000)}"}`,
      '['.repeat(100_000),
      `{"a":${'{"a":'.repeat(20_000)}1${'}'.repeat(20_001)}`,
      '{"meter":"\\u0000","meter":"b"}',
      '{"meter":"EM\\n1","challenge":"AAAA","signature":"AAAA"}',
      '{"meter":"EM-1","holder":{"name":"\ud800"},"code":"x","sealTo":"AAAA"}',
    ];
    if (this.#random.below(2) === 0) return Buffer.from(this.#of(odd));
    // Lengths of frames, counts and types that look right at the beginning.
    const bytes = Buffer.from(this.#random.bytes(this.#random.below(4_000)));
    if (bytes.length > 4 && this.#random.below(2) === 0) bytes.writeUInt32BE(this.#random.below(300), 0);
    return bytes;
  }

  #of<T>(list: readonly T[]): T {
    return list[this.#random.below(list.length)]!;
  }
}

/** True if the answer has a head, and as many bytes behind it as that says. */
function isWhole(received: Buffer): boolean {
  const text = received.toString('latin1');
  return text.includes('\r\n\r\n') && bodyOf(text).length >= lengthOf(text);
}

/** Of the first answer: what cannot be read behind a request is answered as well. */
function bodyOf(text: string): string {
  const end = text.indexOf('\r\n\r\n');
  return end < 0 ? '' : text.slice(end + 4, end + 4 + lengthOf(text));
}

function lengthOf(text: string): number {
  const head = text.slice(0, text.indexOf('\r\n\r\n'));
  return Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
}

/** False once the peer takes nothing more. */
function write(socket: Socket, bytes: Buffer): Promise<boolean> {
  if (!socket.writable) return Promise.resolve(false);
  return new Promise((resolve) => {
    const gone = (): void => resolve(false);
    socket.once('close', gone);
    socket.write(bytes, (error) => {
      socket.off('close', gone);
      resolve(error === undefined || error === null);
    });
  });
}
