import {
  concat,
  encodeEntries,
  fromHex,
  MAX_ENTRIES_PER_REQUEST,
  MetersealError,
  parseTilePath,
  TILE_WIDTH,
  tileWidth,
} from '@meterseal/protocol';
import type { ApiServer } from '../host/api-server.js';
import { createApiServer } from '../host/api-server.js';
import type { Logger } from '../host/logger.js';
import type { Chain } from './commit.js';
import { readNumber } from './query-number.js';
import { entriesOf } from './tree.js';
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

  app.get('/checkpoint', async (_request, reply) =>
    reply.type('text/plain; charset=utf-8').send(chain.published.note),
  );

  app.get<{ Querystring: Record<string, unknown> }>('/entries', async ({ query }, reply) => {
    const { from, to } = readRange(query, chain.published.size);
    if (to - from > MAX_ENTRIES_PER_REQUEST) {
      throw new MetersealError(
        'bad-request',
        `couldn't read entries: more than ${MAX_ENTRIES_PER_REQUEST} at once`,
      );
    }
    return sendBytes(reply, encodeEntries(await entriesOf(chain.reader, from, to)));
  });

  app.get<{ Querystring: Record<string, unknown> }>('/consistency', async ({ query }, reply) => {
    const { from, to } = readRange(query, chain.published.size);
    return sendBytes(reply, concat(...(await chain.tree.consistency(from, to))));
  });

  app.get<{ Params: { '*': string } }>('/tile/*', async ({ params }, reply) => {
    const { level, index, width } = parseTilePath(`tile/${params['*']}`);
    const { size } = chain.published;
    if (tileWidth(level, index, size) < width)
      throw new MetersealError('not-found', "couldn't find tile: the tree is smaller");
    if (level === 'entries') {
      const from = index * TILE_WIDTH;
      return sendBytes(reply, encodeEntries(await entriesOf(chain.reader, from, from + width)));
    }
    const hashes = await chain.tree.tile(level, index, width);
    if (hashes === undefined)
      throw new MetersealError('not-found', "couldn't find tile: the tree is smaller");
    return sendBytes(reply, hashes);
  });

  app.post('/verdicts', async ({ body }, reply) => {
    if (!(body instanceof Uint8Array)) {
      throw new MetersealError('bad-request', "couldn't read request: its body is not bytes");
    }
    return reply.code(202).send(await verdicts.submit(body));
  });
  app.get<{ Params: { hash: string } }>('/verdicts/:hash', async ({ params }, reply) => {
    if (!/^[0-9a-f]{64}$/.test(params.hash)) {
      throw new MetersealError(
        'bad-request',
        "couldn't find verdict: its name is not 64 lower-case hex digits",
      );
    }
    return sendBytes(reply, await verdicts.find(fromHex(params.hash)));
  });
  return app;
}

function readRange(query: Record<string, unknown>, size: number): { from: number; to: number } {
  const from = readNumber(query, 'from');
  const to = readNumber(query, 'to');
  if (from <= to && to <= size) return { from, to };
  throw new MetersealError(
    'bad-request',
    `couldn't read range: ${from} to ${to} is not within the ${size} entries`,
  );
}

function sendBytes(
  reply: { type(type: string): { send(body: Buffer): unknown } },
  bytes: Uint8Array,
): unknown {
  return reply.type(BYTES).send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
}
