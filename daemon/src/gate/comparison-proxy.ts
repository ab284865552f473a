import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import type { ErrorBody, ErrorCode } from '@meterseal/protocol';
import type { Clock } from '../host/clock.js';
import { routeComparison } from './comparison-routes.js';
import { deadline } from './deadline.js';
import type { ConnectionHandler } from './drivers/process.js';
import { ProofConnection } from './proof-connection.js';
import { RateLimit } from './rate-limit.js';

/** Bytes of a request's head: the longest that the protocol needs is below 200. */
const MAX_HEADER_BYTES = 4_096;
/** A request that announces more than this is not answered at all. */
const MAX_ANNOUNCED_BYTES = 65_536;
/** Requests at proof.sock at once. */
const MAX_IN_FLIGHT = 16;
/** Ten million entries are 2,500 requests; the chain serves about a thousand a second. */
const REQUESTS = { burst: 2_000, perSecond: 1_000 };
/** Each of these is a commit of the chain: nobody may make it grow quickly. */
const APPENDS = { burst: 64, perSecond: 4 };
/** Requests refused for their rate, without a good one between, after which a connection is reset. */
const MAX_REFUSED = 200;
/** Milliseconds without a request after which a connection is reset. */
const IDLE_MS = 15_000;
/** Milliseconds in which a request must be received, passed on, answered and its answer taken. */
const ANSWER_MS = 30_000;

type Connection = {
  refused: number;
  /** Ends the limit on idle time. */
  disarm: () => void;
  /** One for each request under way: gives up everything that it holds. */
  readonly finish: Set<() => void>;
  /** Connections to proof.sock that serve this one, and nothing to do at present. */
  readonly idle: ProofConnection[];
};

/** Headers of an answer that are passed on. */
const PASSED_HEADERS = ['content-type', 'content-length', 'retry-after'];

/**
 * Passes the comparison protocol, and nothing else, from the comparison port to proof.sock. Bodies are taken whole
 * before proof.sock hears of them, answers are streamed. Connections are reset, never ended: what lies in the
 * kernel's buffers of an ended one would still arrive after isolation.
 */
export class ComparisonProxy implements ConnectionHandler {
  readonly #proofSocket: string;
  readonly #clock: Clock;
  readonly #mayPass: () => boolean;
  readonly #http: Server;
  readonly #requests: RateLimit;
  readonly #appends: RateLimit;
  readonly #connections = new WeakMap<Socket, Connection>();
  readonly #upstreams = new Set<ProofConnection>();
  #inFlight = 0;

  /** @param options `mayPass` is asked for every request and every piece of an answer */
  constructor(options: {
    readonly proofSocket: string;
    readonly clock: Clock;
    readonly mayPass: () => boolean;
  }) {
    const { clock } = options;
    this.#mayPass = options.mayPass;
    this.#proofSocket = options.proofSocket;
    this.#clock = clock;
    this.#requests = new RateLimit(REQUESTS.burst, REQUESTS.perSecond, clock);
    this.#appends = new RateLimit(APPENDS.burst, APPENDS.perSecond, clock);
    // Node's own time limits end connections in an orderly way: ours, which reset, take their place.
    const timeouts = { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 };
    this.#http = createServer({ maxHeaderSize: MAX_HEADER_BYTES, ...timeouts }, (asked, answer) => {
      this.#handle(asked, answer);
    });
    const reset = (socket: unknown): void => void (socket as Socket).resetAndDestroy();
    this.#http.on('clientError', (_error, socket) => reset(socket));
    this.#http.on('connect', (_request, socket) => reset(socket));
    this.#http.on('upgrade', (_request, socket) => reset(socket));
  }

  serve(socket: Socket): void {
    const connection: Connection = {
      refused: 0,
      disarm: () => {},
      finish: new Set(),
      idle: [],
    };
    this.#connections.set(socket, connection);
    this.#limitIdleTime(socket, connection);
    socket.once('close', () => {
      for (const finish of connection.finish) finish();
      for (const upstream of connection.idle) this.#end(upstream);
      connection.disarm();
    });
    // Before the HTTP server's own listener, which would end our half with data still queued.
    socket.once('end', () => socket.resetAndDestroy());
    this.#http.emit('connection', socket);
  }

  drop(): void {
    for (const upstream of this.#upstreams) upstream.destroy();
    this.#upstreams.clear();
  }

  #handle(asked: IncomingMessage, answer: ServerResponse): void {
    const { socket } = asked;
    const connection = this.#connections.get(socket);
    const announced = Number(asked.headers['content-length'] ?? 0);
    const unbounded = asked.headers['transfer-encoding'] !== undefined || announced > MAX_ANNOUNCED_BYTES;
    if (connection === undefined || asked.httpVersion !== '1.1' || unbounded || !this.#mayPass()) {
      return void socket.resetAndDestroy();
    }
    answer.setHeader('connection', 'keep-alive');
    this.#limitAnswerTime(socket, connection, answer);
    if (!this.#requests.take()) return void refuseRate(answer, socket, connection);
    const route = routeComparison(asked.method ?? '', asked.url ?? '');
    if (route.kind === 'refuse') {
      if (route.allow !== undefined) answer.setHeader('allow', route.allow);
      const code = route.status === 400 ? 'bad-request' : 'not-found';
      return void refuse(answer, route.status, code, 'not part of the comparison protocol');
    }
    const { method, path, bodyLimit } = route;
    if (announced > bodyLimit) {
      return void refuse(answer, 413, 'too-large', `a body of at most ${bodyLimit} bytes belongs there`);
    }
    if (this.#inFlight >= MAX_IN_FLIGHT || (method === 'POST' && !this.#appends.take())) {
      return void refuseRate(answer, socket, connection);
    }
    connection.refused = 0;
    this.#inFlight++;
    onFinish(connection, answer, () => this.#inFlight--);
    if (method === 'GET') return void this.#pass(method, path, asked, answer, connection, null);
    // The HTTP parser holds the peer to the length that it announced.
    const chunks: Buffer[] = [];
    asked.on('data', (chunk: Buffer) => chunks.push(chunk));
    asked.once('end', () => this.#pass(method, path, asked, answer, connection, Buffer.concat(chunks)));
  }

  #pass(
    method: 'GET' | 'POST',
    path: string,
    asked: IncomingMessage,
    answer: ServerResponse,
    connection: Connection,
    body: Buffer | null,
  ): void {
    const { socket } = asked;
    if (!this.#mayPass()) return void socket.resetAndDestroy();
    const upstream = this.#upstreamOf(connection);
    let isOver = false;
    onFinish(connection, answer, () => {
      if (isOver && !socket.destroyed) connection.idle.push(upstream);
      else this.#end(upstream);
    });
    const type = path === '/cosignatures' ? 'text/plain' : 'application/octet-stream';
    upstream.ask(method, path, body === null ? null : { type, bytes: body }, {
      head: ({ status, headers }) => {
        for (const name of PASSED_HEADERS) {
          const value = headers.get(name);
          if (value !== undefined) answer.setHeader(name, value);
        }
        answer.writeHead(status);
      },
      piece: (bytes, isLast, taken) => {
        // A process that was stopped goes on with what it finds in its sockets before it looks at its timers.
        if (!this.#mayPass()) return void socket.resetAndDestroy();
        isOver = isLast;
        if (isLast) answer.end(bytes, taken);
        else answer.write(bytes, taken);
      },
      failed: () => {
        // Half an answer must not look like a whole one.
        if (answer.headersSent) socket.resetAndDestroy();
        else refuse(answer, 503, 'unreachable', 'the chain does not answer');
      },
    });
  }

  /** One that lives as long as the connection that it serves. */
  #upstreamOf({ idle }: Connection): ProofConnection {
    for (let upstream = idle.pop(); upstream !== undefined; upstream = idle.pop()) {
      if (upstream.isOpen) return upstream;
      this.#end(upstream);
    }
    const upstream = new ProofConnection(this.#proofSocket);
    this.#upstreams.add(upstream);
    return upstream;
  }

  #end(upstream: ProofConnection): void {
    this.#upstreams.delete(upstream);
    upstream.destroy();
  }

  #limitIdleTime(socket: Socket, connection: Connection): void {
    connection.disarm = deadline(this.#clock, IDLE_MS, () => socket.resetAndDestroy());
  }

  #limitAnswerTime(socket: Socket, connection: Connection, answer: ServerResponse): void {
    connection.disarm();
    const disarm = deadline(this.#clock, ANSWER_MS, () => socket.resetAndDestroy());
    onFinish(connection, answer, () => {
      disarm();
      if (connection.finish.size === 0 && !socket.destroyed) this.#limitIdleTime(socket, connection);
    });
  }
}

/** Calls `then` once: when the answer is through, or when the connection is gone with the answer still queued. */
function onFinish(connection: Connection, answer: ServerResponse, then: () => void): void {
  const finish = (): void => {
    if (connection.finish.delete(finish)) then();
  };
  connection.finish.add(finish);
  answer.once('close', finish);
}

function refuseRate(answer: ServerResponse, socket: Socket, connection: Connection): void {
  connection.refused++;
  if (connection.refused > MAX_REFUSED) return void socket.resetAndDestroy();
  answer.setHeader('retry-after', '1');
  refuse(answer, 429, 'rate-limited', 'too many requests');
}

function refuse(answer: ServerResponse, status: number, code: ErrorCode, why: string): void {
  const body: ErrorBody = { code, message: `couldn't pass request: ${why}`, hint: '' };
  const text = JSON.stringify(body);
  answer.writeHead(status, { 'content-type': 'application/json', 'content-length': text.length });
  answer.end(text);
}
