import { MAX_RAW_WORDS } from '@meterseal/protocol';
import type { RegisterRead, Shape } from './register-read.js';
import { dataRead, shapeOf } from './register-read.js';

/** Exceptions in a row, to reads sent only to clear the line, after which older answers count as gone. */
const EXCEPTIONS_THAT_CLEAR = 3;

/**
 * An answer that is later than this is not expected any more, where there is no other way to go on. Only then: all
 * lengths that could clear the line are used up, as after many lost answers in a short time.
 */
const FORGET_MS = 10_000;

interface Sent {
  /** The request's number, within its unit. */
  readonly number: number;
  /** Monotonic milliseconds. */
  readonly at: number;
}

/** What has to come before a read: nothing, another read, or time. */
export type Before = 'nothing' | 'time' | RegisterRead;

interface Unit {
  /** Number of the last request. */
  number: number;
  /** Shapes of answers that may still come: unanswered ones, and repetitions of the last. */
  readonly pending: Map<Shape, Sent>;
  /** A read that only clears the line is due before anything else. */
  resync: boolean;
  /** The last request was answered, beyond doubt, by its own registers. */
  certain: boolean;
  exceptions: number;
  /** Shapes that readings need: not used up to clear the line if others will do. */
  readonly wanted: Set<Shape>;
  /** Reads of any shape that this meter has answered with registers. */
  readonly answered: Map<Shape, RegisterRead>;
}

/**
 * Keeps, per unit, which answers may still come, so that none is taken for the answer to another request.
 *
 * It rests on one assumption: a device answers in order; whatever it sends on account of one request it sends
 * before the answer to the next. The rule that follows: nothing is sent while an answer of its shape may still
 * come, and so an answer of its shape proves that everything older is gone.
 */
export class LateReplies {
  readonly #units = new Map<number, Unit>();

  /** A connection begins: whoever used the line before may have left answers behind. */
  opened(): void {
    for (const unit of this.#units.values()) unit.resync = true;
  }

  /**
   * What has to come before `read`, so that no late answer is taken for its own.
   *
   * @param now monotonic milliseconds
   * @param others reads of this unit that it is known to answer
   */
  before(read: RegisterRead, now: number, others: readonly RegisterRead[] = []): Before {
    const unit = this.#unit(read.unit);
    unit.wanted.add(shapeOf(read));
    if (!unit.resync && !unit.pending.has(shapeOf(read))) return 'nothing';
    return choose(read, unit, now, others) ?? 'time';
  }

  sent(read: RegisterRead, now: number): void {
    const unit = this.#unit(read.unit);
    unit.number += 1;
    unit.pending.set(shapeOf(read), { number: unit.number, at: now });
  }

  /** The last request was answered with registers. */
  answeredWithRegisters(read: RegisterRead): void {
    const unit = this.#unit(read.unit);
    forget(unit, unit.number - 1);
    unit.certain = true;
    unit.resync = false;
    unit.exceptions = 0;
    unit.answered.set(shapeOf(read), read);
  }

  /** The last request was answered with an exception: it could be the late one of an older request. */
  answeredWithException(read: RegisterRead): void {
    const unit = this.#unit(read.unit);
    unit.exceptions += 1;
    if (unit.certain) {
      // Everything older is gone, so the exception is this request's own, and registers will not follow.
      forget(unit, unit.number);
    } else if (unit.exceptions >= EXCEPTIONS_THAT_CLEAR) {
      forget(unit, unit.number - unit.exceptions);
      unit.resync = false;
    }
    unit.certain = false;
  }

  /** The last request was not answered, or by bytes that were not its answer. */
  unanswered(read: RegisterRead): void {
    const unit = this.#unit(read.unit);
    unit.resync = true;
    unit.certain = false;
    unit.exceptions = 0;
  }

  /** Bytes came from the line that nobody asked for. */
  unsolicited(unit: number): void {
    this.#unit(unit).resync = true;
  }

  #unit(number: number): Unit {
    let unit = this.#units.get(number);
    if (unit === undefined) {
      unit = {
        number: 0,
        pending: new Map(),
        resync: true,
        certain: false,
        exceptions: 0,
        wanted: new Set(),
        answered: new Map(),
      };
      this.#units.set(number, unit);
    }
    return unit;
  }
}

/** Drops the answers of requests up to `number`. */
function forget(unit: Unit, number: number): void {
  for (const [shape, sent] of unit.pending) if (sent.number <= number) unit.pending.delete(shape);
}

/**
 * Picks the read that clears the line before `read`. Best are its own registers without the last ones; then what
 * the meter is known to answer; then what it might refuse.
 */
function choose(
  read: RegisterRead,
  unit: Unit,
  now: number,
  others: readonly RegisterRead[],
): RegisterRead | undefined {
  const sentAt = (candidate: RegisterRead): number =>
    unit.pending.get(shapeOf(candidate))?.at ?? Number.NEGATIVE_INFINITY;
  const isFresh = (candidate: RegisterRead): boolean => !unit.pending.has(shapeOf(candidate));
  const isOld = (candidate: RegisterRead): boolean => sentAt(candidate) <= now - FORGET_MS;
  const shorter = sized(read, SHORTER);
  const known = [...unit.answered.values(), ...others].filter(
    (candidate) => shapeOf(candidate) !== shapeOf(read),
  );
  const all = [...known, ...shorter, ...guesses(read)];
  return (
    shorter.find((candidate) => isFresh(candidate) && !unit.wanted.has(shapeOf(candidate))) ??
    all.find(isFresh) ??
    all.find(isOld)
  );
}

/** Two at a time: most meters keep 32-bit values in pairs of registers and refuse a half one. */
const SHORTER = [-2, -4, -6, -8, -10, -12, -14, -16];
const GUESSES = [-1, 2, 4, 1, 6, 8, 3, 5];

/**
 * What nearly every DL/T 645 meter has: time and date, energies, and of the first phase voltage, current and power. As
 * many as there are lengths of registers: with three the line stayed unclear after one lost answer.
 */
const DATA_GUESSES = [
  { identifier: '04000102', bytes: 3 },
  { identifier: '02010100', bytes: 2 },
  { identifier: '04000101', bytes: 4 },
  { identifier: '00010000', bytes: 4 },
  { identifier: '02020100', bytes: 3 },
  { identifier: '02030000', bytes: 3 },
  { identifier: '00000000', bytes: 4 },
  { identifier: '00020000', bytes: 4 },
];

function guesses(read: RegisterRead): RegisterRead[] {
  if (read.data === undefined) return sized(read, GUESSES);
  return DATA_GUESSES.map((data) => ({ unit: read.unit, ...dataRead(data) }));
}

/** `read` with so many registers more or fewer. */
function sized(read: RegisterRead, steps: readonly number[]): RegisterRead[] {
  if (read.data !== undefined) return [];
  return steps
    .map((step) => ({ ...read, count: read.count + step }))
    .filter(({ at, count }) => count >= 1 && count <= MAX_RAW_WORDS && at + count <= 65_536);
}
