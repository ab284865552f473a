import type { FastifyReply } from 'fastify';
import type { ApiServer } from '../host/api-server.js';
import { createApiServer } from '../host/api-server.js';
import type { Logger } from '../host/logger.js';
import type { Chain } from './commit.js';
import { ProofCalls } from './proof-calls.js';
import type { Verdicts } from './verdicts.js';

/** Largest statement: 200 findings. */
const VERDICT_BODY_LIMIT = 8_192;
const BYTES = 'application/octet-stream';

/**
 * proof.sock: what a comparison needs, and the only socket that the gate passes on. It reads what is committed, and takes
 * verdicts.
 */
export function createProofServer(chain: Chain, verdicts: Verdicts, log: Logger): ApiServer {
  const app = createApiServer({ bodyLimit: VERDICT_BODY_LIMIT, log });
  const calls = new ProofCalls(chain, verdicts);

  app.get('/checkpoint', async (_request, reply) =>
    reply.type('text/plain; charset=utf-8').send(calls.checkpoint()),
  );
  app.get<{ Querystring: Record<string, unknown> }>('/entries', async ({ query }, reply) =>
    sendPieces(reply, await calls.entries(query)),
  );
  app.get<{ Querystring: Record<string, unknown> }>('/consistency', async ({ query }, reply) =>
    sendBytes(reply, await calls.consistency(query)),
  );
  app.get<{ Params: { '*': string } }>('/tile/*', async ({ params }, reply) =>
    sendBytes(reply, await calls.tile(params['*'])),
  );
  app.post('/verdicts', async ({ body }, reply) => reply.code(202).send(await calls.submitVerdict(body)));
  app.get<{ Params: { hash: string } }>('/verdicts/:hash', async ({ params }, reply) =>
    sendBytes(reply, await calls.findVerdict(params.hash)),
  );
  return app;
}

function sendBytes(
  reply: { type(type: string): { send(body: Buffer): unknown } },
  bytes: Uint8Array,
): unknown {
  return reply.type(BYTES).send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
}

/** Pieces of more than this are sent as they are: to put them together costs more. */
const LARGE_PIECE_BYTES = 16_384;

/** Entries are most of what a comparison moves. */
function sendPieces(reply: FastifyReply, pieces: readonly Uint8Array[]): void {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const areLarge = length > pieces.length * LARGE_PIECE_BYTES;
  reply.hijack();
  reply.raw.writeHead(200, { 'content-type': BYTES, 'content-length': length });
  for (const piece of areLarge ? pieces : [Buffer.concat(pieces, length)]) reply.raw.write(piece);
  reply.raw.end();
}
