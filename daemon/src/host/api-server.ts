import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { basename } from 'node:path';
import type { ErrorBody, ErrorCode } from '@meterseal/protocol';
import { isMetersealError, MetersealError } from '@meterseal/protocol';
import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify';
import { fastify } from 'fastify';
import { inheritedSocket } from './inherited-socket.js';
import type { Logger } from './logger.js';
import { MAX_SOCKET_PATH_BYTES } from './state-folder.js';

export type ApiServer = FastifyInstance;

/** Connections at one socket: its peers are a handful of local processes. */
const MAX_CONNECTIONS = 64;
const MAX_HEADER_BYTES = 8_192;
/** Milliseconds in which a whole request must have arrived, and a connection may stand idle. */
const REQUEST_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 30_000;

/**
 * An HTTP server for one of our sockets: bounded in every direction, bodies as bytes or as JSON that a strict
 * schema has checked, every error in the one form `{"code","message","hint"}`. What went wrong inside is logged,
 * not told.
 *
 * @param bodyLimit bytes of one request body
 */
export function createApiServer(options: { readonly bodyLimit: number; readonly log: Logger }): ApiServer {
  const app = fastify({
    bodyLimit: options.bodyLimit,
    connectionTimeout: IDLE_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    http: { maxHeaderSize: MAX_HEADER_BYTES },
    // A body that does not fit its schema is refused: nothing is removed from it, filled in or converted.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false, strict: true } },
    frameworkErrors: (error, _request, reply) => answerError(error, reply, options.log),
    clientErrorHandler: (_error, socket) => {
      if (socket.writable)
        socket.end(`HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      socket.destroySoon();
    },
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  app.removeContentTypeParser('text/plain');
  app.addContentTypeParser(
    ['application/octet-stream', 'text/plain'],
    { parseAs: 'buffer' },
    (_request, body, done) => done(null, body),
  );
  app.setErrorHandler((error: FastifyError, _request, reply) => answerError(error, reply, options.log));
  app.setNotFoundHandler((_request, reply) => {
    answerError(
      new MetersealError('not-found', "couldn't find resource: no such path or method"),
      reply,
      options.log,
    );
  });
  return app;
}

/**
 * Listens on a Unix socket that only this user can open, or on the one of that name that this process was given.
 *
 * @throws MetersealError `socket-path-too-long`, `address-in-use`, `file-unusable`
 */
export async function listenOnSocket(app: ApiServer, path: string): Promise<void> {
  const fd = inheritedSocket(basename(path, '.sock'), process.env, process.pid);
  if (fd !== undefined) return listenOnInherited(app, fd, path);
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    throw new MetersealError(
      'socket-path-too-long',
      `couldn't listen on ${path}: ${bytes} bytes, at most ${MAX_SOCKET_PATH_BYTES} are possible`,
      { hint: 'Choose a state folder with a shorter path.' },
    );
  }
  await removeStaleSocket(path);
  // The socket must never be open to others, not even between bind and chmod.
  const umask = process.umask(0o077);
  try {
    await app.listen({ path });
    chmodSync(path, 0o600);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'failed';
    throw new MetersealError(
      reason === 'EADDRINUSE' ? 'address-in-use' : 'file-unusable',
      `couldn't listen on ${path}: ${reason}`,
      {
        hint: 'Check that the folder exists and belongs to this user.',
        cause,
      },
    );
  } finally {
    process.umask(umask);
  }
}

/** The framework's own way to listen wants an address to tell of, and such a socket has none for Node. */
async function listenOnInherited(app: ApiServer, fd: number, path: string): Promise<void> {
  await app.ready();
  await new Promise<void>((resolve, reject) => {
    app.server.once('error', (cause: NodeJS.ErrnoException) => {
      const message = `couldn't listen on ${path}: the socket that was passed on: ${cause.code ?? 'failed'}`;
      reject(new MetersealError('file-unusable', message, { hint: 'Look at the socket unit.', cause }));
    });
    app.server.listen({ fd }, resolve);
  });
}

/** Stops listening and ends every connection, also those with a request under way. */
export async function stopApiServer(app: ApiServer): Promise<void> {
  app.server.closeAllConnections();
  await app.close();
}

/** A socket that nobody answers on was left by a process that was killed; anything else stays where it is. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new MetersealError('file-unusable', `couldn't listen on ${path}: something else stands there`, {
      hint: 'Move that file away.',
    });
  }
  if (await isAnswered(path)) {
    throw new MetersealError('address-in-use', `couldn't listen on ${path}: another process listens there`, {
      hint: 'End the other meterseal process that uses this state folder.',
    });
  }
  unlinkSync(path);
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
}

function answerError(error: unknown, reply: FastifyReply, log: Logger): void {
  const { status, body } = errorAnswer(error);
  if (status >= 500) log.error({ err: error }, 'request failed');
  reply.code(status).type('application/json; charset=utf-8').send(body);
}

/** What a peer is told of an error: its status and its body. */
export function errorAnswer(error: unknown): { status: number; body: ErrorBody } {
  if (isMetersealError(error)) {
    const status = statusOf(error.code);
    // Messages of failures inside name files and causes: they are for the log only.
    const message = status >= 500 ? `couldn't serve request: ${error.code}` : error.message;
    const hint =
      status >= 500 ? 'The cause is in the log of the process that was asked.' : (error.hint ?? '');
    return { status, body: { code: error.code, message, hint } };
  }
  const { statusCode = 500, code, message } = error as Partial<FastifyError>;
  if (statusCode >= 500) {
    const hint = 'The cause is in the log of the process that was asked.';
    return {
      status: 500,
      body: { code: 'internal', message: "couldn't serve request: internal failure", hint },
    };
  }
  if (statusCode === 413) {
    return { status: 413, body: { code: 'too-large', message: "couldn't read body: too large", hint: '' } };
  }
  const what = code === 'FST_ERR_VALIDATION' ? message : 'malformed';
  return {
    status: statusCode,
    body: { code: 'bad-request', message: `couldn't read request: ${what}`, hint: '' },
  };
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  unauthorised: 401,
  'wrong-holder': 403,
  'wrong-code': 403,
  'code-used': 403,
  'bad-signature': 403,
  'signature-invalid': 403,
  'challenge-unknown': 403,
  'challenge-expired': 403,
  revoked: 403,
  'link-denied': 403,
  'statement-refused': 403,
  'not-found': 404,
  'unknown-meter': 404,
  'already-enrolled': 409,
  'no-offer': 409,
  'authentication-unknown': 409,
  'authentication-used': 409,
  'sequence-gap': 409,
  conflict: 409,
  'acknowledgement-behind': 409,
  'transition-refused': 409,
  'lease-replayed': 409,
  'opening-conflict': 409,
  'delivery-gap': 409,
  'too-large': 413,
  'rate-limited': 429,
  busy: 503,
  stopped: 503,
  unreachable: 503,
  'link-fault': 503,
  'commit-failed': 503,
  'behind-witness': 503,
  'disk-full': 503,
  // Malformed input is the caller's; every code that is not listed here is ours.
  'bad-encoding': 400,
  'bad-record': 400,
  'bad-entry': 400,
  'bad-message': 400,
  'bad-checkpoint': 400,
  'bad-key': 400,
  'bad-request': 400,
};

function statusOf(code: ErrorCode): number {
  return STATUS[code] ?? 500;
}
