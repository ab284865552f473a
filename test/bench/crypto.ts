import { createHash, createPublicKey, type KeyObject, verify as nodeVerify } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { loadEngine } from '@meterseal/native';
import { javascriptEngine } from '@meterseal/native/javascript';
import { concat, pack, unpack } from '@meterseal/protocol';
import sodium from 'sodium-native';
import { SeededRandom } from '../protocol/seeded-random.js';
import type { Benchmark, Contest, Contestant } from './row.js';

const LEAVES = 10_000;
const LEAF_BYTES = 160;
/** Sealed readings of one run, by so many session keys; a record of an SDM120 is about this long. */
const SEALS = 4_096;
const KEYS = 8;
const RECORD_BYTES = 500;
const BATCH = 1_000;
/** How often all batches are opened in one run: 100,000 seals over all rounds. */
const BATCH_ROUNDS = 5;

/** Runs of each contestant whose fastest counts: a hundred milliseconds are easily disturbed. */
const TRIES = 5;

/** Hashing: a block of 10,000 records. One core, called from JavaScript. */
export const hashBenchmark: Benchmark = {
  name: 'hash',
  rounds: 9,
  prepare: async () => {
    const { engine } = loadEngine();
    const leaves = Array.from({ length: LEAVES }, (_, i) => new SeededRandom(i + 1).bytes(LEAF_BYTES));
    const packed = concat(...leaves);
    const offsets = Uint32Array.from({ length: LEAVES + 1 }, (_, i) => i * LEAF_BYTES);
    const hashes = engine.hashLeaves(packed, offsets);
    const prefixed = leaves.map((leaf) => Buffer.from(concat(Uint8Array.of(0), leaf)));
    const out = Buffer.alloc(32);
    const perLeaf = (hashOne: (leaf: Buffer) => void): (() => number) =>
      fastest(LEAVES, 1e9, () => {
        for (const leaf of prefixed) hashOne(leaf);
      });
    const perTree = (root: () => unknown): (() => number) => fastest(1, 1e6, root);
    const name = `best JavaScript: crypto.hash, text of one byte a character`;
    const contests: Contest[] = [
      {
        name: 'leaf-hash',
        unit: 'ns/leaf',
        better: 'less',
        ours: contestant(
          'ours',
          fastest(LEAVES, 1e9, () => engine.hashLeaves(packed, offsets)),
        ),
        peers: [
          contestant(
            name,
            fastest(LEAVES, 1e9, () => javascriptEngine.hashLeaves(packed, offsets)),
          ),
          contestant(
            'sodium-native',
            perLeaf((leaf) => sodium.crypto_hash_sha256(out, leaf)),
          ),
          contestant(
            'createHash per leaf',
            perLeaf((leaf) => createHash('sha256').update(leaf).digest()),
          ),
        ],
        note: () => `${LEAVES} leaves of ${LEAF_BYTES} bytes, one call of ours`,
      },
      {
        name: 'merkle-root',
        unit: 'µs/root',
        better: 'less',
        ours: contestant(
          'ours',
          perTree(() => engine.merkleRoot(hashes)),
        ),
        peers: [
          contestant(
            name,
            perTree(() => javascriptEngine.merkleRoot(hashes)),
          ),
        ],
        note: () => `of ${LEAVES} leaf hashes`,
      },
    ];
    return { contests, close: async () => {} };
  },
};

/** Sealing and opening: Ed25519 with session keys that were seen before. */
export const sealBenchmark: Benchmark = {
  name: 'seal',
  rounds: 5,
  prepare: async () => {
    const { engine } = loadEngine();
    const signers = Array.from({ length: KEYS }, (_, i) =>
      engine.keyFromSeed(new Uint8Array(32).fill(i + 1)),
    );
    const twins = signers.map((_, i) => javascriptEngine.keyFromSeed(new Uint8Array(32).fill(i + 1)));
    const records = Array.from({ length: SEALS }, (_, i) => new SeededRandom(i + 1).bytes(RECORD_BYTES));
    const seals = records.map((record, i) => signers[i % KEYS]!.seal(record));
    const publicKeys = signers.map(({ publicKey }) => publicKey);
    const parsed = publicKeys.map(keyObject);
    const batches = Array.from({ length: Math.floor(SEALS / BATCH) }, (_, b) => {
      const part = seals.slice(b * BATCH, (b + 1) * BATCH);
      const keyOf = Uint32Array.from(part, (_, i) => (b * BATCH + i) % KEYS);
      return { keys: concat(...publicKeys), keyOf, ...pack(part) };
    });
    const packed = pack(records.slice(0, BATCH));
    const each = (open: (place: number, key: number) => boolean): (() => number) =>
      fastest(SEALS, 1e6, () => {
        for (let i = 0; i < SEALS; i++) if (!open(i, i % KEYS)) throw new Error('a good seal was refused');
      });
    const withNode = contestant(
      'node:crypto, keys parsed before',
      each((i, k) => nodeVerify(null, records[i]!, parsed[k]!, seals[i]!.subarray(0, 64))),
    );
    const withSodium = contestant(
      'sodium-native',
      each((i, k) =>
        sodium.crypto_sign_verify_detached(
          Buffer.from(seals[i]!.buffer, seals[i]!.byteOffset, 64),
          Buffer.from(records[i]!.buffer),
          Buffer.from(publicKeys[k]!),
        ),
      ),
    );
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const openAll = async (): Promise<number> => {
      delay.enable();
      const started = performance.now();
      for (let times = 0; times < BATCH_ROUNDS; times++) {
        for (const batch of batches) {
          const opened = await engine.openBatch(batch);
          if (opened.includes(0)) throw new Error('a good seal was refused');
        }
      }
      delay.disable();
      return ((performance.now() - started) * 1e3) / (BATCH_ROUNDS * batches.length * BATCH);
    };
    const row = { unit: 'µs/seal', better: 'less' } as const;
    const contests: Contest[] = [
      {
        name: 'open',
        ...row,
        ours: contestant(
          'ours',
          each((i, k) => engine.openSeal(publicKeys[k]!, seals[i]!) !== null),
        ),
        peers: [withNode, withSodium],
        note: () => `one by one, one thread, ${KEYS} keys that have a table`,
      },
      {
        name: 'open-batch',
        ...row,
        ours: { name: 'ours', run: openAll },
        peers: [withNode, withSodium],
        note: () =>
          `batches of ${BATCH} from ${KEYS} keys, on one thread that is not Node's; event loop p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms meanwhile`,
      },
      {
        name: 'seal',
        ...row,
        ours: contestant(
          'ours',
          fastest(BATCH, 1e6, () => signers[0]!.sealBatch(packed.packed, packed.bounds)),
        ),
        peers: [
          contestant(
            'node:crypto, key parsed before',
            fastest(BATCH, 1e6, () => {
              for (const record of unpack(packed)) twins[0]!.seal(record);
            }),
          ),
        ],
        note: () => `${BATCH} records of ${RECORD_BYTES} bytes in one call`,
      },
    ];
    return { contests, close: async () => {} };
  },
};

function contestant(name: string, run: () => number): Contestant {
  return { name, run: async () => run() };
}

/** The fastest of some tries, in parts of a second for each of `count`. */
function fastest(count: number, perSecond: number, work: () => unknown): () => number {
  return () => {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < TRIES; i++) {
      const started = performance.now();
      work();
      best = Math.min(best, performance.now() - started);
    }
    return ((best / 1e3) * perSecond) / count;
  };
}

function keyObject(raw: Uint8Array): KeyObject {
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]);
  return createPublicKey({ key: der, format: 'der', type: 'spki' });
}
