import type { ByteReader } from '../bytes.js';
import { readKey } from '../key.js';
import { MAX_VERDICT_FINDINGS } from '../limits.js';
import { nameOf } from '../named-code.js';
import type { VerdictReason } from '../verdict.js';
import { VERDICT_CODES } from '../verdict.js';
import { finishMessage, preamble, startMessage } from './preamble.js';

/*
 *   verdict  PRE | str origin | collector key[32] | lease[16] | u64 size | root[32] | u64 time_ms
 *            | u32 verified | u32 tampered | u32 unverifiable
 *            | u16 n ≤ 200 | n × (u32 subject | u64 seq | u8 reason)      sorted by subject, seq, reason; collector key
 */

/** One reading that is not verified. */
export type Finding = { readonly subject: number; readonly seq: number; readonly reason: VerdictReason };

export type VerdictStatement = {
  readonly origin: string;
  readonly collectorKey: Uint8Array;
  readonly lease: Uint8Array;
  readonly size: number;
  readonly root: Uint8Array;
  readonly time: number;
  readonly verified: number;
  readonly tampered: number;
  readonly unverifiable: number;
  /** The first `MAX_VERDICT_FINDINGS` that are not verified; the counts cover the rest. */
  readonly findings: readonly Finding[];
};

/**
 * Sorts the findings and lists the first of them.
 *
 * @throws MetersealError `bad-argument`
 */
export function encodeVerdict(statement: VerdictStatement): Uint8Array {
  const to = startMessage('verdict').str(statement.origin).bytes(statement.collectorKey, 32);
  to.bytes(statement.lease, 16).u64(statement.size).bytes(statement.root, 32).u64(statement.time);
  to.u32(statement.verified).u32(statement.tampered).u32(statement.unverifiable);
  const findings = [...statement.findings].sort(compareFindings).slice(0, MAX_VERDICT_FINDINGS);
  to.u16(findings.length);
  for (const { subject, seq, reason } of findings) to.u32(subject).u64(seq).u8(VERDICT_CODES[reason]);
  return finishMessage(to, readVerdict);
}

/** Reads a verdict from where the reader stands; its signature follows. */
export function readVerdict(from: ByteReader): VerdictStatement {
  from.expect(preamble('verdict'), 'preamble');
  const head = {
    origin: from.str(),
    collectorKey: readKey(from),
    lease: from.bytes(16),
    size: from.u64(),
    root: from.bytes(32),
    time: from.u64(),
    verified: from.u32(),
    tampered: from.u32(),
    unverifiable: from.u32(),
  };
  const count = from.u16();
  if (count > MAX_VERDICT_FINDINGS) from.refuse(`${count} findings`);
  const findings: Finding[] = [];
  for (let i = 0; i < count; i++) {
    const finding = { subject: from.u32(), seq: from.u64(), reason: nameOf(VERDICT_CODES, from.u8(), from) };
    if (finding.reason === 'verified') from.refuse('a finding that is verified');
    const previous = findings.at(-1);
    if (previous !== undefined && compareFindings(previous, finding) >= 0)
      from.refuse('findings out of order');
    findings.push(finding);
  }
  if (count > head.tampered + head.unverifiable) from.refuse('more findings than the counts say');
  return { ...head, findings };
}

export function compareFindings(a: Finding, b: Finding): number {
  return a.subject - b.subject || a.seq - b.seq || VERDICT_CODES[a.reason] - VERDICT_CODES[b.reason];
}
