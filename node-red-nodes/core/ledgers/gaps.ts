import type { Gap, GapReason, MetersealError, Signed } from '@meterseal/protocol';
import { concat, decodeSigned, readGap } from '@meterseal/protocol';
import type { Damage } from '../storage/frame-scanner.js';
import { Journal } from '../storage/journal.js';
import type { Storage } from '../storage/storage.js';
import type { KnownMeter } from './openings.js';
import type { StatementTrust } from './statement-trust.js';

/** Gap statements, byte for byte as signed: the numbers that a meter will never deliver, and why. */
export class Gaps {
  readonly #statements = new Map<number, Signed<Gap>[]>();
  #journal: Journal | undefined;

  static async open(storage: Storage, path: string): Promise<Gaps> {
    const gaps = new Gaps();
    gaps.#journal = await Journal.open(storage, path, 'gap statements', (item) => {
      gaps.#note(decodeSigned(item, readGap));
    });
    return gaps;
  }

  get damage(): readonly Damage[] {
    return this.#journal!.damage;
  }

  get failure(): MetersealError | undefined {
    return this.#journal!.failure;
  }

  /** True if a statement of exactly these numbers is held. */
  has(subject: number, from: number, to: number): boolean {
    return this.#of(subject).some(({ value }) => value.from === from && value.to === to);
  }

  /** @throws MetersealError `commit-failed`, `disk-full` */
  async add(statements: readonly Signed<Gap>[]): Promise<void> {
    await this.#journal!.append(statements.map(({ message, signature }) => concat(message, signature)));
    for (const statement of statements) this.#note(statement);
  }

  /** Why a meter's numbers are missing, by statements that it has signed. */
  signedBy(meter: KnownMeter, trust: StatementTrust): StatedGap[] {
    return this.#of(meter.subject)
      .filter((signed) => trust.signerOf(signed, meter) !== undefined)
      .map(({ value: { from, to, reason } }) => ({ from, to, reason }));
  }

  async close(): Promise<void> {
    await this.#journal!.close();
  }

  #of(subject: number): readonly Signed<Gap>[] {
    return this.#statements.get(subject) ?? [];
  }

  #note(statement: Signed<Gap>): void {
    const { subject } = statement.value.meter;
    this.#statements.set(subject, [...this.#of(subject), statement]);
  }
}

export type StatedGap = { readonly from: number; readonly to: number; readonly reason: GapReason };
