import { connect } from 'node:net';
import { LEASE_ANSWER_BYTES, MetersealError } from '@meterseal/protocol';
import type { GateLink } from './gate-link.js';
import { TcpComparisonLink } from './tcp-comparison-link.js';

export type ControlPort = {
  readonly host: string;
  readonly port: number;
  /** Where the comparison is served; the same host if not given. A relay cuts a line that the control port is not on. */
  readonly comparisonHost?: string;
};

/** Milliseconds for one request to the control port: it commits an entry to the chain before it answers. */
const CONTROL_TIMEOUT_MS = 10_000;

/** The gate over TCP. */
export function tcpGateLink(control: ControlPort): GateLink {
  return {
    ask: (request, signal) => ask(control, request, signal),
    comparison: (port, signal) => new TcpComparisonLink(control.comparisonHost ?? control.host, port, signal),
  };
}

function ask({ host, port }: ControlPort, message: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let length = 0;
    const socket = connect({ host, port });
    const timer = setTimeout(() => fail('timeout', 'no answer in time'), CONTROL_TIMEOUT_MS);
    const onAbort = (): void => fail('timeout', 'stopped before the answer');
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
    };
    const fail = (code: 'timeout' | 'unreachable', why: string, cause?: unknown): void => {
      settle();
      reject(new MetersealError(code, `couldn't reach control port ${host}:${port}: ${why}`, { cause }));
    };
    const finish = (): void => {
      settle();
      resolve(Buffer.concat(pieces));
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort);
    socket.on('connect', () => socket.write(message));
    socket.on('data', (piece) => {
      pieces.push(piece);
      length += piece.length;
      if (length > LEASE_ANSWER_BYTES) finish();
    });
    socket.on('end', finish);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // A gate that closes a request which it did not read to its end resets the connection.
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') finish();
      else fail('unreachable', error.code ?? 'failed', error);
    });
    socket.on('close', finish);
  });
}
