import type { Socket } from 'node:net';
import { createServer } from 'node:net';
import type { MeterRequest } from './meter.js';

/**
 * Serves Modbus TCP. Units that nobody has stay silent, as behind a gateway.
 *
 * @returns the port
 */
export function serveTcp(
  host: string,
  port: number,
  handle: (request: MeterRequest) => void,
): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => serveSocket(socket, handle));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

/** Serves one connection. */
export function serveSocket(socket: Socket, handle: (request: MeterRequest) => void): void {
  let received = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes) => {
    received = Buffer.concat([received, bytes]);
    while (received.length >= 8) {
      const end = 6 + received.readUInt16BE(4);
      if (end < 8 || end > 260) {
        socket.destroy();
        return;
      }
      if (received.length < end) return;
      const head = received.subarray(0, 4);
      handle({
        transport: 'tcp',
        unit: received[6]!,
        pdu: Uint8Array.from(received.subarray(7, end)),
        frame: (unit, pdu) => Buffer.concat([head, Buffer.from([0, pdu.length + 1, unit]), pdu]),
        send: (answer) => {
          if (socket.writable) socket.write(answer);
        },
        reset: () => socket.resetAndDestroy(),
      });
      received = received.subarray(end);
    }
  });
}
