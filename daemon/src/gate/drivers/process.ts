import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import type { ReadBack } from '@meterseal/protocol';
import { MetersealError } from '@meterseal/protocol';
import type { Clock } from '../../host/clock.js';
import type { SwitchDriver } from '../driver.js';
import { readKernelSockets } from './kernel-sockets.js';
import { probeListener } from './listener-probe.js';

/** What serves the connections of the comparison port. */
export interface ConnectionHandler {
  /** Takes a connection. It may reset it; it must never end or destroy it: see `ProcessDriver`. */
  serve(socket: Socket): void;
  /** Throws away everything that is under way, in both directions. */
  drop(): void;
}

export type ProcessDriverOptions = {
  /** Address that the comparison port is bound to. */
  readonly host: string;
  /** 0 lets the system choose a free port each time. */
  readonly port: number;
  readonly handler: ConnectionHandler;
  readonly clock: Clock;
};

/** Live connections; a collector needs one or two. */
const MAX_CONNECTIONS = 16;

/**
 * Driver of grade G0: the comparison port exists only while connected, and it is this process alone that sees to
 * that. Sockets are always reset, never closed: of a closed one the kernel goes on delivering what it has buffered,
 * megabytes of it, long after the port is gone.
 */
export class ProcessDriver implements SwitchDriver {
  readonly name = 'process';
  readonly grade = 0;
  readonly #options: ProcessDriverOptions;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  /** Aborted by `isolate`: a connect that is under way gives up. */
  #isolated = new AbortController();
  /** Where the port is, or was last. */
  #place: { readonly port: number; readonly address: string } | null;

  constructor(options: ProcessDriverOptions) {
    this.#options = options;
    this.#place = options.port === 0 ? null : { port: options.port, address: options.host };
  }

  async connect(): Promise<number> {
    if (this.#server !== null) throw new MetersealError('busy', "couldn't connect: the port exists already");
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#accept(server, socket);
    });
    server.on('error', () => {});
    server.on('listening', () => {
      if (server !== this.#server) server.close();
    });
    this.#server = server;
    this.#isolated = new AbortController();
    const { host, port } = this.#options;
    try {
      await once(server.listen({ host, port }), 'listening', { signal: this.#isolated.signal });
    } catch (cause) {
      if (server === this.#server) {
        this.#server = null;
        const reason = (cause as NodeJS.ErrnoException).code ?? 'failed';
        const message = `couldn't connect: port ${port} of ${host}: ${reason}`;
        throw new MetersealError('link-fault', message, { cause });
      }
    }
    if (server !== this.#server) {
      throw new MetersealError('stopped', "couldn't connect: isolated meanwhile");
    }
    const place = server.address() as AddressInfo;
    this.#place = { port: place.port, address: place.address };
    return place.port;
  }

  async isolate(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    // Everything up to the first await happens before any other event: nothing is accepted, served or sent between.
    this.#isolated.abort();
    server?.close();
    this.#options.handler.drop();
    const closed = [...this.#sockets].map(
      (socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
    );
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await Promise.all(closed);
  }

  async readBacks(): Promise<ReadBack[]> {
    const place = this.#place;
    if (place === null) {
      // No port was ever made and none is configured: there is nothing to ask but our own book.
      const says = this.#server === null && this.#sockets.size === 0 ? 'isolated' : 'unknown';
      return [
        { witness: 'listener', says },
        { witness: 'live-sockets', says },
      ];
    }
    const probe = await probeListener(place.port, place.address, this.#options.clock);
    const kernel = await readKernelSockets(place.port, place.address);
    const open = this.#server?.listening === true;
    return [
      { witness: 'listener', says: listenerSays(probe, open) },
      { witness: 'live-sockets', says: socketsSay(kernel, open, this.#sockets.size) },
    ];
  }

  #accept(server: Server, socket: Socket): void {
    socket.on('error', () => {});
    if (server !== this.#server || this.#sockets.size >= MAX_CONNECTIONS)
      return void socket.resetAndDestroy();
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    this.#options.handler.serve(socket);
  }
}

/** By trying: does a connect to the port get through, and is that what we believe? */
function listenerSays(probe: 'accepted' | 'refused' | 'unknown', open: boolean): ReadBack['says'] {
  if (probe === 'accepted') return 'connected';
  return probe === 'refused' && !open ? 'isolated' : 'unknown';
}

/** By counting: our own book, and the kernel's table where it can be read. */
function socketsSay(
  kernel: { readonly listening: number; readonly live: number } | null,
  open: boolean,
  live: number,
): ReadBack['says'] {
  if (kernel === null) return open ? 'connected' : live === 0 ? 'isolated' : 'unknown';
  if (open) return kernel.listening > 0 ? 'connected' : 'unknown';
  if (kernel.listening + kernel.live > 0) return 'connected';
  return live === 0 ? 'isolated' : 'unknown';
}
