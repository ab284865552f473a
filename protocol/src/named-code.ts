import type { ByteReader } from './bytes.js';

/** The name that a table gives to the number `code`; a number that is not listed is refused. */
export function nameOf<Name extends string>(
  names: Readonly<Record<Name, number>>,
  code: number,
  from: ByteReader,
): Name {
  for (const [name, known] of Object.entries(names)) if (known === code) return name as Name;
  return from.refuse(`an unlisted value ${code}`);
}
