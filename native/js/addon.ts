import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ErrorCode, MAX_RECORD_BYTES, MetersealError } from '@meterseal/protocol';
import { isStableBytes, requireBytes, requireOffsets, requirePrefix, requireSealBatch } from './arguments.js';
import { KEY_BYTES, MAX_MESSAGE_BYTES, SIGNATURE_BYTES } from './bounds.js';
import type { Engine, SigningKey } from './engine.js';
import { sha256 } from './sha256.js';
import { HiddenSigningKey, type KeyHandle } from './signing-key.js';

/** Rises with every change of `Binding`, so that a file left over from another version is not loaded. */
const INTERFACE_VERSION = 3;

/** What native/src/lib.rs exports. */
interface Binding {
  interfaceVersion(): number;
  hashLeaves(packed: Uint8Array, offsets: Uint32Array): Uint8Array;
  hashSlices(packed: Uint8Array, bounds: Uint32Array, prefix?: number): Uint8Array;
  hashSlicesAsync(packed: Uint8Array, bounds: Uint32Array, prefix?: number): Promise<Uint8Array>;
  merkleRoot(leafHashes: Uint8Array): Uint8Array;
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  openSeal(publicKey: Uint8Array, sealed: Uint8Array): Uint8Array | null;
  openBatch(keys: Uint8Array, keyOf: Uint32Array, packed: Uint8Array, bounds: Uint32Array): Uint8Array;
  openBatchAsync(
    keys: Uint8Array,
    keyOf: Uint32Array,
    packed: Uint8Array,
    bounds: Uint32Array,
  ): Promise<Uint8Array>;
  SigningKey: {
    generate(): NativeKey;
    fromSeed(seed: Uint8Array): NativeKey;
  };
}

interface NativeKey extends KeyHandle {
  publicKey(): Uint8Array;
}

/** Seals of one call from which it is worth to leave the thread: below that they take two milliseconds at most. */
const SEALS_FOR_THREADS = 48;

/** Bytes of one call from which it is worth to leave the thread: below that they take half a millisecond at most. */
const BYTES_FOR_THREADS = 256 * 1024;

const PASSED_ON: readonly string[] = ['bad-argument', 'bad-key', 'too-large'] satisfies ErrorCode[];

/** Turns an exception of the addon into ours; a caught panic has no code of ours and is the addon's own fault. */
function guarded<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw ours(what, cause);
  }
}

/** The same for work on other threads. */
async function guardedAsync<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw ours(what, cause);
  }
}

function ours(what: string, cause: unknown): MetersealError {
  const { code, message } = cause as { code?: unknown; message?: unknown };
  if (typeof code === 'string' && PASSED_ON.includes(code)) {
    return new MetersealError(code as ErrorCode, `couldn't ${what}: ${String(message)}`, { cause });
  }
  return new MetersealError('addon-failed', `couldn't ${what}: the addon failed`, {
    hint: 'restart; if it happens again, remove native/prebuilt to run on JavaScript, and report it',
    cause,
  });
}

function hidden(key: NativeKey): SigningKey {
  return new HiddenSigningKey(key.publicKey(), {
    sign: (message) => guarded('sign message', () => key.sign(message)),
    seal: (record) => guarded('seal record', () => key.seal(record)),
    sealBatch: (packed, bounds) => guarded('seal records', () => key.sealBatch(packed, bounds)),
    destroy: () => guarded('destroy key', () => key.destroy()),
  });
}

function engineOver(binding: Binding): Engine {
  return {
    name: 'addon',
    sha256,
    hashLeaves(packed, offsets) {
      requireBytes(packed, 'hash', 'leaves');
      requireOffsets(offsets, 'leaves');
      return guarded('hash leaves', () => binding.hashLeaves(packed, offsets));
    },
    hashSlices(packed, bounds, prefix) {
      requireBytes(packed, 'hash', 'slices');
      requireOffsets(bounds, 'slices');
      requirePrefix(prefix);
      return guarded('hash slices', () => binding.hashSlices(packed, bounds, prefix));
    },
    async hashSlicesAsync(packed, bounds, prefix) {
      requireBytes(packed, 'hash', 'slices');
      requireOffsets(bounds, 'slices');
      requirePrefix(prefix);
      const hash = packed.length < BYTES_FOR_THREADS ? binding.hashSlices : binding.hashSlicesAsync;
      return guardedAsync('hash slices', async () => hash(packed, bounds, prefix));
    },
    merkleRoot(leafHashes) {
      requireBytes(leafHashes, 'hash', 'tree');
      return guarded('hash tree', () => binding.merkleRoot(leafHashes));
    },
    verify(publicKey, message, signature) {
      if (!isStableBytes(publicKey) || publicKey.length !== KEY_BYTES) return false;
      if (!isStableBytes(signature) || signature.length !== SIGNATURE_BYTES) return false;
      if (!isStableBytes(message) || message.length > MAX_MESSAGE_BYTES) return false;
      return guarded('verify signature', () => binding.verify(publicKey, message, signature));
    },
    openSeal(publicKey, sealed) {
      if (!isStableBytes(publicKey) || publicKey.length !== KEY_BYTES || !isStableBytes(sealed)) return null;
      if (sealed.length < SIGNATURE_BYTES || sealed.length > SIGNATURE_BYTES + MAX_RECORD_BYTES) return null;
      return guarded('open seal', () => binding.openSeal(publicKey, sealed));
    },
    async openBatch(seals) {
      requireSealBatch(seals);
      const { keys, keyOf, packed, bounds } = seals;
      const open = bounds.length < 2 * SEALS_FOR_THREADS ? binding.openBatch : binding.openBatchAsync;
      return guardedAsync('open seals', async () => open(keys, keyOf, packed, bounds));
    },
    generateKey: () => hidden(guarded('generate key', () => binding.SigningKey.generate())),
    keyFromSeed(seed) {
      requireBytes(seed, 'read', 'seed');
      return hidden(guarded('read seed', () => binding.SigningKey.fromSeed(seed)));
    },
  };
}

/**
 * The one place that the addon is loaded from. It follows from this package's own place and from the platform;
 * no environment variable, argument or search path has a say.
 */
function prebuiltFile(): string {
  const libc = process.platform === 'linux' ? '-gnu' : '';
  const name = `meterseal-native.${process.platform}-${process.arch}${libc}.node`;
  return fileURLToPath(new URL(`../prebuilt/${name}`, import.meta.url));
}

/**
 * Loads the Rust addon.
 *
 * @throws MetersealError `addon-missing` where there is none for this platform and version
 */
export function loadAddon(): Engine {
  const file = prebuiltFile();
  const missing = (why: string, cause?: unknown): MetersealError =>
    new MetersealError('addon-missing', `couldn't load addon: ${why}`, {
      hint: 'build it with `npm run build -w @meterseal/native` (needs cargo); JavaScript serves until then',
      cause,
    });
  if (!existsSync(file)) throw missing('none is built for this platform');
  const module: { exports: Partial<Binding> } = { exports: {} };
  try {
    process.dlopen(module, file);
  } catch (cause) {
    throw missing(`${(cause as Error).message}`, cause);
  }
  if (module.exports.interfaceVersion?.() !== INTERFACE_VERSION)
    throw missing('it was built for another version');
  return engineOver(module.exports as Binding);
}
