import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import type { LeaseRequest, LeaseResult } from '@meterseal/protocol';
import {
  concat,
  decodeSigned,
  encodeEntries,
  encodeLeaseAnswer,
  equalBytes,
  isMetersealError,
  isSignedBy,
  readLeaseRequest,
  toHex,
} from '@meterseal/protocol';
import type { SampleChain } from './sample-chain.js';
import { PLATFORM_ID } from './sample-meter.js';

/** What a test may put in the place of an honest answer. */
export type Patches = {
  lease?: (
    request: LeaseRequest,
  ) => LeaseResult | 'close' | 'silence' | 'garbage' | 'other-lease' | undefined;
  /** Instead of committing the `connecting` entry. */
  connecting?: (chain: SampleChain, request: LeaseRequest) => void;
  checkpoint?: (chain: SampleChain) => string | undefined;
  consistency?: (chain: SampleChain, from: number, to: number) => Uint8Array | undefined;
  entries?: (chain: SampleChain, from: number, to: number) => Uint8Array | undefined;
  verdicts?: number;
  /** Closes the connection instead of answering. */
  hangUpAt?: string;
};

/**
 * A gate and a platform on real sockets: control port, and the proof endpoints while a lease connects. Apart from what a
 * test patches it keeps to the protocol, and keeps count of what the collector did.
 */
export class SamplePlatform {
  readonly chain: { current: SampleChain };
  readonly requests: LeaseRequest[] = [];
  readonly verdicts: Uint8Array[] = [];
  readonly paths: string[] = [];
  patches: Patches = {};
  port = 0;
  #lastCounter = 0;
  #lease: Uint8Array | undefined;
  readonly #control: Server;
  #proof: import('node:http').Server | undefined;

  private constructor(chain: SampleChain, collectorKey: Uint8Array) {
    this.chain = { current: chain };
    this.#control = createServer((socket) => this.#onConnection(socket, collectorKey));
  }

  static async start(chain: SampleChain, collectorKey: Uint8Array): Promise<SamplePlatform> {
    const platform = new SamplePlatform(chain, collectorKey);
    platform.port = await listen(platform.#control);
    return platform;
  }

  get isConnected(): boolean {
    return this.#lease !== undefined;
  }

  /** Isolates as the gate does when a lease runs out. */
  async expire(): Promise<void> {
    await this.#isolate();
  }

  async stop(): Promise<void> {
    await this.#isolate();
    await new Promise((resolve) => this.#control.close(resolve));
  }

  #onConnection(socket: Socket, collectorKey: Uint8Array): void {
    let received: Uint8Array = new Uint8Array(0);
    socket.on('error', () => {});
    socket.on('data', (piece) => {
      received = concat(received, piece);
      try {
        const signed = decodeSigned(received, readLeaseRequest);
        const { value } = signed;
        const good =
          value.platformId === PLATFORM_ID &&
          equalBytes(value.collectorKey, collectorKey) &&
          value.counter > this.#lastCounter &&
          isSignedBy(crypto, collectorKey, signed);
        if (!good) return void socket.destroy();
        this.#lastCounter = value.counter;
        this.requests.push(value);
        void this.#answer(socket, value);
      } catch (error) {
        if (!isMetersealError(error) || received.length > 512) socket.destroy();
      }
    });
  }

  async #answer(socket: Socket, request: LeaseRequest): Promise<void> {
    const patched = this.patches.lease?.(request);
    if (patched === 'close') return void socket.destroy();
    if (patched === 'silence') return;
    if (patched === 'garbage') return void socket.end(new Uint8Array(23).fill(9));
    let result: LeaseResult = patched === undefined || patched === 'other-lease' ? 'connected' : patched;
    let port = 0;
    if (request.action === 'release') {
      if (this.#lease !== undefined && equalBytes(this.#lease, request.lease)) await this.#isolate();
      result = patched === undefined ? 'refused' : result;
    } else if (result === 'connected') {
      if (this.patches.connecting === undefined) {
        this.chain.current.connecting(request.lease, request.collectorKey, request.counter);
        this.chain.current.close();
      } else {
        this.patches.connecting(this.chain.current, request);
      }
      // A collector that was killed has released nothing.
      await this.#isolate();
      this.#lease = request.lease;
      this.#proof = createHttpServer((asked, answer) => this.#serve(asked, answer));
      port = await listen(this.#proof);
    }
    const lease = patched === 'other-lease' ? new Uint8Array(16).fill(7) : request.lease;
    socket.end(encodeLeaseAnswer({ result, lease, port, granted: Math.min(request.max, 10_000) }));
  }

  #serve(asked: IncomingMessage, answer: ServerResponse): void {
    const url = new URL(asked.url ?? '', 'http://platform');
    this.paths.push(`${asked.method} ${url.pathname}`);
    if (this.patches.hangUpAt === url.pathname) return void asked.socket.destroy();
    const chain = this.chain.current;
    const from = Number(url.searchParams.get('from'));
    const to = Number(url.searchParams.get('to'));
    switch (`${asked.method} ${url.pathname}`) {
      case 'GET /checkpoint':
        return void answer.end(this.patches.checkpoint?.(chain) ?? chain.note);
      case 'GET /consistency':
        return void answer.end(
          this.patches.consistency?.(chain, from, to) ?? concat(...chain.consistency(from, to)),
        );
      case 'GET /entries':
        return void answer.end(
          this.patches.entries?.(chain, from, to) ?? encodeEntries(chain.entries.slice(from, to)),
        );
      case 'POST /verdicts': {
        const pieces: Buffer[] = [];
        asked.on('data', (piece: Buffer) => pieces.push(piece));
        asked.on('end', () => {
          answer.statusCode = this.patches.verdicts ?? 202;
          if (answer.statusCode === 202) this.verdicts.push(new Uint8Array(Buffer.concat(pieces)));
          answer.end('{"index":1}');
        });
        return;
      }
      default:
        answer.statusCode = 404;
        answer.end();
    }
  }

  async #isolate(): Promise<void> {
    this.#lease = undefined;
    const proof = this.#proof;
    this.#proof = undefined;
    if (proof === undefined) return;
    const closed = new Promise((resolve) => proof.close(resolve));
    proof.closeAllConnections();
    await closed;
  }

  /** Leases that were taken and not given back. */
  get leasesLeft(): number {
    const connects = this.requests
      .filter(({ action }) => action === 'connect')
      .map(({ lease }) => toHex(lease));
    const releases = new Set(
      this.requests.filter(({ action }) => action === 'release').map(({ lease }) => toHex(lease)),
    );
    return connects.filter((lease) => !releases.has(lease)).length;
  }
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
