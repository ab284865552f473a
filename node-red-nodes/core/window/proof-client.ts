import {
  copyBytes,
  fromUtf8,
  MAX_ENTRIES_PER_REQUEST,
  MAX_NOTE_BYTES,
  MAX_PROOF_HASHES,
  MetersealError,
} from '@meterseal/protocol';
import type { EntryList } from '../mirror/entry-list.js';
import { entryListLimit, readEntryList } from '../mirror/entry-list.js';
import type { ComparisonAnswer, ComparisonLink } from './gate-link.js';

/** Requests for entries under way at once: enough that the network is never idle, few enough to hold in memory. */
const ENTRY_REQUESTS = 4;
const MAX_ANSWER_BYTES = 65_536;

/** What the gate serves while it is connected. Every answer is bounded. */
export class ProofClient {
  readonly #link: ComparisonLink;
  readonly #signal: AbortSignal;

  /** @param signal the one that ends the link's requests: the window's deadline */
  constructor(link: ComparisonLink, signal: AbortSignal) {
    this.#link = link;
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
  async *entries(from: number, to: number): AsyncGenerator<EntryList> {
    const underWay: { count: number; answer: Promise<Uint8Array> }[] = [];
    let next = from;
    const ask = (): void => {
      while (next < to && underWay.length < ENTRY_REQUESTS) {
        // Whole subtrees, where it is possible: each is then hashed in one go.
        const count = Math.min(MAX_ENTRIES_PER_REQUEST - (next % MAX_ENTRIES_PER_REQUEST), to - next);
        const answer = this.#get(`/entries?from=${next}&to=${next + count}`, entryListLimit(count));
        // Where an earlier piece fails nobody is there to hear of this one.
        answer.catch(() => {});
        underWay.push({ count, answer });
        next += count;
      }
    };
    for (ask(); underWay.length > 0; ask()) {
      const { count, answer } = underWay.shift()!;
      yield readEntryList(await answer, count);
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
    this.#link.close();
  }

  #get(path: string, most: number): Promise<Uint8Array> {
    return this.#send('GET', path, 200, most);
  }

  async #send(
    method: 'GET' | 'POST',
    path: string,
    status: number,
    most: number,
    body?: Uint8Array,
  ): Promise<Uint8Array> {
    const what = `${method} ${path.split('?')[0]}`;
    let answer: ComparisonAnswer;
    try {
      answer = await this.#link.send(method, path, most, body);
    } catch (cause) {
      if (cause instanceof MetersealError && cause.code === 'too-large') throw cause;
      const stopped = this.#signal.aborted;
      const why = stopped ? 'the window has ended' : ((cause as NodeJS.ErrnoException).code ?? 'failed');
      throw new MetersealError(stopped ? 'timeout' : 'unreachable', `couldn't ${what}: ${why}`, { cause });
    }
    if (answer.status === status) return answer.body;
    throw new MetersealError(
      codeOf(answer.status),
      `couldn't ${what}: answered with status ${answer.status}`,
    );
  }
}

function codeOf(status: number): 'rate-limited' | 'statement-refused' | 'unreachable' {
  if (status === 429) return 'rate-limited';
  return status >= 400 && status < 500 ? 'statement-refused' : 'unreachable';
}
