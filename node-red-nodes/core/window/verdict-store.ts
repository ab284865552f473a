import type { Hasher, MetersealError } from '@meterseal/protocol';
import { ByteReader, concat, copyBytes, toHex } from '@meterseal/protocol';
import { Journal } from '../storage/journal.js';
import type { Storage } from '../storage/storage.js';

/*
 * One item of the file of verdicts:
 *
 *   u8 kind (1 statement 2 settled 3 dropped) | 1: statement ‖ sig, else: SHA-256 of that[32]
 */
const STATEMENT = 1;
const SETTLED = 2;
const DROPPED = 3;

/** Statements that wait for a platform that does not take them; of more the oldest are not sent any more. */
const MAX_UNSENT = 256;

/** Every verdict statement, and which of them still have to be sent to the platform. */
export class VerdictStore {
  readonly #hasher: Hasher;
  readonly #unsent = new Map<string, Uint8Array>();
  /** Statements that were never sent, because too many waited. They are kept here. */
  dropped = 0;
  #journal: Journal | undefined;

  private constructor(hasher: Hasher) {
    this.#hasher = hasher;
  }

  static async open(storage: Storage, path: string, hasher: Hasher): Promise<VerdictStore> {
    const store = new VerdictStore(hasher);
    store.#journal = await Journal.open(storage, path, 'verdicts', (item) => {
      const from = new ByteReader(item, 'file-damaged');
      const kind = from.oneOf([STATEMENT, SETTLED, DROPPED], 'kind');
      const rest = from.bytes(from.left);
      if (kind === STATEMENT) store.#unsent.set(store.#nameOf(rest), rest);
      else store.#unsent.delete(toHex(rest));
      if (kind === DROPPED) store.dropped++;
    });
    return store;
  }

  get failure(): MetersealError | undefined {
    return this.#journal!.failure;
  }

  /** Oldest first. */
  get unsent(): Uint8Array[] {
    return [...this.#unsent.values()];
  }

  /**
   * @param statement with its signature
   * @throws MetersealError `commit-failed`, `disk-full`
   */
  async add(statement: Uint8Array): Promise<void> {
    const excess = this.unsent.slice(0, Math.max(0, this.#unsent.size + 1 - MAX_UNSENT));
    await this.#journal!.append([
      concat(Uint8Array.of(STATEMENT), statement),
      ...excess.map((old) => concat(Uint8Array.of(DROPPED), this.#hasher.sha256(old))),
    ]);
    this.#unsent.set(this.#nameOf(statement), copyBytes(statement));
    for (const old of excess) this.#unsent.delete(this.#nameOf(old));
    this.dropped += excess.length;
  }

  /**
   * The platform has taken these statements, or never will.
   *
   * @throws MetersealError `commit-failed`, `disk-full`
   */
  async settle(statements: readonly Uint8Array[]): Promise<void> {
    const hashes = statements.map((statement) => this.#hasher.sha256(statement));
    await this.#journal!.append(hashes.map((hash) => concat(Uint8Array.of(SETTLED), hash)));
    for (const hash of hashes) this.#unsent.delete(toHex(hash));
  }

  async close(): Promise<void> {
    await this.#journal!.close();
  }

  #nameOf(statement: Uint8Array): string {
    return toHex(this.#hasher.sha256(statement));
  }
}
