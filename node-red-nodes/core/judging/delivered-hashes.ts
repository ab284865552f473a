import type { Hasher } from '@meterseal/protocol';
import { equalBytes, RUNNING_HASH_START, toHex } from '@meterseal/protocol';
import type { Deliveries } from '../ledgers/deliveries.js';
import type { KnownMeter } from '../ledgers/openings.js';
import { searchRunningHash } from '../ledgers/running-hash-search.js';
import type { StatementTrust } from '../ledgers/statement-trust.js';
import type { ChainView } from '../mirror/chain-view.js';
import type { HeldRecords } from '../spool/spool-index.js';
import { nextTurn, SIGNATURES_PER_TURN } from '../time/next-turn.js';
import type { JudgedMeter } from './matching.js';

export type DeliveredTools = {
  readonly hasher: Hasher;
  readonly trust: StatementTrust;
  readonly deliveries: Deliveries;
  readonly held: HeldRecords;
  readonly chain: ChainView;
};

/** Where everything differs, the first few thousand are looked into; the rest is the collector's fault until then. */
const MAX_SEGMENTS = 5_000;
/** Hashes that all searches together may cost: about three seconds. */
const MAX_SEARCH_HASHES = 2_000_000;
/** Statements on each side that are looked at where the nearest do not prove what is held, and hashes that it may cost. */
const FURTHER_STATEMENTS = 3;
const MAX_FURTHER_HASHES = 20_000;

/**
 * Finds out what was really delivered where the collector holds one thing and the chain says another.
 *
 * Two neighbouring delivery statements fix the hash of everything between them. If what is held leads from one to the
 * other, the box delivered it, whatever it anchored; if what the chain says does, the collector's copy was changed. Only
 * statements by an identity key that is enrolled on the chain count, so that nobody who can write to this collector
 * accuses a box.
 */
export class DeliveredHashes {
  readonly #tools: DeliveredTools;
  /** Several of one number where the box has stated it more than once. */
  readonly #found = new Map<string, Uint8Array[]>();
  readonly #signed = new Map<number, boolean>();
  readonly #searched = new Set<string>();
  readonly #budget = { hashes: MAX_SEARCH_HASHES };
  readonly #furtherBudget = { hashes: MAX_FURTHER_HASHES };

  private constructor(tools: DeliveredTools) {
    this.#tools = tools;
  }

  /** @param numbers that are held and on the chain with different hashes */
  static async of(
    tools: DeliveredTools,
    numbers: readonly { readonly meter: KnownMeter; readonly seq: number }[],
  ): Promise<DeliveredHashes> {
    const delivered = new DeliveredHashes(tools);
    for (const [i, { meter, seq }] of numbers.entries()) {
      if (delivered.#searched.size >= MAX_SEGMENTS) break;
      await delivered.#lookInto(meter, seq);
      await delivered.#lookFurther(meter, seq);
      if (i % SIGNATURES_PER_TURN === 0) await nextTurn();
    }
    return delivered;
  }

  /** Whether a reading is proven to have been delivered under a number. */
  has(subject: number, seq: number, hash: Uint8Array): boolean {
    return this.#found.get(`${subject}/${seq}`)?.some((found) => equalBytes(found, hash)) ?? false;
  }

  async #lookInto(meter: KnownMeter, seq: number): Promise<void> {
    const { deliveries } = this.#tools;
    const { before, after } = deliveries.around(meter.subject, seq);
    for (const end of after) {
      const first = deliveries.first(end);
      if (seq < first || !(await this.#isSigned(meter, end))) continue;
      const starts = [];
      for (const row of before) {
        if (deliveries.first(row) === first && (await this.#isSigned(meter, row))) starts.push(row);
      }
      for (const start of starts.length === 0 ? [undefined] : starts) this.#search(meter, start, end);
    }
  }

  /**
   * A box that has stated a number twice has left a statement between two that go together. What is held is delivered if
   * any two of the next few lead over it.
   */
  async #lookFurther(meter: KnownMeter, seq: number): Promise<void> {
    const { hasher, deliveries, held } = this.#tools;
    const versions = (number: number): Uint8Array[] =>
      held.versions(meter.meter, number).map((row) => held.hashes.at(row));
    const isProven = (): boolean => versions(seq).every((hash) => this.has(meter.subject, seq, hash));
    if (isProven()) return;
    const { before, after } = deliveries.around(meter.subject, seq, FURTHER_STATEMENTS);
    for (const end of after) {
      const begin = deliveries.first(end);
      const starts = before.filter((row) => deliveries.first(row) === begin);
      for (const start of starts.length === 0 ? [undefined] : starts) {
        const from = start === undefined ? begin : deliveries.to(start) + 1;
        const count = deliveries.to(end) - from + 1;
        if (count > this.#furtherBudget.hashes) continue;
        const path = Array.from({ length: count }, (_, i) => versions(from + i));
        const base = start === undefined ? RUNNING_HASH_START : deliveries.runningHash(start);
        const target = deliveries.runningHash(end);
        const found = searchRunningHash(hasher, base, target, path, this.#furtherBudget);
        if (found === undefined || !(await this.#isSigned(meter, end))) continue;
        if (start !== undefined && !(await this.#isSigned(meter, start))) continue;
        this.#note(meter.subject, from, found);
        if (isProven()) return;
      }
    }
  }

  #note(subject: number, from: number, hashes: readonly Uint8Array[]): void {
    for (const [i, hash] of hashes.entries()) {
      const number = `${subject}/${from + i}`;
      this.#found.set(number, [...(this.#found.get(number) ?? []), hash]);
    }
  }

  /** @param start the statement before, or undefined where there is none since the last gap */
  #search(meter: KnownMeter, start: number | undefined, end: number): void {
    const { hasher, deliveries } = this.#tools;
    const name = `${start}/${end}`;
    if (this.#searched.has(name)) return;
    this.#searched.add(name);
    const from = start === undefined ? deliveries.first(end) : deliveries.to(start) + 1;
    const count = deliveries.to(end) - from + 1;
    if (count > this.#budget.hashes) return;
    const candidates = Array.from({ length: count }, (_, i) => this.#candidates(meter, from + i));
    const base = start === undefined ? RUNNING_HASH_START : deliveries.runningHash(start);
    const found = searchRunningHash(hasher, base, deliveries.runningHash(end), candidates, this.#budget);
    this.#note(meter.subject, from, found ?? []);
  }

  /** What may have been delivered: the first version held, what the chain says, other versions. */
  #candidates({ meter, subject }: JudgedMeter & KnownMeter, seq: number): Uint8Array[] {
    const { held, chain } = this.#tools;
    const [first, ...others] = held.versions(meter, seq).map((row) => held.hashes.at(row));
    const entries = chain.rowsOf(subject, seq).map((row) => chain.hashes.at(row));
    const hashes = [...(first === undefined ? [] : [first]), ...entries, ...others];
    return [...new Map(hashes.map((hash) => [toHex(hash), hash])).values()];
  }

  async #isSigned(meter: KnownMeter, row: number): Promise<boolean> {
    const known = this.#signed.get(row);
    if (known !== undefined) return known;
    const signed = await this.#tools.deliveries.read(row);
    const key = signed === undefined ? undefined : this.#tools.trust.signerOf(signed, meter);
    const enrolled = this.#tools.chain.enrolments.filter(({ subject }) => subject === meter.subject);
    const isSigned = key !== undefined && enrolled.some(({ identityKey }) => equalBytes(identityKey, key));
    this.#signed.set(row, isSigned);
    return isSigned;
  }
}
