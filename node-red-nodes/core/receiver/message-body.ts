import type { IncomingMessage } from 'node:http';
import { MetersealError } from '@meterseal/protocol';

/**
 * The whole body of a request or answer.
 *
 * @param most bytes of the largest body that is read
 * @throws MetersealError `too-large`, as soon as it shows; `unreachable` where it breaks off
 */
export function readBody(message: IncomingMessage, most: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const tooLarge = (): MetersealError =>
      new MetersealError('too-large', `couldn't read body: more than ${most} bytes`);
    if (Number(message.headers['content-length'] ?? 0) > most) return reject(tooLarge());
    const pieces: Buffer[] = [];
    let length = 0;
    message.on('data', (piece: Buffer) => {
      length += piece.length;
      if (length > most) {
        message.pause();
        reject(tooLarge());
        return;
      }
      pieces.push(piece);
    });
    message.on('end', () => {
      if (message.complete) resolve(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, length));
    });
    const broken = (cause?: unknown): void => {
      reject(new MetersealError('unreachable', "couldn't read body: the connection broke off", { cause }));
    };
    message.on('error', broken);
    message.on('close', () => broken());
  });
}
