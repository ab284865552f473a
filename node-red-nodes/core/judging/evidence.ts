import { join } from 'node:path';
import type { Hasher } from '@meterseal/protocol';
import { toBase64, toHex, utf8 } from '@meterseal/protocol';
import type { Storage } from '../storage/storage.js';
import { storeError } from '../storage/storage.js';

/** Two signed heads of one chain that do not go together, with the proof that was offered for the contrary. */
export type Evidence = {
  readonly reason: 'history-rewritten' | 'history-unproven';
  /** Milliseconds since 1970. */
  readonly time: number;
  /** The checkpoint note that this collector mirrors, and what came; verbatim. */
  readonly kept: string | undefined;
  readonly shown: string;
  /** Hashes of the consistency proof from one to the other, where one came. */
  readonly consistency: readonly Uint8Array[] | undefined;
};

/** Files of evidence: a platform that shows another head each time must not fill the disk. */
const MAX_FILES = 1_000;

/**
 * Keeps evidence in a file of its own, named by what it says, so that none is written over: JSON with the two notes as
 * they are, for anybody who has the policy to check the signatures.
 *
 * @returns the file's path; undefined where there are very many already
 * @throws MetersealError `commit-failed`, `disk-full`
 */
export async function keepEvidence(
  storage: Storage,
  dir: string,
  hasher: Hasher,
  evidence: Evidence,
): Promise<string | undefined> {
  const folder = join(dir, 'evidence');
  const { reason, time, kept, shown, consistency } = evidence;
  const name = toHex(hasher.sha256(utf8(`${kept}\n${shown}`))).slice(0, 16);
  const path = join(folder, `${reason}-${name}.json`);
  const proof = consistency?.map(toBase64);
  const content = { reason, time, kept, shown, ...(proof === undefined ? {} : { proof }) };
  const bytes = utf8(`${JSON.stringify(content, null, 2)}\n`);
  try {
    await storage.makeFolder(folder);
    const names = await storage.list(folder);
    if (names.length >= MAX_FILES && !names.includes(`${reason}-${name}.json`)) return undefined;
    const file = await storage.open(path);
    try {
      // A crash may have left a part of it.
      if ((await file.size()) !== bytes.length) {
        await file.truncate(0);
        await file.write(bytes, 0);
        await file.sync();
      }
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw storeError('evidence', cause);
  }
  return path;
}
