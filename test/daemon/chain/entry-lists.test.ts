import { concat, encodeEntries } from '@meterseal/protocol';
import { EntryLists } from 'meterseal/internal/chain/entry-lists';
import type { BlockEntries } from 'meterseal/internal/chain/store';
import t from 'tap';

/** Entry i is i + 1 bytes of i. */
const entries = Array.from({ length: 40 }, (_, i) => new Uint8Array(i + 1).fill(i));

/** Blocks of the given sizes over these entries, and how often they are read. */
function chainOf(...counts: number[]) {
  let next = 0;
  const blocks = counts.map((count, i): BlockEntries => {
    const firstIndex = next;
    next += count;
    return { height: i + 1, firstIndex, count, entries: encodeEntries(entries.slice(firstIndex, next)) };
  });
  const read: number[] = [];
  const blocksOver = async (from: number, to: number): Promise<BlockEntries[]> => {
    const found = blocks.filter(({ firstIndex, count }) => firstIndex < to && firstIndex + count > from);
    read.push(...found.map(({ height }) => height));
    return found;
  };
  return { lists: new EntryLists({ blocksOver }), blocks, read };
}

t.test('entries from anywhere to anywhere are cut out of their blocks', async (t) => {
  const { lists } = chainOf(3, 10, 2, 25);
  for (let from = 0; from <= 40; from++) {
    for (let to = from; to <= 40; to++) {
      const pieces = await lists.pieces(from, to);
      const expected = encodeEntries(entries.slice(from, to));
      if (Buffer.compare(concat(...pieces), expected) !== 0) t.fail(`${from} to ${to}`);
    }
  }
});

t.test('requests for neighbouring entries that arrive together read each block once', async (t) => {
  const { lists, read } = chainOf(15, 10, 15);
  const answers = await Promise.all([lists.pieces(0, 10), lists.pieces(10, 20), lists.pieces(20, 40)]);
  t.strictSame(read, [1, 2, 3]);
  t.equal(Buffer.compare(concat(...answers.flat()), encodeEntries(entries)), 0);
});

t.test('blocks that are missing, or not what their row says, are a damaged chain', async (t) => {
  const damaged = { code: 'chain-damaged' };
  const { lists, blocks } = chainOf(10, 10, 20);
  await t.rejects(lists.pieces(30, 41), damaged, 'beyond the last');
  blocks.splice(1, 1);
  await t.rejects(lists.pieces(5, 25), damaged, 'one in the middle');
  await t.rejects(lists.pieces(12, 15), damaged);
  t.equal((await lists.pieces(0, 10)).length, 1, 'others are served as before');
  for (const [what, change] of [
    ['short of the last byte', (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 1)],
    ['cut within a length', (bytes: Uint8Array) => bytes.subarray(0, 1)],
    ['empty', () => new Uint8Array(0)],
    ['too long', (bytes: Uint8Array) => concat(bytes, Uint8Array.of(0, 1, 7))],
  ] as const) {
    const { lists, blocks } = chainOf(10, 10);
    blocks[1] = { ...blocks[1]!, entries: change(blocks[1]!.entries) };
    await t.rejects(lists.pieces(0, 20), damaged, what);
    t.equal((await lists.pieces(0, 10)).length, 1);
  }
});
