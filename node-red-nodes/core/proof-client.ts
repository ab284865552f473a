import type { IncomingMessage } from 'node:http';
import { Agent, request as httpRequest } from 'node:http';
import {
  copyBytes,
  fromUtf8,
  MAX_ENTRIES_PER_REQUEST,
  MAX_NOTE_BYTES,
  MAX_PROOF_HASHES,
  MetersealError,
} from '@meterseal/protocol';
import { readBody } from './message-body.js';
import type { PackedEntries } from './packed-entries.js';
import { entryListLimit, unpackEntryList } from './packed-entries.js';

/** Requests for entries under way at once: enough that the network is never idle, few enough to hold in memory. */
const ENTRY_REQUESTS = 4;
const MAX_ANSWER_BYTES = 65_536;

/** What the gate serves while it is connected. Every answer is bounded; `close` ends all connections at once. */
export class ProofClient {
  readonly #host: string;
  readonly #port: number;
  readonly #signal: AbortSignal;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: ENTRY_REQUESTS + 1 });

  /** @param signal ends every request; it carries the window's deadline */
  constructor(host: string, port: number, signal: AbortSignal) {
    this.#host = host;
    this.#port = port;
    this.#signal = signal;
  }

  /** @throws MetersealError `unreachable`, `timeout`, `bad-checkpoint` */
  async checkpoint(): Promise<string> {
    const bytes = await this.#get('/checkpoint', MAX_ANSWER_BYTES);
    if (bytes.length > MAX_NOTE_BYTES) {
      throw new MetersealError('bad-checkpoint', `couldn't read checkpoint: ${bytes.length} bytes`);
    }
    return fromUtf8(bytes, 'bad-checkpoint');
  }

  /** @throws MetersealError `unreachable`, `timeout`, `consistency-invalid` */
  async consistency(from: number, to: number): Promise<Uint8Array[]> {
    const bytes = await this.#get(`/consistency?from=${from}&to=${to}`, 32 * (MAX_PROOF_HASHES + 1));
    const count = bytes.length / 32;
    if (!Number.isInteger(count) || count > MAX_PROOF_HASHES) {
      throw new MetersealError(
        'consistency-invalid',
        `couldn't read consistency proof: ${bytes.length} bytes`,
      );
    }
    return Array.from({ length: count }, (_, i) => copyBytes(bytes.subarray(32 * i, 32 * (i + 1))));
  }

  /**
   * The entries `from` ≤ index < `to`, in order and in pieces. Later pieces are asked for while earlier ones are worked
   * on.
   *
   * @throws MetersealError `unreachable`, `timeout`, `too-large`, `bad-message`
   */
  async *entries(from: number, to: number): AsyncGenerator<PackedEntries> {
    const underWay: { count: number; answer: Promise<Uint8Array> }[] = [];
    let next = from;
    const ask = (): void => {
      while (next < to && underWay.length < ENTRY_REQUESTS) {
        const count = Math.min(MAX_ENTRIES_PER_REQUEST, to - next);
        const answer = this.#get(`/entries?from=${next}&to=${next + count}`, entryListLimit(count));
        // Where an earlier piece fails nobody is there to hear of this one.
        answer.catch(() => {});
        underWay.push({ count, answer });
        next += count;
      }
    };
    for (ask(); underWay.length > 0; ask()) {
      const { count, answer } = underWay.shift()!;
      yield unpackEntryList(await answer, count);
    }
  }

  /**
   * @param statement signed verdict
   * @throws MetersealError `statement-refused` where the platform will never take it; `unreachable`, `rate-limited`,
   *   `timeout` where it may take it later
   */
  async sendVerdict(statement: Uint8Array): Promise<void> {
    await this.#send('POST', '/verdicts', 202, MAX_ANSWER_BYTES, statement);
  }

  close(): void {
    this.#agent.destroy();
  }

  #get(path: string, most: number): Promise<Uint8Array> {
    return this.#send('GET', path, 200, most);
  }

  async #send(
    method: string,
    path: string,
    status: number,
    most: number,
    body?: Uint8Array,
  ): Promise<Uint8Array> {
    const what = `${method} ${path.split('?')[0]}`;
    let answer: IncomingMessage | undefined;
    try {
      answer = await this.#answer(method, path, body);
      const bytes = await readBody(answer, most);
      if (answer.statusCode === status) return bytes;
    } catch (cause) {
      answer?.destroy();
      if (cause instanceof MetersealError && cause.code === 'too-large') throw cause;
      const stopped = this.#signal.aborted;
      const why = stopped ? 'the window has ended' : ((cause as NodeJS.ErrnoException).code ?? 'failed');
      throw new MetersealError(stopped ? 'timeout' : 'unreachable', `couldn't ${what}: ${why}`, { cause });
    }
    const code = codeOf(answer.statusCode ?? 0);
    throw new MetersealError(code, `couldn't ${what}: answered with status ${answer.statusCode}`);
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

function codeOf(status: number): 'rate-limited' | 'statement-refused' | 'unreachable' {
  if (status === 429) return 'rate-limited';
  return status >= 400 && status < 500 ? 'statement-refused' : 'unreachable';
}
