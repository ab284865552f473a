import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadEngine } from '@meterseal/native';
import { chainFiles } from 'meterseal/internal/chain/chain-files';
import { openChain } from 'meterseal/internal/chain/open-chain';
import { SqliteChainStore } from 'meterseal/internal/chain/sqlite-store';
import { systemClock } from 'meterseal/internal/host/clock';
import { Database } from 'meterseal/internal/host/database';
import { createLogger } from 'meterseal/internal/host/logger';
import { prepareStateFolder, stateFolder } from 'meterseal/internal/host/state-folder';
import type { Benchmark } from './row.js';

const PLATFORM_ID = 'meterseal.example/meterseal/bench';
const ENTRIES = 200_000;
/** Entries of one block: what the chain takes before it commits. */
const BLOCK = 4_000;

/**
 * Entries that are checked already: into the tree, its tiles, a durable commit and a signed checkpoint. The peer writes the same
 * bytes as one BLOB a commit, as fast as SQLite takes them durably, and has no tree.
 */
export const appendBenchmark: Benchmark = {
  name: 'append',
  rounds: 5,
  prepare: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'meterseal-append-'));
    const state = stateFolder(join(folder, 's'));
    prepareStateFolder(state);
    const { engine } = loadEngine();
    const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
    const store = await SqliteChainStore.open(state.chainDatabase);
    const chain = await openChain({
      store,
      files: chainFiles(state),
      platformId: PLATFORM_ID,
      engine,
      clock: systemClock,
      random,
      log: createLogger('error'),
    });
    const identityKey = engine.generateKey().publicKey;
    await chain.append((draft) => {
      const commitments = { meterCommitment: random(32), holderCommitment: random(32) };
      draft.add({
        type: 'enrolment',
        subject: 1,
        seq: 0,
        ...commitments,
        keyOrigin: 'own',
        firstSeq: 1,
        identityKey,
      });
      const accepted = { result: 'accepted', reason: 'none', messageHash: random(32) } as const;
      const authentication = draft.add({ type: 'authentication', subject: 1, seq: 0, ...accepted });
      const expires = draft.time + 30 * 86_400_000;
      const sessionKey = engine.generateKey().publicKey;
      const signature = random(64);
      draft.add({ type: 'session', subject: 1, seq: 1, authentication, sessionKey, expires, signature });
    });
    const hash = random(32);
    const sealSignature = random(64);
    let seq = 0;
    const ours = async (): Promise<number> => {
      const started = performance.now();
      for (let done = 0; done < ENTRIES; done += BLOCK) {
        await chain.append((draft) => {
          for (let i = 0; i < BLOCK; i++) {
            draft.add({ type: 'reading', subject: 1, seq: ++seq, session: 1, hash, sealSignature });
          }
        });
      }
      return ENTRIES / ((performance.now() - started) / 1_000);
    };

    const plain = await Database.open(join(folder, 'plain.db'), {
      pragmas: ['journal_mode = WAL', 'synchronous = FULL'],
      schema: 'CREATE TABLE IF NOT EXISTS block (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;',
    });
    const block = Buffer.from(random(BLOCK * 130));
    const peer = async (): Promise<number> => {
      const started = performance.now();
      for (let done = 0; done < ENTRIES; done += BLOCK) {
        await plain.run('INSERT INTO block (body) VALUES (?)', block);
      }
      return ENTRIES / ((performance.now() - started) / 1_000);
    };
    return {
      contests: [
        {
          name: 'append',
          unit: 'entries/s',
          better: 'more',
          ours: { name: 'meterseal', run: ours },
          peers: [{ name: `the same bytes, one BLOB for ${BLOCK} in SQLite, no tree`, run: peer }],
          note: () => `blocks of ${BLOCK.toLocaleString('en-US')} entries of 128 bytes`,
        },
      ],
      close: async () => {
        await chain.stop();
        await store.close();
        await plain.close();
        rmSync(folder, { recursive: true });
      },
    };
  },
};
