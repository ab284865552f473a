import { fork } from 'node:child_process';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RecordValue } from '@meterseal/protocol';
import { Database } from 'meterseal/internal/host/database';
import { HttpClient } from 'meterseal/internal/host/http-client';

/*
 * The peer of `line`: a data collection without meterseal. Each reading is one committed row at the box; batches go to a
 * collector in another process, which commits them and answers.
 */

const SCHEMA = 'CREATE TABLE IF NOT EXISTS reading (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;';
const PRAGMAS = ['journal_mode = WAL', 'synchronous = FULL'];
const BATCH = 250;
/** Bytes of a sealed reading of one value. */
const SEALED_BYTES = 460;

export class PlainPipeline {
  readonly #db: Database;
  readonly #client: HttpClient;
  readonly #end: () => Promise<void>;

  private constructor(db: Database, client: HttpClient, end: () => Promise<void>) {
    this.#db = db;
    this.#client = client;
    this.#end = end;
  }

  static async start(folder: string): Promise<PlainPipeline> {
    const child = fork(fileURLToPath(import.meta.url), ['serve', join(folder, 'plain-collector.db')]);
    const port = await new Promise<number>((resolve) =>
      child.once('message', (message) => resolve(message as number)),
    );
    const db = await Database.open(join(folder, 'plain-box.db'), { pragmas: PRAGMAS, schema: SCHEMA });
    const client = new HttpClient({ url: `http://127.0.0.1:${port}` }, 'the plain collector');
    return new PlainPipeline(db, client, async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    });
  }

  /** @returns readings per second, committed at the box and acknowledged by the collector */
  async run(readings: number, values: readonly RecordValue[]): Promise<number> {
    const started = performance.now();
    let waiting: string[] = [];
    let sending: Promise<unknown> = Promise.resolve();
    const send = (): void => {
      const batch = waiting;
      waiting = [];
      sending = sending.then(() => this.#client.send({ method: 'POST', path: '/', json: batch }));
    };
    for (let i = 0; i < readings; i++) {
      const body = JSON.stringify({ time: new Date().toISOString(), values });
      await this.#db.run('INSERT INTO reading (body) VALUES (?)', body);
      waiting.push(body);
      if (waiting.length === BATCH) send();
    }
    if (waiting.length > 0) send();
    await sending;
    return readings / ((performance.now() - started) / 1_000);
  }

  /**
   * Has the collector commit bodies that are as long as sealed readings, in batches.
   *
   * @returns readings per second
   */
  async store(readings: number, batch: number, inFlight: number): Promise<number> {
    const bodies = Array.from({ length: batch }, () => 'x'.repeat(SEALED_BYTES));
    let left = readings / batch;
    const started = performance.now();
    await Promise.all(
      Array.from({ length: inFlight }, async () => {
        while (left-- > 0) await this.#client.send({ method: 'POST', path: '/', json: bodies });
      }),
    );
    return readings / ((performance.now() - started) / 1_000);
  }

  async stop(): Promise<void> {
    this.#client.close();
    await this.#db.close();
    await this.#end();
  }
}

if (process.argv[2] === 'serve') {
  const db = await Database.open(process.argv[3]!, { pragmas: PRAGMAS, schema: SCHEMA });
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const bodies = JSON.parse(Buffer.concat(chunks).toString('utf8')) as string[];
    await db.transaction(async () => {
      for (const body of bodies) await db.run('INSERT INTO reading (body) VALUES (?)', body);
    });
    response.end('{}');
  });
  server.listen(0, '127.0.0.1', () => process.send!((server.address() as { port: number }).port));
}
