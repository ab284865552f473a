import type { Engine, SigningKey } from '@meterseal/native';
import { loadEngine } from '@meterseal/native';
import type { Random } from '@meterseal/protocol';
import { concat, MetersealError, unpack, utf8 } from '@meterseal/protocol';

const real = loadEngine().engine;

/** What was once computed of the same bytes: both runs of a seed meet the same signatures, and several actors each. */
class Memo<T> {
  static readonly MOST = 20_000;
  readonly #known = new Map<string, T>();

  get(name: string, compute: () => T): T {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const computed = compute();
    if (this.#known.size >= Memo.MOST) this.#known.clear();
    this.#known.set(name, computed);
    return computed;
  }
}

const verified = new Memo<boolean>();
const signed = new Memo<Uint8Array>();
const keys = new Memo<SigningKey>();

/** The real engine, the addon where there is one. Signatures and keys are computed once for all runs. */
export const engine: Engine = {
  ...real,
  verify: (publicKey, message, signature) =>
    verified.get(nameOf(signature, publicKey, message), () => real.verify(publicKey, message, signature)),
  openSeal(publicKey, sealed) {
    const record = sealed.slice(64);
    return engine.verify(publicKey, record, sealed.subarray(0, 64)) ? record : null;
  },
  // Work on other threads ends when it ends: a run that can be repeated waits for none.
  hashSlicesAsync: async (...slices) => real.hashSlices(...slices),
  openBatch: async ({ keys, keyOf, packed, bounds }) =>
    Uint8Array.from(unpack({ packed, bounds }), (sealed, i) => {
      const key = keys.subarray(32 * keyOf[i]!, 32 * keyOf[i]! + 32);
      return engine.openSeal(key, sealed) === null ? 0 : 1;
    }),
  keyFromSeed: (seed) => new SharedKey(keys.get(nameOf(seed), () => real.keyFromSeed(seed))),
};

/** A key that lives longer than the run that made it: what ends it in one must not end it in others. */
class SharedKey implements SigningKey {
  readonly #key: SigningKey;
  readonly publicKey: Uint8Array;
  #isDestroyed = false;

  constructor(key: SigningKey) {
    this.#key = key;
    this.publicKey = key.publicKey;
  }

  sign(message: Uint8Array): Uint8Array {
    if (this.#isDestroyed) throw new MetersealError('bad-key', "couldn't use key: it was destroyed");
    return signed.get(nameOf(this.publicKey, message), () => this.#key.sign(message)).slice();
  }

  seal(record: Uint8Array): Uint8Array {
    return concat(this.sign(record), record);
  }

  sealBatch(packed: Uint8Array, bounds: Uint32Array): Uint8Array {
    return concat(...unpack({ packed, bounds }).map((record) => this.seal(record)));
  }

  destroy(): void {
    this.#isDestroyed = true;
  }
}

function nameOf(...parts: readonly Uint8Array[]): string {
  return parts
    .map((bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'))
    .join('');
}

/** Bytes of one source in the order in which they are drawn, the same in every run: keys made of them are known by then. */
const drawn = new Map<string, Uint8Array[]>();

function bytesOf(source: string, draw: number): Uint8Array {
  let known = drawn.get(source);
  if (known === undefined) {
    known = [];
    drawn.set(source, known);
  }
  for (let i = known.length; i <= draw; i++) known.push(engine.sha256(utf8(`${source} ${i}`)));
  return known[draw]!;
}

/** Random bytes, at most 32 at once, no draw twice in one run. */
export function seededRandom(source: string): Random {
  let draws = 0;
  return (length) => bytesOf(source, draws++).slice(0, length);
}

/** With session keys that are the same in every run. */
export function seededEngine(): Engine {
  let draws = 0;
  return { ...engine, generateKey: () => engine.keyFromSeed(bytesOf('session keys', draws++)) };
}
