import { MAX_RAW_WORDS } from '@meterseal/protocol';
import type { RegisterRead, Shape } from './register-read.js';
import { shapeOf } from './register-read.js';

/** Exceptions in a row, to reads sent only to clear the line, after which older answers count as gone. */
const EXCEPTIONS_THAT_CLEAR = 3;

interface Sent {
  /** Numbers of the first and of the last request of one shape whose answer may still come. */
  first: number;
  last: number;
}

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
 * before the answer to the next. The rule that follows: no read is sent while an answer of its shape may
 * still come, and an answer of a shape that was sent once proves that everything older is gone.
 */
export class LateReplies {
  readonly #units = new Map<number, Unit>();

  /** A connection begins: whoever used the line before may have left answers behind. */
  opened(): void {
    for (const unit of this.#units.values()) unit.resync = true;
  }

  /**
   * The read that has to be answered before `read` may be sent; undefined if it may be sent at once.
   *
   * @param others reads of this unit that it is known to answer
   */
  before(read: RegisterRead, others: readonly RegisterRead[] = []): RegisterRead | undefined {
    const unit = this.#unit(read.unit);
    unit.wanted.add(shapeOf(read));
    if (!unit.resync && !unit.pending.has(shapeOf(read))) return undefined;
    return choose(read, unit, others);
  }

  sent(read: RegisterRead): void {
    const unit = this.#unit(read.unit);
    unit.number += 1;
    const sent = unit.pending.get(shapeOf(read));
    if (sent === undefined) unit.pending.set(shapeOf(read), { first: unit.number, last: unit.number });
    else sent.last = unit.number;
  }

  /** The last request was answered with registers. */
  answeredWithRegisters(read: RegisterRead): void {
    const unit = this.#unit(read.unit);
    const sent = unit.pending.get(shapeOf(read))!;
    forget(unit, sent.first - 1);
    unit.certain = sent.first === sent.last;
    unit.resync = false;
    unit.exceptions = 0;
    unit.answered.set(shapeOf(read), read);
  }

  /** The last request was answered with an exception: it could be the late one of an older request. */
  answeredWithException(read: RegisterRead): void {
    const unit = this.#unit(read.unit);
    const sent = unit.pending.get(shapeOf(read))!;
    unit.exceptions += 1;
    if (unit.certain) {
      // Everything older is gone, so the exception is this request's own, and registers will not follow.
      forget(unit, unit.number - 1);
      if (sent.first === sent.last) unit.pending.delete(shapeOf(read));
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
  for (const [shape, sent] of unit.pending) if (sent.last <= number) unit.pending.delete(shape);
}

/**
 * Picks the read that clears the line before `read`. Best are its own registers without the last ones; then what
 * the meter is known to answer; then what it might refuse.
 */
function choose(read: RegisterRead, unit: Unit, others: readonly RegisterRead[]): RegisterRead {
  const isFresh = (candidate: RegisterRead): boolean => !unit.pending.has(shapeOf(candidate));
  const shorter = sized(read, SHORTER);
  const spare = shorter.find((candidate) => isFresh(candidate) && !unit.wanted.has(shapeOf(candidate)));
  if (spare !== undefined) return spare;
  const known = [...unit.answered.values(), ...others];
  const all = [...known, ...shorter, ...sized(read, GUESSES)].filter(
    (candidate) => shapeOf(candidate) !== shapeOf(read),
  );
  // With all shapes used up, as with a meter that is dead for long, the next answer still proves that
  // everything sent before the first request of its shape is gone.
  const age = (candidate: RegisterRead): number => unit.pending.get(shapeOf(candidate))!.last;
  return (
    all.find(isFresh) ??
    all.reduce((oldest, candidate) => (age(candidate) < age(oldest) ? candidate : oldest))
  );
}

/** Two at a time: most meters keep 32-bit values in pairs of registers and refuse a half one. */
const SHORTER = [-2, -4, -6, -8, -10, -12, -14, -16];
const GUESSES = [-1, 2, 4, 1, 6, 8, 3, 5];

/** `read` with so many registers more or fewer. */
function sized(read: RegisterRead, steps: readonly number[]): RegisterRead[] {
  return steps
    .map((step) => ({ ...read, count: read.count + step }))
    .filter(({ at, count }) => count >= 1 && count <= MAX_RAW_WORDS && at + count <= 65_536);
}
