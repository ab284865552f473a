import { join } from 'node:path';
import { SqliteChainStore } from 'meterseal/internal/chain/sqlite-store';
import type { BlockWrite, ChainReader, EntryRange, IndexedType } from 'meterseal/internal/chain/store';
import t from 'tap';
import { temporaryFolder } from '../daemon/host/temporary-folder.js';
import { Dice } from './dice.js';
import { MemoryChainStore } from './memory-chain-store.js';

const TYPES: readonly IndexedType[] = ['enrolment', 'session', 'reading', 'switch'];
const BLOCKS = 40;

/** What a commit may write. Nothing in it means anything: a store does not look into it. */
function writeOf(dice: Dice, height: number, firstIndex: number): BlockWrite {
  const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => dice.below(256));
  const ranges = new Map<string, EntryRange>();
  for (let left = dice.below(4); left > 0; left--) {
    const first = dice.between(0, 20);
    const range = {
      type: dice.pick(TYPES),
      subject: dice.below(3),
      first,
      last: first + dice.below(6),
      height,
    };
    ranges.set(`${range.type} ${range.subject} ${first}`, range);
  }
  return {
    block: {
      height,
      firstIndex,
      count: dice.between(2, 9),
      time: dice.below(1_000),
      root: bytes(32),
      note: `note of ${height}\n`,
      entries: bytes(dice.below(100)),
    },
    tiles: dice.chance(0.3) ? [{ level: 0, index: height, hashes: bytes(8_192) }] : [],
    ranges: [...ranges.values()].sort(
      (a, b) => TYPES.indexOf(a.type) - TYPES.indexOf(b.type) || a.subject - b.subject || a.first - b.first,
    ),
    meters: dice.chance(0.2) ? [{ subject: BLOCKS - height, meter: `EM-${height}`, salt: bytes(16) }] : [],
    enrolments: dice.chance(0.2)
      ? [
          {
            index: firstIndex,
            subject: 1,
            codeHash: bytes(32),
            holderSalt: bytes(16),
            nonce: bytes(32),
            digest: bytes(32),
          },
        ]
      : [],
    verdicts: dice.chance(0.2) ? [{ hash: bytes(32), index: firstIndex, signed: bytes(dice.below(50)) }] : [],
  };
}

/** Everything that can be asked of a store. */
async function answersOf(store: ChainReader, writes: readonly BlockWrite[]): Promise<unknown> {
  const answers: unknown[] = [await store.platformId(), await store.head(), await store.counts()];
  answers.push(await store.meters(), await store.enrolments(), await store.verdicts(), await store.faults());
  for (const { block } of writes) answers.push(await store.blockAtHeight(block.height));
  const size = writes.reduce((sum, { block }) => sum + block.count, 0);
  for (let index = 0; index < size + 3; index++) answers.push((await store.blockAtIndex(index))?.height);
  for (let from = 0; from < size + 3; from += 2) {
    for (const to of [from + 1, from + 7, size + 9]) answers.push(await store.blocksOver(from, to));
  }
  for await (const block of store.blocks(3)) answers.push(block);
  for await (const block of store.blocks(2, 5)) answers.push(block);
  for (let height = 0; height <= BLOCKS + 1; height++) {
    answers.push(await store.ranges(height), await store.tile(0, height), await store.tile(1, height));
  }
  for (const type of TYPES) {
    for (let subject = 0; subject < 4; subject++) {
      for (let seq = 0; seq < 28; seq++) {
        answers.push(await store.heightOf(type, subject, seq));
        answers.push(await store.heightOf(type, subject, seq, BLOCKS / 2));
      }
    }
  }
  for (const { verdicts } of writes) for (const { hash } of verdicts) answers.push(await store.verdict(hash));
  answers.push(await store.verdict(new Uint8Array(32)));
  return plain(answers);
}

/** SQLite answers with Buffers, and with its own row objects. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
}

t.test('chain.db in memory answers everything as the SQLite store does', async (t) => {
  const folder = temporaryFolder(t);
  for (const seed of [1, 2, 3]) {
    const dice = new Dice(seed);
    const sqlite = await SqliteChainStore.open(join(folder, `${seed}.db`));
    const memory = new MemoryChainStore();
    t.strictSame(await answersOf(memory, []), await answersOf(sqlite, []), 'while it is empty');
    const writes: BlockWrite[] = [];
    for (const store of [sqlite, memory]) await store.initialise('meterseal.example/meterseal/a');
    for (let height = 1, index = 0; height <= BLOCKS; height++) {
      const write = writeOf(dice, height, index);
      index += write.block.count;
      writes.push(write);
      for (const store of [sqlite, memory]) await store.commit(write);
    }
    t.strictSame(await answersOf(memory, writes), await answersOf(sqlite, writes));
    await sqlite.close();
  }
});
