import type { GapReason, VerdictReason } from '@meterseal/protocol';
import { toHex } from '@meterseal/protocol';
import type { ChainBreak, ChainFlaw, ChainView } from '../mirror/chain-view.js';
import type { HeldRecords } from '../spool/spool-index.js';
import { Findings } from './findings.js';
import type { JudgedMeter, Matching } from './matching.js';
import { rowsOf } from './matching.js';

/** What the statements and acknowledgements say of one number of a meter; every signature is checked before. */
export interface Testimony {
  /** A delivery statement of the meter covers it. */
  isDelivered(subject: number, seq: number): boolean;
  /** This collector has acknowledged it. */
  isAcknowledged(subject: number, seq: number): boolean;
  /** A gap statement of the meter covers it. */
  gapAt(subject: number, seq: number): GapReason | undefined;
  /** A delivery statement, by a key enrolled on the chain, proves that this reading hash was delivered. */
  wasDelivered(subject: number, seq: number, hash: Uint8Array): boolean;
  /** The identity key that opened a session is one that the meter's openings name. */
  isKnownKey(subject: number, identityKey: Uint8Array): boolean;
}

export type JudgeInput = {
  readonly held: HeldRecords;
  /** Sessions' signatures are checked. */
  readonly chain: ChainView;
  /** By rising subject. */
  readonly meters: readonly JudgedMeter[];
  /** What is verified already, and the numbers that are open. */
  readonly matching: Matching;
  readonly testimony: Testimony;
  /** What is wrong with the chain besides what it says itself. */
  readonly breaks: readonly ChainBreak[];
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Milliseconds after which a delivered reading ought to be on the chain. */
  readonly anchoringDelay: number;
};

/** What a void record that replaces nothing it knows says, as the field writes it for readings that it lost. */
const REPLACES_UNKNOWN = '0'.repeat(64);

/**
 * Judges every number that matching has left open. Pure: all reading, hashing and checking of signatures is done before.
 * docs/collector.md says for each code when it is given, and of whom it speaks.
 */
export function judge(input: JudgeInput): Findings {
  const judgement = new Judgement(input);
  judgement.openNumbers();
  judgement.strangers();
  judgement.breaks();
  return judgement.findings;
}

class Judgement {
  readonly findings: Findings;
  readonly #input: JudgeInput;

  constructor(input: JudgeInput) {
    this.#input = input;
    this.findings = new Findings(input.matching.verified);
  }

  openNumbers(): void {
    const { held, chain, meters, matching } = this.#input;
    const bySubject = new Map(meters.map((meter) => [meter.subject, meter]));
    for (let i = 0; i < matching.open.length; i++) {
      const meter = bySubject.get(matching.open.subjectAt(i))!;
      const seq = matching.open.seqAt(i);
      const { ours, theirs } = rowsOf(this.#input, meter);
      const our = ours.rowsOf(seq);
      const their = theirs.rowsOf(seq);
      const isPair =
        our.length === 1 && their.length === 1 && held.hashes.same(our[0]!, chain.hashes, their[0]!);
      if (isPair) this.#pair(meter, seq, our[0]!, their[0]!);
      else this.#other(meter, seq, our, their);
    }
  }

  #pair(meter: JudgedMeter, seq: number, held: number, chain: number): void {
    const flaw = this.#flawOf(chain, meter.subject);
    if (flaw !== undefined) this.#tell(meter, seq, 'sequence-broken', flaw);
    else if (!this.#isVouchedFor(chain, meter.subject)) this.#tell(meter, seq, this.#waiting(held));
    else this.findings.verified();
  }

  #other(meter: JudgedMeter, seq: number, held: readonly number[], chain: readonly number[]): void {
    const { hashes } = this.#input.chain;
    const valid = chain.filter((row) => this.#flawOf(row, meter.subject) === undefined);
    const flawed = chain.find((row) => !valid.includes(row));
    const [entry, ...more] = valid;
    if (more.some((row) => !hashes.same(row, hashes, entry!))) {
      for (let i = 0; i < Math.max(1, held.length); i++) this.#tell(meter, seq, 'equivocation', 'two-hashes');
      return;
    }
    if (flawed !== undefined) {
      const count = entry === undefined ? Math.max(1, held.length) : 1;
      const flaw = this.#flawOf(flawed, meter.subject);
      for (let i = 0; i < count; i++) this.#tell(meter, seq, 'sequence-broken', flaw);
      if (entry === undefined) return;
    }
    if (held.length === 0) {
      this.#tell(meter, seq, this.#absent(meter, seq));
      return;
    }
    for (const row of held) {
      if (entry === undefined) this.#unanchored(meter, seq, row);
      else if (!this.#isVouchedFor(entry, meter.subject)) this.#tell(meter, seq, this.#waiting(row));
      else if (this.#input.held.hashes.same(row, hashes, entry)) this.findings.verified();
      else this.#differing(meter, seq, row, held, entry);
    }
  }

  /** Records of meters that were never opened to this collector: nothing that it received. */
  strangers(): void {
    const { held, meters } = this.#input;
    const known = new Set(meters.map(({ meter }) => meter));
    for (const meter of held.meters()) {
      if (known.has(meter)) continue;
      const rows = held.rowsOfMeter(meter)!;
      for (const seq of rows.numbers()) {
        for (const _version of rows.rowsOf(seq)) this.findings.tell(meter, 0, seq, 'not-in-chain');
      }
    }
  }

  /** What is wrong with the chain apart from the readings. */
  breaks(): void {
    const { chain, meters, breaks } = this.#input;
    for (const { subject, seq, flaw } of [...chain.breaks, ...breaks]) {
      const meter = meters.find((one) => one.subject === subject)?.meter;
      const reused = flaw === 'subject-reused' || flaw === 'commitment-differs';
      this.findings.tellBreak(meter, subject, seq, reused ? 'duplicate-subject' : 'sequence-broken', flaw);
    }
  }

  #tell({ meter, subject }: JudgedMeter, seq: number, reason: VerdictReason, flaw?: ChainFlaw): void {
    this.findings.tell(meter, subject, seq, reason, flaw === undefined ? {} : { flaw });
  }

  #flawOf(row: number, subject: number): ChainFlaw | undefined {
    return this.#input.chain.flawOf(row, subject);
  }

  /** False while the meter has not said that the identity key behind the entry is its own. */
  #isVouchedFor(row: number, subject: number): boolean {
    return this.#input.testimony.isKnownKey(subject, this.#input.chain.enrolmentOf(row).identityKey);
  }

  #waiting(row: number): VerdictReason {
    const { held, now, anchoringDelay } = this.#input;
    return now - held.receivedAt(row) > anchoringDelay ? 'anchoring-overdue' : 'not-yet-anchored';
  }

  /** On the chain, but not held. */
  #absent({ subject }: JudgedMeter, seq: number): VerdictReason {
    const { testimony } = this.#input;
    if (testimony.isAcknowledged(subject, seq)) return 'missing-at-collector';
    return testimony.gapAt(subject, seq) ?? 'not-yet-received';
  }

  /** Held, but not on the chain. */
  #unanchored(meter: JudgedMeter, seq: number, row: number): void {
    const { chain, testimony } = this.#input;
    const { subject } = meter;
    if (!testimony.isDelivered(subject, seq)) this.#tell(meter, seq, 'not-in-chain');
    else if (seq < chain.epochStart(subject)) {
      this.#tell(meter, seq, chain.hasUnmirroredEpoch ? 'before-mirror' : 'anchor-lost');
    } else if (seq < chain.lastSeq(subject)) this.#tell(meter, seq, 'sequence-broken', 'number-missing');
    else this.#tell(meter, seq, this.#waiting(row));
  }

  /** Held, and on the chain with another hash. */
  #differing(meter: JudgedMeter, seq: number, row: number, held: readonly number[], entry: number): void {
    const { held: index, chain } = this.#input;
    const hashes = { held: index.hashes.at(row).slice(), chain: chain.hashes.at(entry).slice() };
    const voidRow = held.find((other) => index.hashes.same(other, chain.hashes, entry));
    const replaces = voidRow === undefined ? undefined : index.replacedBy(voidRow);
    const reason = this.#whyDiffering(meter, seq, hashes.held, replaces);
    this.findings.tell(meter.meter, meter.subject, seq, reason, { hashes });
  }

  /** @param replaces what the void record in the reading's place says that it replaces, where there is one */
  #whyDiffering(
    { subject }: JudgedMeter,
    seq: number,
    hash: Uint8Array,
    replaces: string | undefined,
  ): VerdictReason {
    if (replaces === toHex(hash)) return 'refused-by-platform';
    if (!this.#input.testimony.wasDelivered(subject, seq, hash)) return 'hash-differs';
    return replaces === REPLACES_UNKNOWN ? 'lost-by-field' : 'equivocation';
  }
}
