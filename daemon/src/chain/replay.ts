import type { Engine } from '@meterseal/native';
import type { Entry } from '@meterseal/protocol';
import {
  decodeEntry,
  emptyRoot,
  equalBytes,
  formatCheckpoint,
  isMetersealError,
  leafHashes,
  MetersealError,
  originOf,
  parseNote,
} from '@meterseal/protocol';
import { blockEntries } from './block.js';
import { LedgerState } from './ledger-state.js';
import type { ChainReader, StoredBlock } from './store.js';
import { TreeEdge } from './tree.js';

export type Replayed = {
  readonly state: LedgerState;
  readonly edge: TreeEdge;
  /** The last block; undefined for an empty chain. */
  readonly head: StoredBlock | undefined;
};

const HINT = 'Run `meterseal fsck`; restore chain.db from its backup, and keep the damaged one.';

/**
 * Recovery: goes through the chain from its first entry, feeds the state through the same `apply` as a commit does, and
 * compares every root, every full tile and every checkpoint's text with what is stored.
 *
 * @throws MetersealError `chain-damaged`
 */
export async function replay(reader: ChainReader, engine: Engine, platformId: string): Promise<Replayed> {
  const state = new LedgerState(emptyRoot(engine));
  let edge = TreeEdge.EMPTY;
  let head: StoredBlock | undefined;
  for await (const block of reader.blocks(1)) {
    edge = await replayBlock(block, { state, edge, reader, engine, platformId });
    head = block;
  }
  return { state, edge, head };
}

async function replayBlock(
  block: StoredBlock,
  at: { state: LedgerState; edge: TreeEdge; reader: ChainReader; engine: Engine; platformId: string },
): Promise<TreeEdge> {
  const { state, reader, engine } = at;
  const refuse = (what: string): never => {
    throw new MetersealError('chain-damaged', `couldn't recover chain: block ${block.height}: ${what}`, {
      hint: HINT,
    });
  };
  if (block.height !== state.height + 1) refuse(`it follows block ${state.height}`);
  if (block.firstIndex !== state.size) refuse(`it starts at entry ${block.firstIndex}, not ${state.size}`);
  const bytes = blockEntries(block);
  if (bytes.length !== block.count) refuse(`${bytes.length} entries where ${block.count} belong`);
  for (const [i, entry] of decodeAll(bytes).entries()) {
    const isLast = i === bytes.length - 1;
    if ((entry.type === 'block-close') !== isLast) refuse('its block-close is not its last entry');
    if (entry.time !== block.time) refuse(`entry ${state.size} has another time than its block`);
    state.apply(entry, state.size);
  }
  const { edge, tiles } = at.edge.append(engine, leafHashes(engine, bytes));
  const root = edge.root(engine);
  if (!equalBytes(root, block.root)) refuse('its entries give another root');
  const origin = originOf(at.platformId, state.epoch);
  const text = formatCheckpoint({ origin, size: edge.size, root, extensions: [] });
  if (parseNote(block.note).text !== text) refuse('its checkpoint says something else');
  for (const { level, index, hashes } of tiles) {
    const stored = await reader.tile(level, index);
    if (stored === undefined || !equalBytes(stored, hashes))
      refuse(`tile ${level}/${index} is missing or wrong`);
  }
  state.endBlock(root);
  return edge;
}

function decodeAll(bytes: readonly Uint8Array[]): Entry[] {
  try {
    return bytes.map((entry) => decodeEntry(entry));
  } catch (cause) {
    if (!isMetersealError(cause)) throw cause;
    throw new MetersealError('chain-damaged', `couldn't recover chain: ${cause.message}`, {
      hint: HINT,
      cause,
    });
  }
}
