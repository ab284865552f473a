/**
 * Signed notes, c2sp.org/signed-note, with Ed25519 signatures and the timestamped cosignatures of
 * c2sp.org/tlog-cosignature:
 *
 * ```
 * <text, every line ended by a newline>
 * <empty line>
 * — <key name> <base64 of: key hash[4] ‖ signature>      one line per signature
 *
 * signature    0x01: sig[64] over the text
 *              0x04: u64 time in s ‖ sig[64] over "cosignature/v1\ntime <time>\n" ‖ text
 * ```
 */

import {
  ByteReader,
  ByteWriter,
  concat,
  equalBytes,
  fromBase64,
  isWellFormed,
  toBase64,
  utf8,
} from './bytes.js';
import type { Hasher, Signer, Verifier } from './crypto.js';
import { MetersealError } from './errors.js';
import { MAX_INTEGER, MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES } from './limits.js';
import type { VerifierKey } from './verifier-key.js';
import { ALG_COSIGNATURE, ALG_ED25519, isKeyName, verifierKeyOf } from './verifier-key.js';

export interface NoteSignature {
  /** Name of the key that is said to have signed. */
  readonly name: string;
  /** 4 bytes. */
  readonly keyHash: Uint8Array;
  /** What follows the key hash; its form depends on the key's algorithm. */
  readonly signature: Uint8Array;
}

export interface Note {
  /** What is signed, with its final newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/**
 * Takes a note apart; nothing is verified. The same key may have several lines: the format allows it.
 *
 * @param note the whole note
 * @throws MetersealError `bad-checkpoint`, `too-large`
 */
export function parseNote(note: string): Note {
  checkBounds(note);
  const blank = note.lastIndexOf('\n\n');
  if (blank < 0) refuse('no empty line before the signatures');
  const text = note.slice(0, blank + 1);
  checkText(text);
  const lines = note.slice(blank + 2).split('\n');
  if (lines.pop() !== '') refuse('the last line is not ended');
  if (lines.length === 0) refuse('no signature');
  if (lines.length > MAX_NOTE_SIGNATURES) refuse(`${lines.length} signatures`);
  return { text, signatures: lines.map(parseSignatureLine) };
}

/**
 * @throws MetersealError `bad-checkpoint` for what `parseNote` would refuse, `too-large`
 */
export function formatNote(note: Note): string {
  checkText(note.text);
  const out = `${note.text}\n${note.signatures.map((signature) => `${formatSignatureLine(signature)}\n`).join('')}`;
  const again = parseNote(out);
  if (again.text !== note.text || again.signatures.length !== note.signatures.length) {
    refuse('a line break inside a signature line');
  }
  return out;
}

/**
 * One signature line, without its newline.
 *
 * @throws MetersealError `bad-checkpoint`
 */
export function parseSignatureLine(line: string): NoteSignature {
  const parts = /^— ([^ ]+) ([A-Za-z0-9+/=]+)$/u.exec(line);
  if (parts === null || !isKeyName(parts[1]!)) refuse('a malformed signature line');
  const bytes = fromBase64(parts[2]!, 'bad-checkpoint');
  if (bytes.length < 5) refuse('a signature without content');
  return { name: parts[1]!, keyHash: bytes.slice(0, 4), signature: bytes.slice(4) };
}

/** One signature line, without its newline. */
export function formatSignatureLine(signature: NoteSignature): string {
  return `— ${signature.name} ${toBase64(concat(signature.keyHash, signature.signature))}`;
}

/**
 * Signs a text with algorithm 0x01, as a log signs its checkpoint.
 *
 * @param name the key's name; for a checkpoint its origin
 * @param text ended by a newline
 * @returns the note with this one signature
 * @throws MetersealError `bad-checkpoint`, `bad-key`; `signature-invalid` if the signer failed
 */
export function signNote(h: Hasher & Verifier, signer: Signer, name: string, text: string): string {
  checkText(text);
  const key = verifierKeyOf(h, name, ALG_ED25519, signer.publicKey);
  const line = { name, keyHash: key.keyHash, signature: signer.sign(utf8(text)) };
  return formatNote({ text, signatures: [checkOwn(h, key, text, line)] });
}

/**
 * Signs a checkpoint's text with algorithm 0x04, as a witness does.
 *
 * @param name the witness's key name
 * @param time seconds since 1970
 * @throws MetersealError `bad-checkpoint`, `bad-key`; `signature-invalid` if the signer failed
 */
export function cosign(
  h: Hasher & Verifier,
  signer: Signer,
  name: string,
  text: string,
  time: number,
): NoteSignature {
  checkText(text);
  const key = verifierKeyOf(h, name, ALG_COSIGNATURE, signer.publicKey);
  const signature = new ByteWriter()
    .u64(time)
    .bytes(signer.sign(cosignedMessage(text, time)), 64)
    .done();
  return checkOwn(h, key, text, { name, keyHash: key.keyHash, signature });
}

/** Whether a signature line names `key`; only then can it be verified with it. */
export function isSignatureOf(key: VerifierKey, signature: NoteSignature): boolean {
  return signature.name === key.name && equalBytes(signature.keyHash, key.keyHash);
}

/**
 * Whether `signature` is a good one of `key` over `text`. Never throws.
 */
export function verifyNoteSignature(
  verifier: Verifier,
  key: VerifierKey,
  text: string,
  signature: NoteSignature,
): boolean {
  if (!isSignatureOf(key, signature)) return false;
  if (key.algorithm === ALG_ED25519) {
    return (
      signature.signature.length === 64 && verifier.verify(key.publicKey, utf8(text), signature.signature)
    );
  }
  const time = cosignatureTime(signature);
  if (time === undefined) return false;
  return verifier.verify(key.publicKey, cosignedMessage(text, time), signature.signature.subarray(8));
}

/**
 * Time of a cosignature in seconds since 1970; undefined if the bytes are none, or the time is above 2^53 − 1.
 */
export function cosignatureTime(signature: NoteSignature): number | undefined {
  if (signature.signature.length !== 72) return undefined;
  const reader = new ByteReader(signature.signature, 'bad-checkpoint');
  const time = reader.u32() * 2 ** 32 + reader.u32();
  return time <= MAX_INTEGER ? time : undefined;
}

/** A signature that is not good must not leave the process: a fault while signing can give the key away. */
function checkOwn(
  verifier: Verifier,
  key: VerifierKey,
  text: string,
  signature: NoteSignature,
): NoteSignature {
  if (verifyNoteSignature(verifier, key, text, signature)) return signature;
  throw new MetersealError('signature-invalid', "couldn't sign note: the signature does not verify");
}

function cosignedMessage(text: string, time: number): Uint8Array {
  return utf8(`cosignature/v1\ntime ${time}\n${text}`);
}

function checkBounds(note: string): void {
  // UTF-8 is never shorter than the string, so that a huge one is refused before it is encoded.
  if (note.length > MAX_NOTE_BYTES || utf8(note).length > MAX_NOTE_BYTES) {
    throw new MetersealError('too-large', `couldn't parse note: more than ${MAX_NOTE_BYTES} bytes`);
  }
}

function checkText(text: string): void {
  if (text.length < 2 || !text.endsWith('\n')) refuse('the text is empty or not ended by a newline');
  if (/[\u0000-\u0009\u000b-\u001f]/.test(text)) refuse('a control character');
  if (!isWellFormed(text)) refuse('half a surrogate pair');
}

function refuse(what: string): never {
  throw new MetersealError('bad-checkpoint', `couldn't parse note: ${what}`);
}
