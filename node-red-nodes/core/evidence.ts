import { join } from 'node:path';
import { toBase64, utf8 } from '@meterseal/protocol';
import type { Storage } from './storage.js';
import { storeError } from './storage.js';

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

/**
 * Keeps evidence in a file of its own: JSON with the two notes as they are, so that anybody with the policy can check
 * the signatures.
 *
 * @returns the file's path
 */
export async function keepEvidence(storage: Storage, dir: string, evidence: Evidence): Promise<string> {
  const folder = join(dir, 'evidence');
  const { reason, time, kept, shown, consistency } = evidence;
  const path = join(folder, `${new Date(time).toISOString().replaceAll(':', '')}-${reason}.json`);
  const proof = consistency?.map(toBase64);
  const text = JSON.stringify(
    { reason, time, kept, shown, ...(proof === undefined ? {} : { proof }) },
    null,
    2,
  );
  try {
    await storage.makeFolder(folder);
    const file = await storage.open(path);
    try {
      await file.truncate(0);
      await file.write(utf8(`${text}\n`), 0);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw storeError('evidence', cause);
  }
  return path;
}
