import { ByteColumn } from '../storage/columns.js';

/** What is known of the seal of a reading on the chain. */
export const SEAL_UNCHECKED = 0;
/** The session key made it over the held record. */
export const SEAL_GOOD = 1;
/** It did not. */
export const SEAL_BAD = 2;
/** It is no signature, whatever the record is. */
export const SEAL_MALFORMED = 3;

const STATE = 3;
/** Set beside the state where the reading that is held first under its number has its hash. */
const SAME = 4;
/** Set where it is counted below. */
const COUNTED = 8;

/** The seals of all readings on the chain, by row; and of those that are held, how many were checked. */
export class SealStates {
  readonly #states = new ByteColumn();
  /** Readings held whose seal is good, and whose seal was never checked. */
  checked = 0;
  pending = 0;

  reserve(rows: number): void {
    this.#states.reserve(rows);
  }

  /** @param isSame the reading that is held first under its number has its hash */
  push(state: number, isSame = false): void {
    this.#states.push(isSame ? state | SAME : state);
  }

  of(row: number): number {
    return this.#states.at(row) & STATE;
  }

  /** True only if the reading that is held first under its number has its hash. */
  isSame(row: number): boolean {
    return (this.#states.at(row) & SAME) !== 0;
  }

  /** The reading that is held first under its number has its hash: its seal counts. */
  noteSame(row: number): void {
    const marks = this.#states.at(row);
    if ((marks & COUNTED) !== 0) return;
    this.#states.set(row, marks | SAME | COUNTED);
    if ((marks & STATE) === SEAL_GOOD) this.checked++;
    if ((marks & STATE) === SEAL_UNCHECKED) this.pending++;
  }

  /** A seal that was not checked before is good or bad. */
  settle(row: number, isGood: boolean): void {
    const marks = this.#states.at(row);
    if ((marks & STATE) !== SEAL_UNCHECKED) return;
    this.#states.set(row, marks | (isGood ? SEAL_GOOD : SEAL_BAD));
    if ((marks & COUNTED) === 0) return;
    this.pending--;
    if (isGood) this.checked++;
  }

  /** Nothing is known of what is held any more. */
  forgetHeld(): void {
    for (let row = 0; row < this.#states.length; row++) this.#states.set(row, this.#states.at(row) & STATE);
    this.checked = 0;
    this.pending = 0;
  }
}
