import { readFileSync } from 'node:fs';

const FOLDER = new URL('../../vectors/', import.meta.url);

/** Bytes of a file of test/vectors. */
export function vectorBytes(path: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(path, FOLDER)));
}

/** A text file of test/vectors. */
export function vectorText(path: string): string {
  return readFileSync(new URL(path, FOLDER), 'utf8');
}

/** A JSON file of test/vectors, as the test says that it is formed. */
export function vectorJson<T>(path: string): T {
  return JSON.parse(vectorText(path)) as T;
}
