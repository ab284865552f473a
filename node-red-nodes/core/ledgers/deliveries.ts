import type { Delivery, MetersealError, Signed } from '@meterseal/protocol';
import { concat, decodeSigned, equalBytes, readDelivery } from '@meterseal/protocol';
import { BytesColumn, NumberColumn } from '../storage/columns.js';
import type { Damage } from '../storage/frame-scanner.js';
import { Journal } from '../storage/journal.js';
import { SeqRows } from '../storage/seq-rows.js';
import type { Storage } from '../storage/storage.js';

/** The statements on both sides of a number: rows whose `to` is below it, and rows whose `to` is not. */
export type StatementsAround = { readonly before: readonly number[]; readonly after: readonly number[] };

/**
 * Every delivery statement that was accepted, byte for byte as the meter's identity key signed it: what a box delivered
 * is proven by them alone. In memory only what they say is kept; the signed bytes are read again when they are needed.
 */
export class Deliveries {
  readonly #firsts = new NumberColumn();
  readonly #tos = new NumberColumn();
  readonly #hashes = new BytesColumn(32);
  readonly #places = new NumberColumn();
  readonly #lengths = new NumberColumn();
  readonly #subjects = new Map<number, SeqRows>();
  #journal: Journal | undefined;

  static async open(storage: Storage, path: string): Promise<Deliveries> {
    const deliveries = new Deliveries();
    deliveries.#journal = await Journal.open(storage, path, 'delivery statements', (item, at) => {
      deliveries.#note(decodeSigned(item, readDelivery).value, at, item.length);
    });
    return deliveries;
  }

  get damage(): readonly Damage[] {
    return this.#journal!.damage;
  }

  get failure(): MetersealError | undefined {
    return this.#journal!.failure;
  }

  subjects(): Iterable<number> {
    return this.#subjects.keys();
  }

  /** @throws MetersealError `commit-failed`, `disk-full` */
  async add(statements: readonly Signed<Delivery>[]): Promise<void> {
    const items = statements.map(({ message, signature }) => concat(message, signature));
    const places = await this.#journal!.append(items);
    for (const [i, { value }] of statements.entries()) this.#note(value, places[i]!, items[i]!.length);
  }

  /** Statements of a subject over exactly `first`…`to`. */
  over(subject: number, first: number, to: number): number[] {
    const rows = this.#subjects.get(subject)?.rowsOf(to) ?? [];
    return rows.filter((row) => this.#firsts.at(row) === first);
  }

  /** The running hash of a statement. A view. */
  runningHash(row: number): Uint8Array {
    return this.#hashes.at(row);
  }

  first(row: number): number {
    return this.#firsts.at(row);
  }

  to(row: number): number {
    return this.#tos.at(row);
  }

  /**
   * The nearest statements of a subject on both sides of a number.
   *
   * @param reach numbers at which statements end, on each side
   */
  around(subject: number, seq: number, reach = 1): StatementsAround {
    const rows = this.#subjects.get(subject);
    if (rows === undefined) return { before: [], after: [] };
    const position = rows.positionFrom(seq);
    const irregular = [...rows.irregular];
    const below = irregular.filter((to) => to < seq).sort((a, b) => b - a);
    const above = irregular.filter((to) => to >= seq).sort((a, b) => a - b);
    const before = new Set(below.slice(0, reach));
    const after = new Set(above.slice(0, reach));
    for (let at = position - 1; at >= Math.max(0, position - reach); at--) before.add(rows.seqAt(at));
    for (let at = position; at < Math.min(rows.count, position + reach); at++) after.add(rows.seqAt(at));
    const rowsAt = (tos: ReadonlySet<number>): number[] => [...tos].flatMap((to) => rows.rowsOf(to));
    return { before: rowsAt(before), after: rowsAt(after) };
  }

  /** Rows of a subject by falling `to`. */
  latestFirst(subject: number): number[] {
    const rows = this.#subjects.get(subject);
    const tos = [...(rows?.numbers() ?? [])].sort((a, b) => b - a);
    return tos.flatMap((to) => rows!.rowsOf(to));
  }

  /** The signed statement of a row, as it is on the disk now; undefined where that is not what it was. */
  async read(row: number): Promise<Signed<Delivery> | undefined> {
    const item = await this.#journal!.read(this.#places.at(row), this.#lengths.at(row)).catch(
      () => undefined,
    );
    if (item === undefined) return undefined;
    try {
      const signed = decodeSigned(item, readDelivery);
      const { first, to, runningHash } = signed.value;
      const same =
        first === this.first(row) && to === this.to(row) && equalBytes(runningHash, this.runningHash(row));
      return same ? signed : undefined;
    } catch {
      return undefined;
    }
  }

  async close(): Promise<void> {
    await this.#journal!.close();
  }

  #note(delivery: Delivery, place: number, length: number): void {
    const row = this.#tos.length;
    this.#firsts.push(delivery.first);
    this.#tos.push(delivery.to);
    this.#hashes.push(delivery.runningHash);
    this.#places.push(place);
    this.#lengths.push(length);
    const { subject } = delivery.meter;
    let rows = this.#subjects.get(subject);
    if (rows === undefined) {
      rows = new SeqRows();
      this.#subjects.set(subject, rows);
    }
    rows.add(delivery.to, row);
  }
}
