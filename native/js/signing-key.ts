import { inspect } from 'node:util';
import { MAX_RECORD_BYTES, MetersealError } from '@meterseal/protocol';
import { requireBytes, requireOffsets } from './arguments.js';
import { MAX_MESSAGE_BYTES } from './bounds.js';
import type { SigningKey } from './engine.js';

/** What an engine does with one secret; arguments are checked before they get here. */
export interface KeyHandle {
  sign(message: Uint8Array): Uint8Array;
  seal(record: Uint8Array): Uint8Array;
  sealBatch(packed: Uint8Array, bounds: Uint32Array): Uint8Array;
  destroy(): void;
}

const HIDDEN = '[signing key]';

/**
 * The one face of a private key, whichever engine holds it. The handle is a private field, so that no
 * enumeration, clone or serialisation reaches it.
 */
export class HiddenSigningKey implements SigningKey {
  readonly #publicKey: Uint8Array;
  #handle: KeyHandle | null;

  constructor(publicKey: Uint8Array, handle: KeyHandle) {
    this.#publicKey = new Uint8Array(publicKey);
    this.#handle = handle;
  }

  /** A copy, so that a caller cannot change what others read. */
  get publicKey(): Uint8Array {
    return this.#publicKey.slice();
  }

  sign(message: Uint8Array): Uint8Array {
    const bytes = requireBytes(message, 'sign', 'message', MAX_MESSAGE_BYTES);
    return this.#use('sign message').sign(bytes);
  }

  seal(record: Uint8Array): Uint8Array {
    const bytes = requireBytes(record, 'seal', 'record', MAX_RECORD_BYTES);
    return this.#use('seal record').seal(bytes);
  }

  sealBatch(packed: Uint8Array, bounds: Uint32Array): Uint8Array {
    const bytes = requireBytes(packed, 'seal', 'records');
    const pairs = requireOffsets(bounds, 'records');
    return this.#use('seal records').sealBatch(bytes, pairs);
  }

  destroy(): void {
    this.#handle?.destroy();
    this.#handle = null;
  }

  toJSON(): string {
    return HIDDEN;
  }

  toString(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }

  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return HIDDEN;
    throw new MetersealError('bad-argument', "couldn't compare signing key: compare public keys instead");
  }

  #use(what: string): KeyHandle {
    if (this.#handle === null) throw new MetersealError('bad-key', `couldn't ${what}: the key was destroyed`);
    return this.#handle;
  }
}
