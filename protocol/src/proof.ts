import { fromBase64, fromUtf8, toBase64, utf8 } from './bytes.js';
import { MetersealError } from './errors.js';
import { MAX_INTEGER, MAX_PROOF_BYTES, MAX_PROOF_HASHES } from './limits.js';
import { isMeterId } from './record.js';

/*
 * A proof file: UTF-8, LF, at most 64 KiB.
 *
 *   meterseal-proof/v0
 *   record <base64>
 *   opening <meter ID> <base64 salt> <subject>
 *   entry <index> <base64 entry>            × 4: 01, 02, 03, 04, indexes rising, each followed by its
 *   <base64 hash>                           inclusion hashes, one a line
 *   <empty line>
 *   <the checkpoint note, verbatim>
 */

export type ProvenEntry = {
  readonly index: number;
  readonly entry: Uint8Array;
  /** Inclusion hashes, from the leaf up. */
  readonly inclusion: readonly Uint8Array[];
};

export type Proof = {
  readonly record: Uint8Array;
  readonly meter: string;
  readonly salt: Uint8Array;
  readonly subject: number;
  /** Enrolment, authentication, session, reading. */
  readonly entries: readonly [ProvenEntry, ProvenEntry, ProvenEntry, ProvenEntry];
  readonly note: string;
};

const HEADER = 'meterseal-proof/v0';

/** @throws MetersealError `bad-proof` for what `decodeProof` would refuse */
export function encodeProof(proof: Proof): Uint8Array {
  const lines = [
    HEADER,
    `record ${toBase64(proof.record)}`,
    `opening ${proof.meter} ${toBase64(proof.salt)} ${proof.subject}`,
  ];
  for (const { index, entry, inclusion } of proof.entries) {
    lines.push(`entry ${index} ${toBase64(entry)}`, ...inclusion.map(toBase64));
  }
  const bytes = utf8(`${lines.join('\n')}\n\n${proof.note}`);
  decodeProof(bytes);
  return bytes;
}

/** @throws MetersealError `bad-proof` */
export function decodeProof(bytes: Uint8Array): Proof {
  if (bytes.length > MAX_PROOF_BYTES) refuse(`${bytes.length} bytes, at most ${MAX_PROOF_BYTES} allowed`);
  const text = fromUtf8(bytes, 'bad-proof');
  const end = text.indexOf('\n\n');
  if (end < 0) refuse('no empty line before the checkpoint');
  const lines = text.slice(0, end).split('\n');
  const next = (): string => lines.shift() ?? refuse('lines are missing');

  if (next() !== HEADER) refuse(`the first line is not ${HEADER}`);
  const [record] = fields(next(), 'record', 1);
  const [meter, salt, subject] = fields(next(), 'opening', 3);
  if (!isMeterId(meter)) refuse('the opening names no meter ID');
  const saltBytes = fromBase64(salt!, 'bad-proof');
  if (saltBytes.length !== 16) refuse('a salt has 16 bytes');

  const readEntry = (): ProvenEntry => {
    const [index, entry] = fields(next(), 'entry', 2);
    const inclusion: Uint8Array[] = [];
    while (lines.length > 0 && !lines[0]!.includes(' ')) {
      const hash = fromBase64(next(), 'bad-proof');
      if (hash.length !== 32) refuse('an inclusion hash has 32 bytes');
      if (inclusion.push(hash) > MAX_PROOF_HASHES) refuse('too many inclusion hashes');
    }
    return { index: decimal(index!), entry: fromBase64(entry!, 'bad-proof'), inclusion };
  };
  const entries: Proof['entries'] = [readEntry(), readEntry(), readEntry(), readEntry()];
  if (lines.length > 0) refuse('lines are left over');
  for (let i = 1; i < 4; i++) if (entries[i]!.index <= entries[i - 1]!.index) refuse('indexes do not rise');

  return {
    record: fromBase64(record!, 'bad-proof'),
    meter,
    salt: saltBytes,
    subject: decimal(subject!),
    entries,
    note: text.slice(end + 2),
  };
}

function fields(line: string, name: string, count: number): string[] {
  const [first, ...rest] = line.split(' ');
  if (first !== name || rest.length !== count) refuse(`a line "${name}" with ${count} fields is missing`);
  return rest;
}

function decimal(text: string): number {
  const value = /^(?:0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= MAX_INTEGER)) refuse('a number is not a decimal up to 2^53 − 1');
  return value;
}

function refuse(why: string): never {
  throw new MetersealError('bad-proof', `couldn't read proof: ${why}`);
}
