import { readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MAX_PROFILE_BYTES, MetersealError } from '@meterseal/protocol';
import JSON5 from 'json5';
import type { Refuse } from './fields.js';

/** `manufacturer/model`: both halves are safe as names of folders and files. */
export const DATA_FILE_NAME = /^[a-z0-9][a-z0-9-]{0,31}\/[a-z0-9][a-z0-9.-]{0,47}$/;

/** The folder of the profiles that come with meterseal. */
export function profileFolder(): string {
  return dirname(fileURLToPath(import.meta.resolve('@meterseal/hw-profiles/package.json')));
}

/**
 * The text of `<folder>/<name>.json5`.
 *
 * @param name `manufacturer/model`; nothing else is ever put into a path
 * @param what how messages call it: "couldn't find <what>"
 * @throws MetersealError `unknown-profile` if there is none of this name
 */
export function readDataFile(name: string, folder: string, what: string): string {
  const unknown = (why: string, cause?: unknown): never => {
    const shown = JSON.stringify(name.slice(0, 120));
    throw new MetersealError('unknown-profile', `couldn't find ${what} ${shown}: ${why}`, {
      hint: 'a profile is named like eastron/sdm630, after its file in hw-profiles',
      cause,
    });
  };
  if (!DATA_FILE_NAME.test(name)) unknown('not manufacturer/model in lower case');
  const path = join(folder, `${name}.json5`);
  try {
    // A link could lead to a file that nobody meant to be a profile.
    if (realpathSync(path) !== join(realpathSync(folder), `${name}.json5`)) unknown('it is a symbolic link');
    if (statSync(path).size > MAX_PROFILE_BYTES) unknown(`more than ${MAX_PROFILE_BYTES} bytes`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof MetersealError) throw error;
    return unknown('no such file', error);
  }
}

/**
 * A data file's content, of which nothing is checked yet but that every property stands once.
 *
 * @param text JSON5, from anybody
 */
export function parseDataFile(text: string, refuse: Refuse): unknown {
  if (Buffer.byteLength(text) > MAX_PROFILE_BYTES) refuse('profile', `more than ${MAX_PROFILE_BYTES} bytes`);
  let root: unknown;
  try {
    root = JSON5.parse(text);
  } catch (cause) {
    refuse('profile', `not JSON5: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  if (countNames(root) !== countColons(text)) refuse('profile', 'a property stands twice in one object');
  return root;
}

/** Properties of all objects in `root`. A loop, for a file can nest deeper than calls can. */
function countNames(root: unknown): number {
  let names = 0;
  const left: unknown[] = [root];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value !== 'object' || value === null) continue;
    const items = Object.values(value);
    if (!Array.isArray(value)) names += items.length;
    for (const item of items) left.push(item);
  }
  return names;
}

/**
 * Colons outside of texts and comments: in JSON5 each stands behind the name of a property. The parser keeps
 * the last of two properties of one name, and a reader of the file may have seen the first.
 */
function countColons(text: string): number {
  const skipped = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\/\/[^\n\r\u2028\u2029]*|\/\*.*?\*\//gs;
  return text.replaceAll(skipped, '').split(':').length - 1;
}
