import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Agent, createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { ENTRY_CODES } from '@meterseal/protocol';
import { SqliteChainStore } from 'meterseal/internal/chain/sqlite-store';
import { Database } from 'meterseal/internal/host/database';

/*
 * The peer of `compare`: a platform that keeps one hash for each reading in SQLite, and answers for it over HTTP. Nothing is
 * signed and nothing proves that the answers are those that others get.
 */

const SCHEMA =
  'CREATE TABLE IF NOT EXISTS hash (subject INTEGER, seq INTEGER, hash BLOB, PRIMARY KEY (subject, seq)) STRICT, WITHOUT ROWID;';

/** Copies the hashes of all readings of a chain into the peer's database, if that was not done yet. */
export async function fillHashes(path: string, chainDatabase: string): Promise<void> {
  if (existsSync(path)) return;
  const store = await SqliteChainStore.open(chainDatabase);
  const db = await Database.open(path, { pragmas: ['journal_mode = WAL'], schema: SCHEMA });
  try {
    await db.transaction(async () => {
      for await (const { entries } of store.blocks(1)) {
        const bytes = Buffer.from(entries.buffer, entries.byteOffset, entries.length);
        for (let at = 0; at < bytes.length; at += 2 + bytes.readUInt16BE(at)) {
          if (bytes[at + 3] !== ENTRY_CODES.reading) continue;
          const [subject, seq] = [bytes.readUInt32BE(at + 14), Number(bytes.readBigUInt64BE(at + 18))];
          const hash = bytes.subarray(at + 34, at + 66);
          await db.run('INSERT INTO hash VALUES (?, ?, ?)', subject, seq, hash);
        }
      }
    });
  } finally {
    await db.close();
    await store.close();
  }
}

export class HashServer {
  readonly #port: number;
  readonly #agent: Agent;
  readonly stop: () => Promise<void>;

  private constructor(port: number, inFlight: number, stop: () => Promise<void>) {
    this.#port = port;
    this.#agent = new Agent({ keepAlive: true, maxSockets: inFlight });
    this.stop = async () => {
      this.#agent.destroy();
      await stop();
    };
  }

  static async start(path: string, inFlight: number): Promise<HashServer> {
    const child = fork(fileURLToPath(import.meta.url), ['serve', path]);
    const port = await new Promise<number>((resolve) =>
      child.once('message', (message) => resolve(message as number)),
    );
    return new HashServer(port, inFlight, async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    });
  }

  /** Hashes of numbers `from` ≤ seq < `to`, one behind the other. */
  hashes(subject: number, from: number, to: number): Promise<Buffer> {
    const path = `/hashes?subject=${subject}&from=${from}&to=${to}`;
    return new Promise((resolve, reject) => {
      const request = get({ host: '127.0.0.1', port: this.#port, agent: this.#agent, path }, (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('end', () => resolve(Buffer.concat(pieces)));
        response.on('error', reject);
      });
      request.on('error', reject);
    });
  }
}

if (process.argv[2] === 'serve') {
  const db = await Database.open(process.argv[3]!, { readonly: true });
  const server = createServer(async (request, response) => {
    const { searchParams } = new URL(request.url!, 'http://localhost');
    const names = ['subject', 'from', 'to'].map((name) => Number(searchParams.get(name)));
    const rows = await db.all<{ hash: Buffer }>(
      'SELECT hash FROM hash WHERE subject = ? AND seq >= ? AND seq < ? ORDER BY seq',
      ...names,
    );
    response.end(Buffer.concat(rows.map(({ hash }) => hash)));
  });
  server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port));
}
