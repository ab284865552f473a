import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Policy, Random } from '@meterseal/protocol';
import { chainFiles } from 'meterseal/internal/chain/chain-files';
import type { Chain } from 'meterseal/internal/chain/commit';
import { checkInvariants } from 'meterseal/internal/chain/invariants';
import { openChain } from 'meterseal/internal/chain/open-chain';
import { ownPolicy } from 'meterseal/internal/chain/published-files';
import { SqliteChainStore } from 'meterseal/internal/chain/sqlite-store';
import type { ChainStore } from 'meterseal/internal/chain/store';
import { createLogger } from 'meterseal/internal/host/logger';
import type { StateFolder } from 'meterseal/internal/host/state-folder';
import { prepareStateFolder, stateFolder } from 'meterseal/internal/host/state-folder';
import type { Test } from 'tap';
import { ManualClock } from '../gate/manual-clock.js';
import { engine, PLATFORM_ID, seededRandom } from './test-box.js';

/** A chain without its sockets: opened, closed and broken at will, over one state folder. */
export class ChainBench {
  readonly state: StateFolder;
  readonly clock = new ManualClock();
  readonly random: Random;
  #open: { chain: Chain; store: ChainStore } | undefined;

  /** @param seed of its randomness: another one, another log key */
  constructor(t: Test, seed = 'bench') {
    this.random = seededRandom(seed);
    this.state = stateFolder(mkdtempSync(join(tmpdir(), 'ms-bench-')));
    prepareStateFolder(this.state);
    t.teardown(async () => {
      await this.close();
      rmSync(this.state.root, { recursive: true });
    });
  }

  /** @param wrap puts something between the chain and its store */
  async open(
    wrap: (store: ChainStore) => ChainStore = (store) => store,
    platformId = PLATFORM_ID,
  ): Promise<Chain> {
    const store = await SqliteChainStore.open(this.state.chainDatabase);
    try {
      const chain = await openChain({
        store: wrap(store),
        files: chainFiles(this.state),
        platformId,
        engine,
        clock: this.clock,
        random: this.random,
        log: createLogger('silent'),
      });
      this.#open = { chain, store };
      return chain;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#open?.chain.stop();
    await this.#open?.store.close();
    this.#open = undefined;
  }

  /** As `kill -9`: nothing is finished, nothing is told. */
  async kill(): Promise<void> {
    await this.#open?.store.close();
    this.#open = undefined;
  }

  policyOf(chain: Chain): Policy {
    return ownPolicy(engine, chain.origin, chain.logKey);
  }

  async findings(chain: Chain): Promise<readonly string[]> {
    return (await checkInvariants(chain.reader, this.policyOf(chain), engine)).findings;
  }
}

/** Adds `n` events in one job. */
export function addEvents(chain: Chain, n: number): Promise<{ result: number[]; note: string }> {
  return chain.append((draft) =>
    Array.from({ length: n }, (_, i) => draft.addEvent({ kind: 'fault', n: i })),
  );
}

/** A store whose `commit` can be made to fail, and everything else is the real one. */
export function withCommit(store: ChainStore, commit: ChainStore['commit']): ChainStore {
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'commit') return commit;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
