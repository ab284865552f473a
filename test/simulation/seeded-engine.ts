import type { Engine, SigningKey } from '@meterseal/native';
import { loadEngine } from '@meterseal/native';
import type { Random } from '@meterseal/protocol';
import { MetersealError, utf8 } from '@meterseal/protocol';

const real = loadEngine().engine;
const verified = new Map<string, boolean>();
const MOST_VERIFIED = 20_000;

/**
 * The real engine, the addon where there is one. A signature is checked once: the same ones are met by the platform, the
 * collector and the model, and again in the second run of a seed.
 */
export const engine: Engine = {
  ...real,
  verify(publicKey, message, signature) {
    const name = `${latin1(signature)}${latin1(publicKey)}${latin1(message)}`;
    const known = verified.get(name);
    if (known !== undefined) return known;
    const answer = real.verify(publicKey, message, signature);
    if (verified.size >= MOST_VERIFIED) verified.clear();
    verified.set(name, answer);
    return answer;
  },
  openSeal(publicKey, sealed) {
    const record = sealed.slice(64);
    return engine.verify(publicKey, record, sealed.subarray(0, 64)) ? record : null;
  },
};

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

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

/** With session keys that are the same in every run. */
export function seededEngine(): Engine {
  let draws = 0;
  return { ...engine, generateKey: () => new PooledKey(draws++) };
}
