import type { ChainView } from '../mirror/chain-view.js';
import { SESSION_GOOD } from '../mirror/chain-view.js';
import { SEAL_GOOD, SEAL_UNCHECKED } from '../mirror/seal-states.js';
import type { HeldRecords } from '../spool/spool-index.js';
import { NumberColumn } from '../storage/columns.js';
import { SeqRows } from '../storage/seq-rows.js';

/** A meter whose readings this collector has to do with; its ID is unknown where its opening is lost. */
export type JudgedMeter = { readonly subject: number; readonly meter: string | undefined };

/** Numbers of meters. */
export class NumberList {
  readonly #subjects = new NumberColumn();
  readonly #seqs = new NumberColumn();

  get length(): number {
    return this.#seqs.length;
  }

  push(subject: number, seq: number): void {
    this.#subjects.push(subject);
    this.#seqs.push(seq);
  }

  subjectAt(i: number): number {
    return this.#subjects.at(i);
  }

  seqAt(i: number): number {
    return this.#seqs.at(i);
  }
}

export type MatchInput = {
  readonly held: HeldRecords;
  /** Sessions' signatures are checked. */
  readonly chain: ChainView;
  /** The identity key that opened a session is one that the meter's openings name. */
  readonly isKnownKey: (subject: number, identityKey: Uint8Array) => boolean;
};

const NONE = new SeqRows();

/**
 * Puts what is held beside what is on the chain, number by number. Where one record is held and one entry stands, the
 * hashes are the same, and nothing is wrong with the session or known of the seal, there is nothing more to say; every
 * other number stays open, to be looked at closely.
 */
export class Matching {
  readonly #input: MatchInput;
  /** Readings that are verified, as far as their seals are checked. */
  verified = 0;
  readonly open = new NumberList();
  // The session that was looked at last, and whether it is a good one of a known key.
  #session = -1;
  #isGoodSession = false;

  constructor(input: MatchInput) {
    this.#input = input;
  }

  /** @param from numbers of the meter below this are passed over */
  walk(meter: JudgedMeter, from = 0): void {
    const { subject } = meter;
    const { ours, theirs } = rowsOf(this.#input, meter);
    const irregular = [...new Set([...ours.irregular, ...theirs.irregular])]
      .filter((seq) => seq >= from)
      .sort((a, b) => a - b);
    let a = ours.positionFrom(from);
    let b = theirs.positionFrom(from);
    let c = 0;
    for (;;) {
      const ourSeq = a < ours.count ? ours.seqAt(a) : Number.POSITIVE_INFINITY;
      const theirSeq = b < theirs.count ? theirs.seqAt(b) : Number.POSITIVE_INFINITY;
      const oddSeq = c < irregular.length ? irregular[c]! : Number.POSITIVE_INFINITY;
      const seq = Math.min(ourSeq, theirSeq, oddSeq);
      if (seq === Number.POSITIVE_INFINITY) return;
      const isPair = ourSeq === theirSeq && seq !== oddSeq;
      if (isPair && this.#isVerified(subject, ours.rowAt(a), theirs.rowAt(b))) this.verified++;
      else this.open.push(subject, seq);
      if (seq === ourSeq) a++;
      if (seq === theirSeq) b++;
      if (seq === oddSeq) c++;
    }
  }

  /** One number alone. */
  look(meter: JudgedMeter, seq: number): void {
    if (this.#isPlain(meter, seq)) this.verified++;
    else this.open.push(meter.subject, seq);
  }

  /** The seal of an entry under this number turned out bad: before that is noted. */
  reopen(meter: JudgedMeter, seq: number): void {
    if (!this.#isPlain(meter, seq)) return;
    this.verified--;
    this.open.push(meter.subject, seq);
  }

  /** Whether a number counts as verified. */
  #isPlain(meter: JudgedMeter, seq: number): boolean {
    const { ours, theirs } = rowsOf(this.#input, meter);
    const [our, ...others] = ours.rowsOf(seq);
    const [their, ...more] = theirs.rowsOf(seq);
    if (our === undefined || their === undefined || others.length + more.length > 0) return false;
    return this.#isVerified(meter.subject, our, their);
  }

  #isVerified(subject: number, our: number, their: number): boolean {
    const { held, chain } = this.#input;
    if (!chain.seals.isSame(their) && !held.hashes.same(our, chain.hashes, their)) return false;
    const session = chain.readingSessions.at(their);
    if (session !== this.#session) {
      this.#session = session;
      this.#isGoodSession = session >= 0 && this.#isGood(session);
    }
    if (!this.#isGoodSession || chain.sessionSubjects.at(session) !== subject) return false;
    const seal = chain.seals.of(their);
    if (seal !== SEAL_UNCHECKED && seal !== SEAL_GOOD) return false;
    chain.seals.noteSame(their);
    return true;
  }

  #isGood(session: number): boolean {
    const { chain, isKnownKey } = this.#input;
    if (chain.sessionStates.at(session) !== SESSION_GOOD) return false;
    const { identityKey } = chain.enrolments[chain.sessionEnrolments.at(session)]!;
    return isKnownKey(chain.sessionSubjects.at(session), identityKey);
  }
}

/** What is held of a meter, and what the chain has of it. */
export function rowsOf(
  { held, chain }: Pick<MatchInput, 'held' | 'chain'>,
  { meter, subject }: JudgedMeter,
): { readonly ours: SeqRows; readonly theirs: SeqRows } {
  const ours = (meter === undefined ? undefined : held.rowsOfMeter(meter)) ?? NONE;
  return { ours, theirs: chain.subjects.get(subject) ?? NONE };
}
