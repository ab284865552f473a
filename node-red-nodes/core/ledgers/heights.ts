import type { MetersealError } from '@meterseal/protocol';
import { ByteReader, ByteWriter, RUNNING_HASH_START } from '@meterseal/protocol';
import type { Damage } from '../storage/frame-scanner.js';
import { Journal } from '../storage/journal.js';
import type { Storage } from '../storage/storage.js';

/*
 * One item of the file of acknowledged heights:
 *
 *   u32 subject | u64 first | u64 seq | running hash[32] | u64 time_ms
 *
 * A gap statement for from…to leaves first = to + 1, seq = to and the running hash at its start.
 */

/** What was acknowledged of one meter: everything `first`…`seq`; `seq` is `first` − 1 while nothing is. */
export type MeterHeight = {
  readonly first: number;
  readonly seq: number;
  readonly runningHash: Uint8Array;
};

export type HeightUpdate = { readonly subject: number; readonly height: MeterHeight; readonly time: number };

/** Numbers that were acknowledged without a gap between them. */
export type Run = { readonly first: number; readonly seq: number };

const NOTHING: MeterHeight = { first: 1, seq: 0, runningHash: RUNNING_HASH_START };

/**
 * What this collector has acknowledged, in a file of its own: a spool that has lost records does not make it forget
 * that it once said to hold them. Heights never fall.
 */
export class Heights {
  readonly #latest = new Map<number, MeterHeight>();
  readonly #runs = new Map<number, Run[]>();
  #journal: Journal | undefined;

  static async open(storage: Storage, path: string): Promise<Heights> {
    const heights = new Heights();
    heights.#journal = await Journal.open(storage, path, 'acknowledged heights', (item) => {
      const { subject, height } = decode(item);
      heights.#note(subject, height);
    });
    return heights;
  }

  get damage(): readonly Damage[] {
    return this.#journal!.damage;
  }

  get failure(): MetersealError | undefined {
    return this.#journal!.failure;
  }

  of(subject: number): MeterHeight {
    return this.#latest.get(subject) ?? NOTHING;
  }

  subjects(): Iterable<number> {
    return this.#latest.keys();
  }

  /** A copy of what is acknowledged now, by subject; later heights do not show in it. */
  snapshot(): ReadonlyMap<number, readonly Run[]> {
    return new Map([...this.#runs].map(([subject, runs]) => [subject, [...runs]]));
  }

  /** @throws MetersealError `commit-failed`, `disk-full` */
  async record(updates: readonly HeightUpdate[]): Promise<void> {
    await this.#journal!.append(updates.map(encode));
    for (const { subject, height } of updates) this.#note(subject, height);
  }

  async close(): Promise<void> {
    await this.#journal!.close();
  }

  #note(subject: number, height: MeterHeight): void {
    const latest = this.of(subject);
    if (height.seq < latest.seq || height.first < latest.first) return;
    this.#latest.set(subject, height);
    const runs = this.#runs.get(subject) ?? [];
    if (runs.at(-1)?.first === height.first) runs.pop();
    runs.push({ first: height.first, seq: height.seq });
    this.#runs.set(subject, runs);
  }
}

function encode({ subject, height, time }: HeightUpdate): Uint8Array {
  return new ByteWriter()
    .u32(subject)
    .u64(height.first)
    .u64(height.seq)
    .bytes(height.runningHash, 32)
    .u64(time)
    .done();
}

function decode(item: Uint8Array): HeightUpdate {
  const from = new ByteReader(item, 'file-damaged');
  const update = {
    subject: from.u32(),
    height: { first: from.u64(), seq: from.u64(), runningHash: from.bytes(32) },
    time: from.u64(),
  };
  from.end();
  if (update.height.first < 1 || update.height.seq < update.height.first - 1)
    from.refuse('an impossible height');
  return update;
}

export function isWithin(runs: readonly Run[], seq: number): boolean {
  return runs.some((run) => run.first <= seq && seq <= run.seq);
}
