import type { Finding, Verdict, VerdictReason } from '@meterseal/protocol';
import { compareFindings, verdictOf } from '@meterseal/protocol';
import type { ChainFlaw } from '../mirror/chain-view.js';

/** Who has to answer for a finding; nobody for what is only not known yet. */
export type Accused = 'collector' | 'box' | 'platform';

export type JudgedFinding = Finding & {
  /** Undefined where the meter's opening is not held, and for the box. */
  readonly meter: string | undefined;
  readonly accused: Accused | undefined;
  /** What is wrong with the chain, where that is the reason. */
  readonly flaw?: ChainFlaw;
  /** Reading hashes, where the version held and the chain's are both there and differ. */
  readonly hashes?: DifferingHashes;
};

export type DifferingHashes = { readonly held: Uint8Array; readonly chain: Uint8Array };

export type VerdictCounts = {
  readonly verified: number;
  readonly tampered: number;
  readonly unverifiable: number;
};

/** Findings of each class that are listed; the counts cover all. */
const MAX_LISTED = 10_000;

const ACCUSED: Partial<Record<VerdictReason, Accused>> = {
  'hash-differs': 'collector',
  'not-in-chain': 'collector',
  'missing-at-collector': 'collector',
  'payload-differs': 'collector',
  equivocation: 'box',
  'sequence-broken': 'platform',
  'duplicate-subject': 'platform',
  'history-rewritten': 'platform',
};

/** Counts verdicts, and lists those that are not `verified`, in the order in which they are told. */
export class Findings {
  readonly #counts: { verified: number; tampered: number; unverifiable: number };
  /** Versions held, and entries that are not held. */
  readings: number;
  readonly #listed: Record<Verdict, JudgedFinding[]> = { verified: [], tampered: [], unverifiable: [] };
  /** Flaws of the chain that readings were told of. */
  readonly #toldOfReadings = new Set<string>();

  /** @param verified readings that are verified already */
  constructor(verified = 0) {
    this.readings = verified;
    this.#counts = { verified, tampered: 0, unverifiable: 0 };
  }

  get counts(): VerdictCounts {
    return this.#counts;
  }

  verified(): void {
    this.readings++;
    this.#counts.verified++;
  }

  /** What is said of one reading. */
  tell(
    meter: string | undefined,
    subject: number,
    seq: number,
    reason: VerdictReason,
    more: { readonly flaw?: ChainFlaw; readonly hashes?: DifferingHashes } = {},
  ): void {
    this.readings++;
    if (more.flaw !== undefined) this.#toldOfReadings.add(`${subject}/${seq}/${reason}`);
    this.#note(meter, subject, seq, reason, more);
  }

  /** Tells a break of the chain, unless a reading was told of for the same reason at the same place. */
  tellBreak(
    meter: string | undefined,
    subject: number,
    seq: number,
    reason: VerdictReason,
    flaw: ChainFlaw,
  ): void {
    if (!this.#toldOfReadings.has(`${subject}/${seq}/${reason}`))
      this.#note(meter, subject, seq, reason, { flaw });
  }

  /** Sorted by subject, number and code; the first of each class if there are very many. */
  list(): JudgedFinding[] {
    return [...this.#listed.tampered, ...this.#listed.unverifiable].sort(compareFindings);
  }

  #note(
    meter: string | undefined,
    subject: number,
    seq: number,
    reason: VerdictReason,
    more: { readonly flaw?: ChainFlaw; readonly hashes?: DifferingHashes },
  ): void {
    const verdict = verdictOf(reason);
    this.#counts[verdict]++;
    const listed = this.#listed[verdict];
    if (verdict === 'verified' || listed.length >= MAX_LISTED) return;
    listed.push({ subject, seq, reason, meter, accused: ACCUSED[reason], ...more });
  }
}
