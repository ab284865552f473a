import type { ByteReader } from './bytes.js';

/** The name that a table gives to the number `code`; a number that is not listed is refused. */
export function nameOf<Name extends string>(
  names: Readonly<Record<Name, number>>,
  code: number,
  from: ByteReader,
): Name {
  // Once for each entry of a chain: `for … in` builds no list.
  for (const name in names) if (names[name] === code) return name;
  return from.refuse(`an unlisted value ${code}`);
}
