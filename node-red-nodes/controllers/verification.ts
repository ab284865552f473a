import { javascriptEngine } from '@meterseal/native/javascript';
import type { ComparisonResult, JudgedFinding } from '@meterseal/node-red-meterseal/core';
import type { ReadingRecord, Verdict, VerdictReason } from '@meterseal/protocol';
import {
  encodeRecord,
  equalBytes,
  isMetersealError,
  toHex,
  VERDICT_CODES,
  verdictOf,
} from '@meterseal/protocol';
import { payloadOf } from './reading-message.js';

/** What is said of one message's reading. */
export type Verification = {
  verdict: Verdict;
  /** `queue-full` where it was not compared, because too many waited. */
  reason: VerdictReason | 'queue-full';
  accused?: 'collector' | 'box' | 'platform' | 'flow';
  /** SHA-256 of `msg.reading`, in hex; absent where it is no record. */
  hash?: string;
  /** What the chain has under its number, in hex; absent where that is nothing, or not known from here. */
  chainHash?: string;
  /** The chain that it was judged by: entries. */
  size?: number;
  lease?: string;
  checkedAt: string;
};

/** A message's reading, as far as the message itself shows. */
export type Examined =
  | { readonly record: ReadingRecord; readonly hash: Uint8Array; readonly fault?: undefined }
  | { readonly fault: 'hash-differs' | 'payload-differs'; readonly hash?: Uint8Array };

/**
 * Looks at what a message says of itself: the reading must be a record, and a payload must be the one that it gives. A
 * payload that is no object any more is the flow's own, and says nothing.
 */
export function examine(message: { reading?: unknown; payload?: unknown }): Examined {
  let record: ReadingRecord;
  let hash: Uint8Array;
  try {
    record = message.reading as ReadingRecord;
    hash = javascriptEngine.sha256(encodeRecord(record));
  } catch (error) {
    if (!isMetersealError(error, 'bad-record') && !(error instanceof TypeError)) throw error;
    return { fault: 'hash-differs' };
  }
  if (!isPayloadOf(record, message.payload)) return { fault: 'payload-differs', hash };
  return { record, hash };
}

function isPayloadOf(record: ReadingRecord, payload: unknown): boolean {
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) return true;
  const expected = payloadOf(record);
  const given = Object.entries(payload);
  return (
    given.length === Object.keys(expected).length && given.every(([obis, value]) => expected[obis] === value)
  );
}

/** What one comparison says of single readings. */
export class Judgement {
  readonly #result: ComparisonResult;
  readonly #hashesOf: (meter: string, seq: number) => readonly Uint8Array[];
  readonly #checkedAt: string;
  readonly #findings = new Map<string, JudgedFinding[]>();
  /** The list of findings is cut, so that its silence proves nothing. */
  readonly #isCut: boolean;

  /**
   * @param hashesOf of all versions that are held
   * @param at when the comparison ended, milliseconds since 1970
   */
  constructor(
    result: ComparisonResult,
    hashesOf: (meter: string, seq: number) => readonly Uint8Array[],
    at: number,
  ) {
    this.#result = result;
    this.#hashesOf = hashesOf;
    this.#checkedAt = new Date(at).toISOString();
    const { findings, counts } = result;
    for (const finding of findings) {
      const key = `${finding.meter} ${finding.seq}`;
      const known = this.#findings.get(key);
      if (known === undefined) this.#findings.set(key, [finding]);
      else known.push(finding);
    }
    this.#isCut = findings.length < counts.tampered + counts.unverifiable;
  }

  of(examined: Examined): Verification {
    if (examined.fault !== undefined) return this.#say(examined.fault, examined.hash, 'flow');
    const { record, hash } = examined;
    const { outcome } = this.#result;
    if (outcome !== 'judged') return this.#say(outcome, hash);
    const findings = this.#findings.get(`${record.meter} ${record.seq}`) ?? [];
    const held = this.#hashesOf(record.meter, record.seq);
    const own = findings.find(({ hashes }) => hashes !== undefined && equalBytes(hashes.held, hash));
    if (own !== undefined) return this.#say(own.reason, hash, own.accused, own.hashes?.chain);
    // What is held is what was judged: a reading that is not among it was made, or changed, on the way here.
    if (!held.some((one) => equalBytes(one, hash))) return this.#say('hash-differs', hash, 'flow');
    // What speaks of another version, and says that the chain has this one, is nothing against it.
    const against = findings.filter(({ hashes }) => hashes === undefined || !equalBytes(hashes.chain, hash));
    const [worst] = against.sort((a, b) => VERDICT_CODES[a.reason] - VERDICT_CODES[b.reason]);
    if (worst !== undefined) return this.#say(worst.reason, hash, worst.accused, worst.hashes?.chain);
    return this.#isCut ? this.#say('not-yet-anchored', hash) : this.#say('verified', hash);
  }

  #say(
    reason: VerdictReason,
    hash: Uint8Array | undefined,
    accused?: Verification['accused'],
    chainHash = reason === 'verified' ? hash : undefined,
  ): Verification {
    const { chain, lease } = this.#result;
    return {
      verdict: verdictOf(reason),
      reason,
      ...(accused === undefined ? {} : { accused }),
      ...(hash === undefined ? {} : { hash: toHex(hash) }),
      ...(chainHash === undefined ? {} : { chainHash: toHex(chainHash) }),
      ...(chain === null ? {} : { size: chain.size }),
      lease: toHex(lease),
      checkedAt: this.#checkedAt,
    };
  }
}
