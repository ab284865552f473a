import { readFile, stat } from 'node:fs/promises';
import type { Holder } from '@meterseal/protocol';
import { fromHex, holderBytes, isMeterId, isMetersealError, MetersealError } from '@meterseal/protocol';
import { parse } from 'yaml';

/** A meter that may enrol: with these holder data and this one-time code. */
export type RosterEntry = {
  readonly meter: string;
  readonly holder: Holder;
  /** SHA-256 of the code. */
  readonly codeHash: Uint8Array;
  /** True once the operator has taken its identity back: `revoked: true`. */
  readonly revoked: boolean;
};

export type RosterEntries = ReadonlyMap<string, RosterEntry>;

/** Some thousand meters; YAML is read whole. */
const MAX_ROSTER_BYTES = 4 * 1024 * 1024;

/**
 * Reads a roster: a YAML list of `{meter, holder: {…}, codeSha256, revoked?: true}`, nothing else.
 *
 * @param text the file
 * @throws MetersealError `bad-roster`, naming the entry
 */
export function parseRoster(text: string): RosterEntries {
  let list: unknown;
  try {
    list = parse(text, { version: '1.2', schema: 'core', strict: true, uniqueKeys: true, maxAliasCount: 0 });
  } catch (cause) {
    throw badRoster(`not YAML: ${(cause as Error).message.split('\n')[0]}`, cause);
  }
  const entries = new Map<string, RosterEntry>();
  if (list === null) return entries;
  if (!Array.isArray(list)) throw badRoster('it is not a list');
  for (const [i, item] of list.entries()) {
    const entry = parseEntry(item, `entry ${i + 1}`);
    if (entries.has(entry.meter)) throw badRoster(`entry ${i + 1}: meter ${entry.meter} is there already`);
    entries.set(entry.meter, entry);
  }
  return entries;
}

function parseEntry(item: unknown, where: string): RosterEntry {
  if (typeof item !== 'object' || item === null) throw badRoster(`${where}: not a mapping`);
  const { meter, holder, codeSha256, revoked, ...unknown } = item as Record<string, unknown>;
  const [stranger] = Object.keys(unknown);
  if (stranger !== undefined) throw badRoster(`${where}: unknown key ${JSON.stringify(stranger)}`);
  if (!isMeterId(meter)) throw badRoster(`${where}: meter is not 1–64 of A-Za-z0-9._:-`);
  if (typeof codeSha256 !== 'string' || !/^[0-9a-f]{64}$/.test(codeSha256)) {
    throw badRoster(`${where}: codeSha256 is not 64 lower-case hex digits`);
  }
  if (revoked !== undefined && revoked !== true) throw badRoster(`${where}: revoked can only be true`);
  return {
    meter,
    holder: parseHolder(holder, where),
    codeHash: fromHex(codeSha256),
    revoked: revoked === true,
  };
}

function parseHolder(holder: unknown, where: string): Holder {
  if (typeof holder !== 'object' || holder === null || Array.isArray(holder)) {
    throw badRoster(`${where}: holder is not a mapping`);
  }
  for (const [key, value] of Object.entries(holder)) {
    if (typeof value !== 'string') {
      throw badRoster(`${where}: holder.${key} is not a text: put it in quotes`);
    }
  }
  try {
    holderBytes(holder as Holder);
  } catch (cause) {
    throw badRoster(`${where}: ${(cause as Error).message}`, cause);
  }
  return holder as Holder;
}

/** Where the platform reads who may enrol. */
export interface RosterSource {
  /** @throws MetersealError `bad-roster`, `file-unusable` */
  current(): Promise<RosterEntries>;
  /** What was read last without a fault. */
  readonly lastGood: RosterEntries;
}

/** The roster file, read again whenever it has changed. A missing file is an empty roster. */
export class Roster implements RosterSource {
  readonly #path: string;
  #stamp = '';
  #entries: RosterEntries = new Map();

  constructor(path: string) {
    this.#path = path;
  }

  get lastGood(): RosterEntries {
    return this.#entries;
  }

  async current(): Promise<RosterEntries> {
    try {
      const { mtimeMs, ctimeMs, size, ino } = await stat(this.#path);
      const stamp = `${mtimeMs} ${ctimeMs} ${size} ${ino}`;
      if (stamp === this.#stamp) return this.#entries;
      if (size > MAX_ROSTER_BYTES) throw badRoster(`more than ${MAX_ROSTER_BYTES} bytes`);
      this.#entries = parseRoster(await readFile(this.#path, 'utf8'));
      this.#stamp = stamp;
      return this.#entries;
    } catch (cause) {
      if (isMetersealError(cause)) throw cause;
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
        this.#stamp = '';
        this.#entries = new Map();
        return this.#entries;
      }
      throw new MetersealError('file-unusable', `couldn't read roster: ${this.#path}`, {
        hint: 'Check that the file belongs to the user that runs meterseal.',
        cause,
      });
    }
  }
}

function badRoster(what: string, cause?: unknown): MetersealError {
  return new MetersealError('bad-roster', `couldn't read roster: ${what}`, {
    hint: 'Correct chain/roster.yaml; it is read again at the next request.',
    cause,
  });
}
