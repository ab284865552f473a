import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import type { Test } from 'tap';
import { SeededRandom } from '../protocol/seeded-random.js';

/** What is done instead of answering rightly. */
const TRICKS = [
  'drip',
  'endless',
  'oversize',
  'other-unit',
  'other-function',
  'other-transaction',
  'other-length',
  'twice',
  'late',
  'torn',
  'noise-first',
  'reset',
  'silence',
] as const;
type Trick = (typeof TRICKS)[number];

/** A right answer as it was computed for one request. */
type Answer = { readonly unit: number; readonly at: number; readonly words: string; readonly time: number };

/**
 * Modbus TCP meters of which one does its worst, and the others behave. No two answers have the same words: they count
 * requests, so that an answer to another request is a wrong value.
 */
export class HostileMeters {
  readonly answers: Answer[] = [];
  readonly tricks = new Map<Trick, number>();
  readonly #random: SeededRandom;
  readonly #hostile: number;
  #requests = 0;
  #port = 0;

  private constructor(seed: number, hostile: number) {
    this.#random = new SeededRandom(seed);
    this.#hostile = hostile;
  }

  /** @param hostile the unit that does its worst; 0 for none */
  static async start(t: Test, seed: number, hostile: number): Promise<HostileMeters> {
    const meters = new HostileMeters(seed, hostile);
    const sockets = new Set<Socket>();
    const server = createServer({ noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => sockets.delete(socket));
      meters.#serve(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    meters.#port = (server.address() as AddressInfo).port;
    t.teardown(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return meters;
  }

  get address(): string {
    return `tcp://127.0.0.1:${this.#port}`;
  }

  #serve(socket: Socket): void {
    let received = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      for (; received.length >= 12; received = received.subarray(12)) this.#answer(socket, received);
    });
  }

  #answer(socket: Socket, request: Buffer): void {
    const unit = request[6]!;
    const [at, count] = [request.readUInt16BE(8), request.readUInt16BE(10)];
    const words = Buffer.alloc(2 * count);
    this.#requests++;
    // Registers are floats: 2.0 … 3.99 with the number of the request in their last digits.
    for (let i = 0; i < count; i += 2) words.writeUInt32BE(0x4000_0000 + this.#requests * 256 + i, 2 * i);
    const time = performance.timeOrigin + performance.now();
    this.answers.push({ unit, at, words: words.toString('hex'), time });
    const head = Buffer.from([request[0]!, request[1]!, 0, 0, 0, words.length + 3, unit]);
    const good = Buffer.concat([head, Buffer.from([request[7]!, words.length]), words]);
    if (unit !== this.#hostile || this.#random.below(3) === 0) return void socket.write(good);
    const trick = TRICKS[this.#random.below(TRICKS.length)]!;
    this.tricks.set(trick, (this.tricks.get(trick) ?? 0) + 1);
    this.#trick(trick, socket, good);
  }

  #trick(trick: Trick, socket: Socket, good: Buffer): void {
    const changed = (at: number, to: number): Buffer => {
      const bytes = Buffer.from(good);
      bytes[at] = to;
      return bytes;
    };
    switch (trick) {
      case 'drip':
        return void repeat(socket, 20, good.length, (i) => good.subarray(i, i + 1));
      case 'endless':
        return void repeat(socket, 2, 500, () => Buffer.alloc(1_024, good[9]));
      case 'oversize':
        return void socket.write(Buffer.concat([changed(4, 0xff), Buffer.alloc(65_280)]));
      case 'other-unit':
        return void socket.write(changed(6, good[6]! + 1));
      case 'other-function':
        return void socket.write(changed(7, good[7]! ^ 1));
      case 'other-transaction':
        return void socket.write(changed(1, good[1]! ^ 1));
      case 'other-length':
        return void socket.write(changed(8, good[8]! - 2));
      case 'twice':
        return void socket.write(Buffer.concat([good, good]));
      case 'late':
        return void setTimeout(() => socket.writable && socket.write(good), 150).unref();
      case 'torn':
        return void socket.write(good.subarray(0, good.length - 3));
      case 'noise-first':
        return void socket.write(Buffer.concat([Buffer.from(this.#random.bytes(5)), good]));
      case 'reset':
        return void socket.resetAndDestroy();
      case 'silence':
    }
  }
}

/** Writes piece by piece, until all are written or the peer is gone. */
function repeat(socket: Socket, everyMs: number, times: number, piece: (i: number) => Buffer): void {
  let i = 0;
  const timer = setInterval(() => {
    if (i >= times || !socket.writable) clearInterval(timer);
    else socket.write(piece(i++));
  }, everyMs).unref();
}
