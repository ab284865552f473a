import type { MetersealError } from '@meterseal/protocol';
import { ByteReader, ByteWriter } from '@meterseal/protocol';
import { Journal } from '../storage/journal.js';
import type { Storage } from '../storage/storage.js';
import type { Clock } from '../time/clock.js';

/** Counters that one write makes room for: to connect and to release. */
const AT_ONCE = 2;

/**
 * Counters of signed lease requests: each is on the disk before it is used, so that none is used twice and they always
 * rise. A clock that is right keeps them rising even where this file was put back to an earlier copy.
 */
export class LeaseCounter {
  readonly #clock: Pick<Clock, 'now'>;
  #journal: Journal | undefined;
  #last = 0;
  /** None above this may be used yet. */
  #reserved = 0;

  private constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  static async open(storage: Storage, path: string, clock: Pick<Clock, 'now'>): Promise<LeaseCounter> {
    const counter = new LeaseCounter(clock);
    counter.#journal = await Journal.open(storage, path, 'lease counter', (item) => {
      const from = new ByteReader(item, 'file-damaged');
      const used = from.u64();
      from.end();
      counter.#last = Math.max(counter.#last, used);
    });
    counter.#reserved = counter.#last;
    return counter;
  }

  get failure(): MetersealError | undefined {
    return this.#journal!.failure;
  }

  /** @throws MetersealError `commit-failed`, `disk-full` */
  async next(): Promise<number> {
    if (this.#last === this.#reserved) {
      const next = Math.max(this.#last + 1, Math.floor(this.#clock.now()));
      const reserved = next + AT_ONCE - 1;
      await this.#journal!.append([new ByteWriter().u64(reserved).done()]);
      this.#reserved = reserved;
      this.#last = next - 1;
    }
    return ++this.#last;
  }

  async close(): Promise<void> {
    await this.#journal!.close();
  }
}
