import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { Transport } from './port.js';

/** A TCP connection to a meter or a gateway. */
export class TcpTransport implements Transport {
  readonly #host: string;
  readonly #port: number;
  #socket: Socket | undefined;

  constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
  }

  open(onBytes: (bytes: Uint8Array) => void, onClosed: (reason: string) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: this.#host, port: this.#port, noDelay: true, keepAlive: true });
      this.#socket = socket;
      let opened = false;
      let failure: Error | undefined;
      socket.on('data', onBytes);
      socket.on('error', (error) => {
        failure = error;
      });
      // A half-closed peer will never answer again.
      socket.on('end', () => socket.destroy());
      socket.on('connect', () => {
        opened = true;
        resolve();
      });
      socket.on('close', () => {
        if (opened) onClosed(failure === undefined ? 'the peer closed the connection' : failure.message);
        else reject(failure ?? new Error('the attempt to connect was ended'));
      });
    });
  }

  write(bytes: Uint8Array): void {
    this.#socket?.write(bytes);
  }

  close(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined || socket.closed) return Promise.resolve();
    return new Promise((resolve) => {
      socket.once('close', () => resolve());
      socket.destroy();
    });
  }
}
