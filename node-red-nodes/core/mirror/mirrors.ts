import { join } from 'node:path';
import type { BulkHasher, MetersealError } from '@meterseal/protocol';
import type { Storage } from '../storage/storage.js';
import { Mirror } from './mirror.js';

const EPOCH_NAME = /^(0|[1-9][0-9]{0,15})$/;

/** The mirrors of all epochs, each in the folder `mirror/<epoch>`. */
export class Mirrors {
  readonly #storage: Storage;
  readonly #folder: string;
  readonly #hasher: BulkHasher;
  readonly #mirrors = new Map<number, Mirror>();

  private constructor(storage: Storage, folder: string, hasher: BulkHasher) {
    this.#storage = storage;
    this.#folder = folder;
    this.#hasher = hasher;
  }

  static async open(storage: Storage, dir: string, hasher: BulkHasher): Promise<Mirrors> {
    const mirrors = new Mirrors(storage, join(dir, 'mirror'), hasher);
    try {
      for (const name of await storage.list(mirrors.#folder)) {
        if (EPOCH_NAME.test(name)) await mirrors.of(Number(name));
      }
    } catch (error) {
      await mirrors.close();
      throw error;
    }
    return mirrors;
  }

  /** The mirror of an epoch; an empty one where there is none yet. */
  async of(epoch: number): Promise<Mirror> {
    const known = this.#mirrors.get(epoch);
    if (known !== undefined) return known;
    const mirror = await Mirror.open(this.#storage, join(this.#folder, String(epoch)), this.#hasher);
    this.#mirrors.set(epoch, mirror);
    return mirror;
  }

  /** All epochs, the oldest first. */
  all(): { epoch: number; mirror: Mirror }[] {
    return [...this.#mirrors].map(([epoch, mirror]) => ({ epoch, mirror })).sort((a, b) => a.epoch - b.epoch);
  }

  /** Epochs that something was committed of, the oldest first. */
  committed(): { epoch: number; mirror: Mirror }[] {
    return this.all().filter(({ mirror }) => mirror.head !== undefined);
  }

  get failure(): MetersealError | undefined {
    return [...this.#mirrors.values()].find(({ failure }) => failure !== undefined)?.failure;
  }

  async close(): Promise<void> {
    for (const mirror of this.#mirrors.values()) await mirror.close();
    this.#mirrors.clear();
  }
}
