/** The five numbers A-B:C.D.E of an OBIS code (IEC 62056-6-1), or undefined if `text` is not one. */
export function parseObis(text: unknown): readonly number[] | undefined {
  if (typeof text !== 'string') return undefined;
  const match = /^(\d{1,3})-(\d{1,3}):(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const parts = match.slice(1);
  // One code, one spelling: no leading zeros.
  if (parts.some((part) => part.length > 1 && part.startsWith('0'))) return undefined;
  const numbers = parts.map(Number);
  return numbers.every((number) => number <= 255) ? numbers : undefined;
}

/** Order of two OBIS codes by their numbers, A first: negative, zero or positive. */
export function compareObis(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return 0;
}
