import type { SeededRandom } from '../protocol/seeded-random.js';

export const FAULT_KINDS = [
  'silent',
  'late',
  'doubled',
  'torn',
  'exception',
  'wrong-unit',
  'wrong-function',
  'wrong-length',
  'garbage',
  'noise',
  'reset',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** A way to go wrong. */
export interface Fault {
  /** Which meter; all if left out. */
  readonly unit?: number;
  readonly kind: FaultKind;
  /** Of hitting a request, 0 to 1; 1 if left out. */
  readonly probability?: number;
  /**
   * `late`: how much later; left out: when the next request to this meter comes. `doubled`: when the second
   * comes. `torn`: when the rest comes; left out: never.
   */
  readonly ms?: number;
  /** `exception`: its code, 2 if left out. */
  readonly code?: number;
  /** How often it hits at most. */
  readonly times?: number;
}

/** `unit=1,kind=late,probability=0.1,ms=300` */
export function parseFault(text: string): Fault {
  const fields = Object.fromEntries(text.split(',').map((pair) => pair.split('=') as [string, string]));
  const { kind, ...numbers } = fields;
  return checkFault({
    kind,
    ...Object.fromEntries(Object.entries(numbers).map(([key, value]) => [key, Number(value)])),
  });
}

export function checkFault(value: unknown): Fault {
  const { kind, ...numbers } = value as Record<string, unknown>;
  if (!FAULT_KINDS.includes(kind as FaultKind)) throw new Error(`unknown kind of fault ${String(kind)}`);
  for (const [key, number] of Object.entries(numbers)) {
    if (!['unit', 'probability', 'ms', 'code', 'times'].includes(key)) throw new Error(`unknown ${key}`);
    if (typeof number !== 'number' || !(number >= 0)) throw new Error(`${key} is no number`);
  }
  return value as Fault;
}

/** The faults that are set, and the dice. */
export class Faults {
  readonly #random: SeededRandom;
  #set: { fault: Fault; left: number }[] = [];

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  add(fault: Fault): void {
    this.#set.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  /** @param unit whose faults end; all if left out */
  clear(unit?: number): void {
    this.#set = this.#set.filter(({ fault }) => unit !== undefined && fault.unit !== unit);
  }

  /** The fault that hits a request to `unit`, if any. */
  draw(unit: number): Fault | undefined {
    for (const entry of this.#set) {
      const { fault } = entry;
      if (entry.left <= 0 || (fault.unit !== undefined && fault.unit !== unit)) continue;
      if (this.#random.below(1_000_000) >= (fault.probability ?? 1) * 1_000_000) continue;
      entry.left -= 1;
      return fault;
    }
    return undefined;
  }
}
