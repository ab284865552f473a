/** What stands behind each of the five numbers; behind the last nothing does. */
const SEPARATORS = ['-', ':', '.', '.', undefined];

/**
 * The five numbers of an OBIS code A-B:C.D.E (IEC 62056-6-1), each 0…255 without leading zeros so that a code has one
 * spelling; undefined if `text` is not one. Read for each value of each reading, hence by hand.
 */
export function parseObis(text: unknown): readonly number[] | undefined {
  if (typeof text !== 'string') return undefined;
  const numbers: number[] = [];
  let number: number | undefined;
  for (let at = 0; at <= text.length; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit >= 0 && digit <= 9) {
      if (number === 0) return undefined;
      number = (number ?? 0) * 10 + digit;
      if (number > 255) return undefined;
    } else {
      if (number === undefined || text[at] !== SEPARATORS[numbers.length]) return undefined;
      numbers.push(number);
      number = undefined;
    }
  }
  return numbers.length === SEPARATORS.length ? numbers : undefined;
}

/** Order of two OBIS codes by their numbers, A first: negative, zero or positive. */
export function compareObis(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return 0;
}
