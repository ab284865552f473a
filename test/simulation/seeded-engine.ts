import type { Engine, SigningKey } from '@meterseal/native';
import { loadEngine } from '@meterseal/native';
import type { Random } from '@meterseal/protocol';
import { MetersealError, utf8 } from '@meterseal/protocol';

const { engine } = loadEngine();

/** Bytes of one source in the order in which they are drawn, the same in every run: what is costly to check once is known then. */
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

const keys = new Map<number, SigningKey>();

/** A key of the pool: it is made once for all runs, so what ends it in one must not end it in others. */
class PooledKey implements SigningKey {
  readonly #key: SigningKey;
  readonly publicKey: Uint8Array;
  #isDestroyed = false;

  constructor(draw: number) {
    let key = keys.get(draw);
    if (key === undefined) {
      key = engine.keyFromSeed(bytesOf('session keys', draw));
      keys.set(draw, key);
    }
    this.#key = key;
    this.publicKey = key.publicKey;
  }

  sign(message: Uint8Array): Uint8Array {
    return this.#used().sign(message);
  }

  seal(record: Uint8Array): Uint8Array {
    return this.#used().seal(record);
  }

  destroy(): void {
    this.#isDestroyed = true;
  }

  #used(): SigningKey {
    if (this.#isDestroyed) throw new MetersealError('bad-key', "couldn't use key: it was destroyed");
    return this.#key;
  }
}

/** The real engine, the addon where there is one, with session keys that are the same in every run. */
export function seededEngine(): Engine {
  let draws = 0;
  return { ...engine, generateKey: () => new PooledKey(draws++) };
}

export { engine };
