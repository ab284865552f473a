/** Says what is wrong at which path, and throws. */
export type Refuse = (path: string, why: string) => never;

const CONTROL = /\p{Cc}/u;

/**
 * One object of a file that somebody else wrote. Only own properties whose names are known exist; everything is
 * read with its bounds, so that nothing unchecked comes out.
 */
export class Fields {
  readonly #object: Readonly<Record<string, unknown>>;
  readonly #path: string;
  readonly #refuse: Refuse;

  /** @param known every property that the object may have, in their order */
  constructor(value: unknown, path: string, known: readonly string[], refuse: Refuse) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      refuse(path === '' ? 'profile' : path, 'not an object');
    }
    this.#object = value as Record<string, unknown>;
    this.#path = path;
    this.#refuse = refuse;
    let behind = -1;
    for (const key of Object.keys(this.#object)) {
      const place = known.indexOf(key);
      if (place < 0) refuse(this.path(key.slice(0, 40)), `unknown; known are ${known.join(', ')}`);
      // One order everywhere: people compare data files line by line.
      if (place < behind) refuse(this.path(key), `out of order; the order is ${known.join(', ')}`);
      behind = place;
    }
  }

  path(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#object, key);
  }

  value(key: string): unknown {
    if (!this.has(key)) this.refuse(key, 'missing');
    return this.#object[key];
  }

  integer(key: string, least: number, most: number): number {
    const value = this.value(key);
    if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
      this.refuse(key, `not an integer from ${least} to ${most}`);
    }
    // JSON5 knows −0, and an address has no sign.
    return (value as number) + 0;
  }

  oneOf<T extends string | number>(key: string, choices: readonly T[]): T {
    const value = this.value(key);
    if (!choices.includes(value as T)) this.refuse(key, `not one of ${choices.join(', ')}`);
    return value as T;
  }

  text(key: string, most: number): string {
    const value = this.value(key);
    if (typeof value !== 'string' || value.length < 1 || value.length > most) {
      this.refuse(key, `not a text of 1 to ${most} characters`);
    }
    if (CONTROL.test(value as string)) this.refuse(key, 'a control character');
    return value as string;
  }

  list(key: string, most: number): readonly unknown[] {
    const value = this.value(key);
    if (!Array.isArray(value) || value.length < 1 || value.length > most) {
      this.refuse(key, `not a list of 1 to ${most} items`);
    }
    return value as unknown[];
  }

  object(key: string, known: readonly string[]): Fields {
    return new Fields(this.value(key), this.path(key), known, this.#refuse);
  }

  refuse(key: string, why: string): never {
    return this.#refuse(this.path(key), why);
  }
}
