import type { IndexAnswer } from '@meterseal/protocol';
import {
  concat,
  fromHex,
  MAX_ENTRIES_PER_REQUEST,
  MetersealError,
  parseTilePath,
  TILE_WIDTH,
  tileWidth,
} from '@meterseal/protocol';
import type { Chain } from './commit.js';
import { EntryLists } from './entry-lists.js';
import { readNumber } from './query-number.js';
import type { Verdicts } from './verdicts.js';

type Query = Readonly<Record<string, unknown>>;

/** The calls of proof.sock apart from HTTP. What a query says comes from anybody. */
export class ProofCalls {
  readonly #chain: Chain;
  readonly #verdicts: Verdicts;
  readonly #lists: EntryLists;

  constructor(chain: Chain, verdicts: Verdicts) {
    this.#chain = chain;
    this.#verdicts = verdicts;
    this.#lists = new EntryLists(chain.reader);
  }

  checkpoint(): string {
    return this.#chain.published.note;
  }

  /**
   * @returns pieces that follow one another
   * @throws MetersealError `bad-request`
   */
  async entries(query: Query): Promise<Uint8Array[]> {
    const { from, to } = this.#range(query);
    if (to - from > MAX_ENTRIES_PER_REQUEST) {
      throw new MetersealError(
        'bad-request',
        `couldn't read entries: more than ${MAX_ENTRIES_PER_REQUEST} at once`,
      );
    }
    return this.#lists.pieces(from, to);
  }

  /** @throws MetersealError `bad-request` */
  async consistency(query: Query): Promise<Uint8Array> {
    const { from, to } = this.#range(query);
    return concat(...(await this.#chain.tree.consistency(from, to)));
  }

  /**
   * @param path of the tile, behind `tile/`
   * @throws MetersealError `not-found`, and what `parseTilePath` throws
   */
  async tile(path: string): Promise<Uint8Array> {
    const { level, index, width } = parseTilePath(`tile/${path}`);
    const { size } = this.#chain.published;
    if (tileWidth(level, index, size) < width) refuseTile();
    if (level === 'entries') {
      const from = index * TILE_WIDTH;
      return concat(...(await this.#lists.pieces(from, from + width)));
    }
    return (await this.#chain.tree.tile(level, index, width)) ?? refuseTile();
  }

  /** @throws MetersealError what `Verdicts.submit` throws; `bad-request` */
  submitVerdict(body: unknown): Promise<IndexAnswer> {
    if (body instanceof Uint8Array) return this.#verdicts.submit(body);
    throw new MetersealError('bad-request', "couldn't read request: its body is not bytes");
  }

  /** @throws MetersealError `bad-request`, `not-found` */
  findVerdict(hash: string): Promise<Uint8Array> {
    if (/^[0-9a-f]{64}$/.test(hash)) return this.#verdicts.find(fromHex(hash));
    throw new MetersealError(
      'bad-request',
      "couldn't find verdict: its name is not 64 lower-case hex digits",
    );
  }

  #range(query: Query): { from: number; to: number } {
    const { size } = this.#chain.published;
    const from = readNumber(query, 'from');
    const to = readNumber(query, 'to');
    if (from <= to && to <= size) return { from, to };
    throw new MetersealError(
      'bad-request',
      `couldn't read range: ${from} to ${to} is not within the ${size} entries`,
    );
  }
}

function refuseTile(): never {
  throw new MetersealError('not-found', "couldn't find tile: the tree is smaller");
}
