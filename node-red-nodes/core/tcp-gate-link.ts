import type { IncomingMessage } from 'node:http';
import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { LEASE_ANSWER_BYTES, MetersealError } from '@meterseal/protocol';
import type { ComparisonAnswer, ComparisonLink, GateLink } from './gate-link.js';
import { readBody } from './message-body.js';

export type ControlPort = {
  readonly host: string;
  readonly port: number;
  /** Where the comparison is served; the same host if not given. A relay cuts a line that the control port is not on. */
  readonly comparisonHost?: string;
};

/** Milliseconds for one request to the control port: it commits an entry to the chain before it answers. */
const CONTROL_TIMEOUT_MS = 10_000;
/** Connections to the comparison port: requests for entries, and one beside them. */
const MAX_CONNECTIONS = 5;

/** The gate over TCP. */
export function tcpGateLink(control: ControlPort): GateLink {
  return {
    ask: (request, signal) => ask(control, request, signal),
    comparison: (port, signal) => new TcpComparisonLink(control.comparisonHost ?? control.host, port, signal),
  };
}

class TcpComparisonLink implements ComparisonLink {
  readonly #host: string;
  readonly #port: number;
  readonly #signal: AbortSignal;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS });

  constructor(host: string, port: number, signal: AbortSignal) {
    this.#host = host;
    this.#port = port;
    this.#signal = signal;
  }

  async send(
    method: 'GET' | 'POST',
    path: string,
    most: number,
    body?: Uint8Array,
  ): Promise<ComparisonAnswer> {
    const answer = await this.#answer(method, path, body);
    try {
      return { status: answer.statusCode ?? 0, body: await readBody(answer, most) };
    } catch (error) {
      answer.destroy();
      throw error;
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #answer(method: string, path: string, body: Uint8Array | undefined): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers: Record<string, string | number> =
        body === undefined
          ? {}
          : { 'content-type': 'application/octet-stream', 'content-length': body.length };
      const options = { host: this.#host, port: this.#port, agent: this.#agent, signal: this.#signal };
      const request = httpRequest({ ...options, method, path, headers }, resolve);
      request.on('error', reject);
      request.end(body);
    });
  }
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
