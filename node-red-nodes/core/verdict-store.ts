import type { Hasher, MetersealError } from '@meterseal/protocol';
import { ByteReader, concat, copyBytes, toHex } from '@meterseal/protocol';
import { Journal } from './journal.js';
import type { Storage } from './storage.js';

/*
 * One item of the file of verdicts: u8 kind (1 statement 2 settled) | 1: statement ‖ sig, 2: SHA-256 of that[32]
 */
const STATEMENT = 1;
const SETTLED = 2;

/** Every verdict statement, and which of them still have to be sent to the platform. */
export class VerdictStore {
  readonly #hasher: Hasher;
  readonly #unsent = new Map<string, Uint8Array>();
  #journal: Journal | undefined;

  private constructor(hasher: Hasher) {
    this.#hasher = hasher;
  }

  static async open(storage: Storage, path: string, hasher: Hasher): Promise<VerdictStore> {
    const store = new VerdictStore(hasher);
    store.#journal = await Journal.open(storage, path, 'verdicts', (item) => {
      const from = new ByteReader(item, 'file-damaged');
      const kind = from.oneOf([STATEMENT, SETTLED], 'kind');
      const rest = from.bytes(from.left);
      if (kind === STATEMENT) store.#unsent.set(store.#nameOf(rest), rest);
      else store.#unsent.delete(toHex(rest));
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
    await this.#journal!.append([concat(Uint8Array.of(STATEMENT), statement)]);
    this.#unsent.set(this.#nameOf(statement), copyBytes(statement));
  }

  /**
   * The platform has taken a statement, or never will.
   *
   * @throws MetersealError `commit-failed`, `disk-full`
   */
  async settle(statement: Uint8Array): Promise<void> {
    await this.#journal!.append([concat(Uint8Array.of(SETTLED), this.#hasher.sha256(statement))]);
    this.#unsent.delete(this.#nameOf(statement));
  }

  async close(): Promise<void> {
    await this.#journal!.close();
  }

  #nameOf(statement: Uint8Array): string {
    return toHex(this.#hasher.sha256(statement));
  }
}
