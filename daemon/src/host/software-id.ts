import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folders whose code decides what a record says and how it is sealed: the legally relevant part. */
const RELEVANT = [
  '@meterseal/protocol',
  '@meterseal/native',
  new URL('../modbus/', import.meta.url),
  new URL('../meters/', import.meta.url),
  new URL('../agent/', import.meta.url),
] as const;

/**
 * Name, version and digest of the sealing code, as every record carries it: `meterseal/<version> <16 hex digits>`. A
 * changed byte in a relevant module changes it; a changed command or screen does not.
 */
export function softwareId(version: string): string {
  const hash = createHash('sha256');
  for (const place of RELEVANT) {
    const folder =
      typeof place === 'string'
        ? fileURLToPath(new URL('.', import.meta.resolve(place)))
        : fileURLToPath(place);
    for (const file of codeFiles(folder)) {
      hash.update(`${relative(folder, file)}\0`);
      hash.update(createHash('sha256').update(readFileSync(file)).digest());
    }
  }
  return `meterseal/${version} ${hash.digest('hex').slice(0, 16)}`;
}

function codeFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.js'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}
