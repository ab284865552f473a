import type { StoredFile } from '@meterseal/node-red-meterseal/core';
import type { ReadingResult } from '@meterseal/protocol';
import { SQL } from 'meterseal/internal/agent/field-statements';
import { PlatformClient } from 'meterseal/internal/agent/platform-client';
import type { SqlConnection } from 'meterseal/internal/host/database';
import { isOutage } from 'meterseal/internal/host/http-client';
import type { BoxDisk } from './box-disk.js';
import { never } from './life.js';
import type { MemoryDisk } from './memory-disk.js';
import type { World } from './world.js';

/** A fault that the line must not have: put between the product and its world, so that the product's code stays as it is. */
export type Mutant = {
  readonly name: string;
  readonly sabotage: (world: World) => void;
  /** What shows it sooner than waiting for a seed that happens to. */
  readonly trouble?: (world: World) => void;
  /** Takes back what is not the world's own. */
  readonly restore?: () => void;
};

const submit = PlatformClient.prototype.submit;

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'field.db is not synced: `synchronous` is lost on its way',
    sabotage: ({ boxDisk }) =>
      wrapField(boxDisk, (connection) => ({
        ...connection,
        exec: async (sql) => {
          if (!sql.startsWith('PRAGMA synchronous')) await connection.exec(sql);
        },
      })),
  },
  {
    name: 'receipts are given before the commit is on the disk',
    sabotage: ({ boxDisk: { chainStore } }) => {
      const commitNow = chainStore.commitNow.bind(chainStore);
      chainStore.commitNow = (write) => commitNow(write, false);
      chainStore.sync = () => {};
    },
  },
  {
    name: 'a number is taken outside the transaction of its record',
    sabotage: ({ boxDisk }) =>
      wrapField(boxDisk, (connection) => {
        let taken: (() => Promise<unknown>)[] = [];
        return {
          ...connection,
          run: async (sql, params) => {
            if (sql !== SQL.takeSeq) return connection.run(sql, params);
            taken.push(() => connection.run(sql, params));
            return { changes: 1, lastId: 0 };
          },
          exec: async (sql) => {
            await connection.exec(sql);
            if (sql !== 'COMMIT') return;
            for (const take of taken.splice(0)) await take();
            taken = [];
          },
        };
      }),
  },
  {
    name: 'the collector acknowledges before the disk has it',
    sabotage: ({ collectorDisk }) => wrapFiles(collectorDisk, (file) => ({ ...file, sync: async () => {} })),
  },
  {
    name: 'what a killed collector left unsynced is believed when it is opened again',
    sabotage: ({ collectorDisk }) =>
      wrapFiles(collectorDisk, (file) => {
        let isOpening = true;
        return {
          ...file,
          write: (bytes, position) => {
            isOpening = false;
            return file.write(bytes, position);
          },
          sync: async () => {
            if (!isOpening) await file.sync();
          },
        };
      }),
    // Killed in the middle of a delivery, and without power soon after it has taken that delivery again.
    trouble: (world) => {
      const { timeline, dice, collector } = world;
      for (let at = 5_000; at < 100_000; at += 25_000) {
        timeline.after(at, () => {
          if (!world.isHealing) collector.writes.plan(dice.between(1, 6), 'dies-after');
        });
        timeline.after(at + dice.between(8_000, 20_000), () => {
          if (!world.isHealing) world.cutCollectorPower(0, 'dies-after');
        });
      }
    },
  },
  {
    name: 'a lost reply is taken for a refusal',
    sabotage: ({ boxDisk }) => {
      PlatformClient.prototype.submit = async function (frames) {
        try {
          return await submit.call(this, frames);
        } catch (error) {
          if (!isOutage(error)) throw error;
          const { note: checkpoint } = boxDisk.chainStore.committed.at(-1)!;
          return { checkpoint, results: frames.map((): ReadingResult => ({ code: 'record-invalid' })) };
        }
      };
    },
    restore: () => {
      PlatformClient.prototype.submit = submit;
    },
  },
  {
    name: 'the timer that ends a lease is lost',
    sabotage: ({ gate }) => {
      const { clockFor } = gate;
      gate.clockFor = (life) => {
        const clock = clockFor(life);
        return { ...clock, sleep: (ms, signal) => (ms > 5_000 ? never() : clock.sleep(ms, signal)) };
      };
    },
  },
];

function wrapField(disk: BoxDisk, wrap: (connection: SqlConnection) => SqlConnection): void {
  const connect = disk.fieldConnection.bind(disk);
  disk.fieldConnection = (life, writes) => wrap(connect(life, writes));
}

function wrapFiles(disk: MemoryDisk, wrap: (file: StoredFile) => StoredFile): void {
  const storageFor = disk.storageFor.bind(disk);
  disk.storageFor = (life) => {
    const storage = storageFor(life);
    return { ...storage, open: async (path) => wrap(await storage.open(path)) };
  };
}
