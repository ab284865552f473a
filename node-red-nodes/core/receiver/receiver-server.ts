import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { ServerOptions as TlsOptions } from 'node:https';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { BlockList, isIP } from 'node:net';
import { MetersealError } from '@meterseal/protocol';
import type { Interface2Answer, Interface2Options } from './interface-2.js';
import { Interface2 } from './interface-2.js';
import { readBody } from './message-body.js';
import type { Receiver } from './receiver.js';

export type ReceiverServerOptions = Interface2Options & {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** Passed on to node:https: key, cert, and for client certificates ca, requestCert, rejectUnauthorized. */
  readonly tls?: TlsOptions;
  /** Milliseconds in which a whole request must have arrived. */
  readonly requestTimeoutMs?: number;
};

export type ReceiverServer = {
  readonly address: AddressInfo;
  /** Stops listening and ends every connection; what is being stored is stored. */
  close(): Promise<void>;
};

const MAX_CONNECTIONS = 256;
const MAX_HEADER_BYTES = 8_192;
const REQUEST_TIMEOUT_MS = 60_000;
const IDLE_TIMEOUT_MS = 30_000;
const MIN_TOKEN_LENGTH = 16;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/**
 * Serves interface 2 over HTTP or HTTPS. Beyond this machine it listens only with TLS, and only to peers that show a
 * token or a client certificate.
 *
 * @throws MetersealError `bad-config` for an address that would be open to all; `address-in-use`, `unreachable`
 */
export async function serveReceiver(
  receiver: Receiver,
  options: ReceiverServerOptions,
): Promise<ReceiverServer> {
  checkExposure(options);
  const { tls, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options;
  const limits = {
    maxHeaderSize: MAX_HEADER_BYTES,
    requestTimeout: requestTimeoutMs,
    headersTimeout: Math.min(requestTimeoutMs, IDLE_TIMEOUT_MS),
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    connectionsCheckingInterval: Math.min(requestTimeoutMs, 5_000),
  };
  const listener = listenerOf(receiver, options);
  const server =
    tls === undefined ? createServer(limits, listener) : createTlsServer({ ...tls, ...limits }, listener);
  server.maxConnections = MAX_CONNECTIONS;
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const status = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request';
    if (!socket.writable) socket.destroy();
    else socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  });
  await listen(server, options.host, options.port);
  return {
    address: server.address() as AddressInfo,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await receiver.idle();
      server.closeAllConnections();
      await closed;
    },
  };
}

function checkExposure({ host, tls, token }: ReceiverServerOptions): void {
  if (token !== undefined && token.length < MIN_TOKEN_LENGTH) {
    throw new MetersealError(
      'bad-config',
      `couldn't listen: the token is shorter than ${MIN_TOKEN_LENGTH} characters`,
      { hint: 'Make a longer one at random, and give the same to the field.' },
    );
  }
  const family = isIP(host);
  if (host === 'localhost' || (family !== 0 && LOOPBACK.check(host, family === 4 ? 'ipv4' : 'ipv6'))) return;
  const certified = tls?.requestCert === true && tls.rejectUnauthorized !== false;
  if (tls !== undefined && (token !== undefined || certified)) return;
  throw new MetersealError('bad-config', `couldn't listen on ${host}: it would be open to the network`, {
    hint: 'Give it TLS and a token (or client certificates), or listen on 127.0.0.1.',
  });
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const code = cause.code === 'EADDRINUSE' ? 'address-in-use' : 'unreachable';
      reject(
        new MetersealError(code, `couldn't listen on ${host}:${port}: ${cause.code ?? 'failed'}`, {
          hint: 'Choose a port that is free, and an address of this machine.',
          cause,
        }),
      );
    });
    server.listen(port, host, () => {
      server.removeAllListeners('error');
      // A server that listens has no errors that concern anybody else; unheard they would end the process.
      server.on('error', () => {});
      resolve();
    });
  });
}

function listenerOf(receiver: Receiver, options: Interface2Options): RequestListener {
  const calls = new Interface2(receiver, options);
  return (request, response) => {
    response.on('error', () => {});
    calls
      .answer({
        method: request.method ?? '',
        url: request.url ?? '',
        type: request.headers['content-type'],
        authorization: request.headers.authorization,
        body: (most) => readBody(request, most),
      })
      .then((reply) => send(request, response, reply))
      .catch(() => request.socket.destroy());
  };
}

function send(request: IncomingMessage, response: ServerResponse, { status, body }: Interface2Answer): void {
  // What is left of a body that was refused is not read: the connection ends with the answer.
  if (!request.complete) response.setHeader('Connection', 'close');
  if (body === undefined) {
    response.writeHead(status).end();
    return;
  }
  const text = JSON.stringify(body);
  const headers = {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
  };
  response.writeHead(status, headers).end(text);
}
