import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { ServerOptions as TlsOptions } from 'node:https';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { BlockList, isIP } from 'node:net';
import type { ErrorCode } from '@meterseal/protocol';
import { fromUtf8, isMetersealError, MAX_BODY_BYTES, MetersealError } from '@meterseal/protocol';
import { readBody } from './message-body.js';
import type { Receiver } from './receiver.js';

export type ReceiverServerOptions = {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** What `Authorization: Bearer` must say. */
  readonly token?: string;
  /** Passed on to node:https: key, cert, and for client certificates ca, requestCert, rejectUnauthorized. */
  readonly tls?: TlsOptions;
  /** Milliseconds in which a whole request must have arrived. */
  readonly requestTimeoutMs?: number;
  /** Told of failures inside, which the peer only learns the code of. */
  readonly onError?: (error: unknown) => void;
};

export type ReceiverServer = {
  readonly address: AddressInfo;
  /** Stops listening and ends every connection; what is being stored is stored. */
  close(): Promise<void>;
};

const MAX_CONNECTIONS = 256;
const MAX_HEADER_BYTES = 8_192;
const MAX_OPENINGS_BYTES = 1_048_576;
const REQUEST_TIMEOUT_MS = 60_000;
const IDLE_TIMEOUT_MS = 30_000;
const MIN_TOKEN_LENGTH = 16;
/** Deliveries that are read or stored at once: each may hold a body of the largest size in memory. */
const MAX_DELIVERIES = 8;

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
        new MetersealError(code, `couldn't listen on ${host}:${port}: ${cause.code ?? 'failed'}`, { cause }),
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

function listenerOf(receiver: Receiver, { token, onError }: ReceiverServerOptions): RequestListener {
  const deliveries = { underWay: 0 };
  return (request, response) => {
    response.on('error', () => {});
    answer(receiver, token, request, deliveries)
      .catch((error: unknown) => errorAnswer(error, onError))
      .then((reply) => send(request, response, reply))
      .catch(() => request.destroy());
  };
}

type Reply = { readonly status: number; readonly body?: unknown };

async function answer(
  receiver: Receiver,
  token: string | undefined,
  request: IncomingMessage,
  deliveries: { underWay: number },
): Promise<Reply> {
  if (token !== undefined && !isAuthorised(request, token)) {
    throw new MetersealError('unauthorised', "couldn't serve request: no token, or not the right one");
  }
  const url = request.url ?? '';
  const question = url.indexOf('?');
  const path = question < 0 ? url : url.slice(0, question);
  const query = question < 0 ? '' : url.slice(question + 1);
  switch (`${request.method} ${path}`) {
    case 'POST /v1/openings': {
      const body = await bodyOf(request, query, 'application/json', MAX_OPENINGS_BYTES);
      await receiver.openings(parseJson(body));
      return { status: 204 };
    }
    case 'POST /v1/records': {
      if (deliveries.underWay >= MAX_DELIVERIES) {
        throw new MetersealError('rate-limited', "couldn't take delivery: too many are under way");
      }
      deliveries.underWay++;
      try {
        const body = await bodyOf(request, query, 'application/octet-stream', MAX_BODY_BYTES);
        return { status: 200, body: await receiver.records(body) };
      } finally {
        deliveries.underWay--;
      }
    }
    case 'POST /v1/gaps': {
      const body = await bodyOf(request, query, 'application/octet-stream', MAX_OPENINGS_BYTES);
      return { status: 200, body: await receiver.gaps(body) };
    }
    case 'GET /v1/state':
      return { status: 200, body: await receiver.state(meterOf(query)) };
    default:
      throw new MetersealError('not-found', "couldn't find resource: no such path or method");
  }
}

/** Hashes are compared: they have one length, and a comparison in constant time needs that. */
function isAuthorised(request: IncomingMessage, token: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(request.headers.authorization ?? ''), hash(`Bearer ${token}`));
}

function bodyOf(request: IncomingMessage, query: string, type: string, most: number): Promise<Uint8Array> {
  const given = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (query !== '' || given !== type) {
    throw new MetersealError('bad-request', `couldn't read request: ${type} without a query is taken here`);
  }
  return readBody(request, most);
}

function meterOf(query: string): string {
  const parameters = new URLSearchParams(query);
  const meter = parameters.get('meter');
  if (meter === null || parameters.size !== 1) {
    throw new MetersealError(
      'bad-request',
      "couldn't read request: one meter must be named, and nothing else",
    );
  }
  return meter;
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(body, 'bad-message'));
  } catch (cause) {
    throw new MetersealError('bad-message', "couldn't read body: not JSON", { cause });
  }
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  'bad-request': 400,
  'bad-message': 400,
  'bad-record': 400,
  'bad-key': 400,
  unauthorised: 401,
  'statement-refused': 403,
  'not-found': 404,
  'unknown-meter': 404,
  'opening-conflict': 409,
  'delivery-gap': 409,
  conflict: 409,
  'too-large': 413,
  'rate-limited': 429,
  // The peer broke off: nobody is there to read this.
  unreachable: 400,
  'commit-failed': 503,
  'disk-full': 503,
  stopped: 503,
};

function errorAnswer(error: unknown, onError: ReceiverServerOptions['onError']): Reply {
  const known = isMetersealError(error) ? error : undefined;
  const status = known === undefined ? 500 : (STATUS[known.code] ?? 500);
  const code = known?.code ?? 'internal';
  if (status < 500) return { status, body: { code, message: known!.message, hint: known!.hint ?? '' } };
  try {
    onError?.(error);
  } catch {
    // Whoever is told must not keep the peer from its answer.
  }
  const hint = 'The cause is in the log of the collector.';
  return { status, body: { code, message: `couldn't serve request: ${code}`, hint } };
}

function send(request: IncomingMessage, response: ServerResponse, { status, body }: Reply): void {
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
