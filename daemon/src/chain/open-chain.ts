import type { Engine, SigningKey } from '@meterseal/native';
import type { ClockState, Policy, Random } from '@meterseal/protocol';
import { equalBytes, MetersealError, openCheckpoint, originOf } from '@meterseal/protocol';
import type { Clock } from '../host/clock.js';
import type { Logger } from '../host/logger.js';
import type { ChainFiles } from './chain-files.js';
import { Chain } from './commit.js';
import type { Draft } from './draft.js';
import { createLogKey, loadLogKey } from './log-key.js';
import { ensurePolicy, ownPolicy, readCheckpoint } from './published-files.js';
import type { Replayed } from './replay.js';
import { replay } from './replay.js';
import type { ChainStore } from './store.js';
import { TreeReader } from './tree.js';

export type OpenChainOptions = {
  readonly store: ChainStore;
  readonly files: ChainFiles;
  /** Origin without its epoch. */
  readonly platformId: string;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** What is known of the clock, for the block-close; `unsynchronised` if nobody says. */
  readonly clockState?: () => ClockState;
};

const FIRST_EPOCH = 1;
const NO_HASH = new Uint8Array(32);

/**
 * Opens the chain: recovery, then the first block of this start with its `boot` event. An empty store becomes a new chain,
 * with a new log key and the epoch entry.
 *
 * @throws MetersealError `chain-damaged`; `behind-witness` where `<state>/checkpoint` has seen more than the store;
 *   `bad-config` for another platform ID; `bad-policy`, `bad-key`, `file-missing`, `file-unusable`; `commit-failed`,
 *   `disk-full`
 */
export async function openChain(options: OpenChainOptions): Promise<Chain> {
  const { store, files, platformId, engine, clock, random, log } = options;
  await claim(store, platformId);
  const replayed = await replay(store, engine, platformId);
  const { state, edge, head } = replayed;
  const isNew = head === undefined;
  const logKey = isNew ? createLogKey(files, engine, random) : loadLogKey(files, engine);
  const origin = originOf(platformId, isNew ? FIRST_EPOCH : state.epoch);
  const own = ownPolicy(engine, origin, logKey.publicKey);
  checkSignature(replayed, engine, logKey, own);
  await checkNotBehind(options, own, replayed);
  ensurePolicy(files, engine, own);

  const chain = new Chain({
    store,
    engine,
    clock,
    log,
    origin,
    logKey,
    bootId: random(16),
    clockState: options.clockState ?? (() => 'unsynchronised'),
    publishNote: (note) => files.publishCheckpoint(note),
    state,
    edge,
    head,
  });
  await chain.append((draft) => {
    if (isNew) addEpoch(draft, logKey.publicKey);
    draft.addEvent({ kind: 'boot' });
  });
  return chain;
}

/** Makes an empty store this platform's, and refuses one of another. */
async function claim(store: ChainStore, platformId: string): Promise<void> {
  const found = await store.platformId();
  if (found === undefined) {
    // Only an empty store has no platform ID.
    if ((await store.head()) !== undefined) {
      throw new MetersealError('chain-damaged', "couldn't open chain: its store does not say whose it is", {
        hint: 'Run `meterseal fsck`; restore chain.db from its backup, and keep the damaged one.',
      });
    }
    await store.initialise(platformId);
  } else if (found !== platformId) {
    throw new MetersealError(
      'bad-config',
      `couldn't open chain: it belongs to ${found}, not to ${platformId}`,
      {
        hint: 'Set the site of the configuration back, or use another state folder.',
      },
    );
  }
}

function checkSignature({ state, head }: Replayed, engine: Engine, logKey: SigningKey, own: Policy): void {
  if (head === undefined) return;
  if (state.logKey === null || !equalBytes(state.logKey, logKey.publicKey)) {
    throw new MetersealError(
      'bad-key',
      "couldn't open chain: the log key is not the one that it was begun with",
      {
        hint: 'Restore chain/log.key from its backup.',
      },
    );
  }
  try {
    openCheckpoint(engine, own, head.note);
  } catch (cause) {
    throw new MetersealError(
      'chain-damaged',
      "couldn't open chain: its last checkpoint is not signed by its key",
      {
        hint: 'Run `meterseal fsck`; restore chain.db from its backup, and keep the damaged one.',
        cause,
      },
    );
  }
}

/** The published checkpoint is a witness on the same disk: it gives away a database that alone was put back. */
async function checkNotBehind(options: OpenChainOptions, own: Policy, { edge }: Replayed): Promise<void> {
  const { store, engine, files } = options;
  const published = readCheckpoint(files, engine, own);
  if (published === undefined) return;
  const tree = new TreeReader(engine, store, edge);
  if (published.size <= edge.size && equalBytes(await tree.rootAt(published.size), published.root)) return;
  throw behindWitness(published.size, edge.size);
}

/** The error of a chain that somebody has seen further, or otherwise, than its store knows. */
export function behindWitness(seen: number, size: number): MetersealError {
  const what =
    seen > size
      ? `a checkpoint of ${seen} entries was signed, and it has ${size}`
      : 'another history was signed';
  return new MetersealError('behind-witness', `couldn't continue chain: ${what}`, {
    hint: 'chain.db was put back to an earlier copy, or the box was cloned. Restore the newest chain.db; a new epoch is the last resort.',
  });
}

function addEpoch(draft: Draft, logKey: Uint8Array): void {
  draft.add({
    type: 'epoch',
    subject: 0,
    seq: FIRST_EPOCH,
    previousOrigin: '',
    previousCheckpoint: NO_HASH,
    highestKnown: NO_HASH,
    reason: 'first',
    logKey,
  });
}
