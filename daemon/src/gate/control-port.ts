import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import type { LeaseAnswer, LeaseRequest } from '@meterseal/protocol';
import { encodeLeaseAnswer, MetersealError } from '@meterseal/protocol';
import type { Clock } from '../host/clock.js';
import { deadline } from './deadline.js';
import type { LeaseGuard } from './lease-guard.js';

/** Connections at once; the oldest that is still sending makes room for a new one. */
const MAX_CONNECTIONS = 16;
/** Milliseconds in which a request must be complete. */
const SENDING_MS = 5_000;

/** @param gone aborted when the one who asked hangs up before the answer */
export type AskGate = (request: LeaseRequest, gone: AbortSignal) => Promise<LeaseAnswer>;

export type ControlPort = {
  readonly port: number;
  /** Stops accepting; requests that wait for an answer get it. */
  close(): Promise<void>;
};

/**
 * The gate's one ear on the collector's side: a TCP port that takes one signed lease request per connection. To
 * anything else it closes without a byte, so that it tells nothing to those who may not ask.
 *
 * @throws MetersealError `address-in-use`, `bad-config`
 */
export async function openControlPort(options: {
  readonly host: string;
  readonly port: number;
  readonly guard: LeaseGuard;
  readonly ask: AskGate;
  readonly clock: Clock;
}): Promise<ControlPort> {
  const { host, port, guard, ask, clock } = options;
  const sending = new Set<Socket>();
  const waiting = new Set<Socket>();

  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    if (sending.size + waiting.size >= MAX_CONNECTIONS) {
      const [oldest] = sending;
      if (oldest === undefined) return void socket.destroy();
      sending.delete(oldest);
      oldest.destroy();
    }
    sending.add(socket);
    const disarm = deadline(clock, SENDING_MS, () => socket.destroy());
    socket.once('close', () => {
      disarm();
      sending.delete(socket);
      waiting.delete(socket);
    });
    let received = new Uint8Array(0);
    const take = (chunk: Buffer): void => {
      // A request fits one segment: this is copied once, and at most `requestBytes` are kept.
      if (received.length + chunk.length > guard.requestBytes) return void socket.destroy();
      received = Uint8Array.from([...received, ...chunk]);
      if (!guard.mayBecomeRequest(received)) return void socket.destroy();
      if (received.length < guard.requestBytes) return;
      const request = guard.admit(received);
      if (request === null) return void socket.destroy();
      socket.off('data', take);
      sending.delete(socket);
      waiting.add(socket);
      disarm();
      void answer(socket, request);
    };
    socket.on('data', take);
  });

  async function answer(socket: Socket, request: LeaseRequest): Promise<void> {
    const gone = new AbortController();
    const hangUp = (): void => gone.abort();
    socket.once('close', hangUp);
    // Nothing more is expected: reading on notices a peer that hangs up, also one that ends only its half, and a
    // flood ends the connection.
    socket.on('data', () => socket.destroy());
    try {
      const bytes = encodeLeaseAnswer(await ask(request, gone.signal));
      socket.off('close', hangUp);
      socket.end(bytes, () => socket.destroy());
    } catch {
      // The role reports its own failures; whoever asked learns nothing.
      socket.destroy();
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.on('error', (cause: NodeJS.ErrnoException) => {
      const inUse = cause.code === 'EADDRINUSE';
      reject(
        new MetersealError(
          inUse ? 'address-in-use' : 'bad-config',
          `couldn't listen on control port ${host}:${port}: ${cause.code ?? 'failed'}`,
          {
            hint: inUse
              ? 'End the other process that listens there, or choose another port under gate.control.'
              : 'Set gate.control to an address of this machine.',
            cause,
          },
        ),
      );
    });
    server.listen({ host, port }, resolve);
  });

  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sending) socket.destroy();
      }),
  };
}
