/**
 * Checkpoints, c2sp.org/tlog-checkpoint, and what an origin says:
 *
 * ```
 * <origin>                     <operator domain>/meterseal/<box>/<epoch>
 * <size, decimal>              the platform ID is the origin without /<epoch>
 * <root, base64>
 * [<extension line>]…
 * ```
 */

import { fromBase64, toBase64, utf8 } from './bytes.js';
import type { Hasher } from './crypto.js';
import { MetersealError } from './errors.js';
import { MAX_INTEGER, MAX_NOTE_BYTES, MAX_STR_BYTES } from './limits.js';
import { HASH_BYTES } from './merkle/hash.js';

export interface Checkpoint {
  readonly origin: string;
  /** Number of leaves. */
  readonly size: number;
  /** Merkle tree hash, 32 bytes. */
  readonly root: Uint8Array;
  /** Our own chains have none, and a policy refuses them; other logs may. */
  readonly extensions: readonly string[];
}

/**
 * @param text the note's text, without signatures
 * @throws MetersealError `bad-checkpoint`
 */
export function parseCheckpoint(text: string): Checkpoint {
  if (text.length > MAX_NOTE_BYTES) refuse('too long');
  if (/[\u0000-\u0009\u000b-\u001f\p{Surrogate}]/u.test(text)) refuse('a control character');
  const lines = text.split('\n');
  if (lines.pop() !== '') refuse('the last line is not ended');
  if (lines.length < 3) refuse('fewer than three lines');
  if (lines.includes('')) refuse('an empty line');
  const [origin, size, root, ...extensions] = lines as [string, string, string, ...string[]];
  if (utf8(origin).length > MAX_STR_BYTES) refuse(`an origin of more than ${MAX_STR_BYTES} bytes`);
  const hash = fromBase64(root, 'bad-checkpoint');
  if (hash.length !== HASH_BYTES) refuse(`a root of ${hash.length} bytes`);
  return { origin, size: parseDecimal(size), root: hash, extensions };
}

/**
 * The note's text, to be signed.
 *
 * @throws MetersealError `bad-checkpoint` for what `parseCheckpoint` would refuse
 */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  const { origin, size, root, extensions } = checkpoint;
  const text = [origin, String(size), toBase64(root), ...extensions, ''].join('\n');
  const again = parseCheckpoint(text);
  if (again.origin !== origin || again.size !== size || again.extensions.length !== extensions.length) {
    refuse('a line break inside a line');
  }
  return text;
}

/**
 * SHA-256 of the note's text, the name that entries give to a checkpoint.
 *
 * @param note the note, with or without its signatures: a checkpoint's text has no empty line
 */
export function checkpointHash(h: Hasher, note: string): Uint8Array {
  const blank = note.indexOf('\n\n');
  return h.sha256(utf8(blank < 0 ? note : note.slice(0, blank + 1)));
}

/**
 * The origin without its epoch.
 *
 * @throws MetersealError `bad-checkpoint` if the origin does not end in `/<epoch>`
 */
export function platformIdOf(origin: string): string {
  return splitOrigin(origin)[0];
}

/**
 * The epoch that an origin ends in.
 *
 * @throws MetersealError `bad-checkpoint` if the origin does not end in `/<epoch>`
 */
export function epochOf(origin: string): number {
  return splitOrigin(origin)[1];
}

/**
 * @throws MetersealError `bad-checkpoint` for an empty platform ID, an epoch that is none, or more than 255 bytes
 */
export function originOf(platformId: string, epoch: number): string {
  const origin = `${platformId}/${epoch}`;
  splitOrigin(origin);
  return origin;
}

function splitOrigin(origin: string): [string, number] {
  const slash = origin.lastIndexOf('/');
  if (slash < 1) refuse('an origin without platform ID and epoch');
  if (utf8(origin).length > MAX_STR_BYTES) refuse(`an origin of more than ${MAX_STR_BYTES} bytes`);
  return [origin.slice(0, slash), parseDecimal(origin.slice(slash + 1))];
}

function parseDecimal(text: string): number {
  if (!/^(0|[1-9][0-9]{0,15})$/.test(text)) refuse('a number that is not decimal without leading zeros');
  const value = Number(text);
  if (value > MAX_INTEGER) refuse('a number above 2^53 − 1');
  return value;
}

function refuse(what: string): never {
  throw new MetersealError('bad-checkpoint', `couldn't parse checkpoint: ${what}`);
}
