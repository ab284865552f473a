import { join } from 'node:path';
import type { BulkHasher, MetersealError } from '@meterseal/protocol';
import { Spool } from '../spool/spool.js';
import type { Damage } from '../storage/frame-scanner.js';
import type { Storage } from '../storage/storage.js';
import { Deliveries } from './deliveries.js';
import { Gaps } from './gaps.js';
import { Heights } from './heights.js';
import { Openings } from './openings.js';

/** A place of a file that holds nothing readable. Its bytes are left as they are. */
export type FileDamage = Damage & { readonly file: string };

/**
 * Everything that interface 2 brings in, each in files of its own under the collector's folder:
 * `openings`, `deliveries`, `gaps`, `heights`, and `spool/`.
 */
export class Ledgers {
  readonly openings: Openings;
  readonly deliveries: Deliveries;
  readonly gaps: Gaps;
  readonly heights: Heights;
  readonly spool: Spool;

  private constructor(
    openings: Openings,
    deliveries: Deliveries,
    gaps: Gaps,
    heights: Heights,
    spool: Spool,
  ) {
    this.openings = openings;
    this.deliveries = deliveries;
    this.gaps = gaps;
    this.heights = heights;
    this.spool = spool;
  }

  static async open(
    storage: Storage,
    dir: string,
    hasher: BulkHasher,
    segmentBytes: number,
  ): Promise<Ledgers> {
    const opened: { close(): Promise<void> }[] = [];
    const keep = async <T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<T> => {
      const file = await opening;
      opened.push(file);
      return file;
    };
    try {
      return new Ledgers(
        await keep(Openings.open(storage, join(dir, 'openings'), hasher)),
        await keep(Deliveries.open(storage, join(dir, 'deliveries'))),
        await keep(Gaps.open(storage, join(dir, 'gaps'))),
        await keep(Heights.open(storage, join(dir, 'heights'))),
        await keep(Spool.open(storage, join(dir, 'spool'), hasher, segmentBytes)),
      );
    } catch (error) {
      for (const file of opened) await file.close();
      throw error;
    }
  }

  get damage(): FileDamage[] {
    const { openings, deliveries, gaps, heights } = this;
    const journals = Object.entries({ openings, deliveries, gaps, heights });
    return [
      ...journals.flatMap(([file, { damage }]) => damage.map((place) => ({ file, ...place }))),
      ...this.spool.damage.map(({ segment, from, to }) => ({ file: `spool/${segment}`, from, to })),
    ];
  }

  /** Why nothing more is accepted, where a write has failed. */
  get failure(): MetersealError | undefined {
    const { openings, deliveries, gaps, heights, spool } = this;
    return [openings, deliveries, gaps, heights, spool].find(({ failure }) => failure !== undefined)?.failure;
  }

  async close(): Promise<void> {
    for (const file of [this.openings, this.deliveries, this.gaps, this.heights, this.spool])
      await file.close();
  }
}
