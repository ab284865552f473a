import type { Engine } from '@meterseal/native';
import type { Policy } from '@meterseal/protocol';
import { isMetersealError, toHex } from '@meterseal/protocol';
import type { SeenHead } from './invariants.js';
import { checkInvariants } from './invariants.js';
import { SqliteChainReader } from './sqlite-store.js';

export type ChainReport = {
  readonly clean: boolean;
  /** What is wrong, one sentence each. */
  readonly findings: readonly string[];
  /** Entries that were examined. */
  readonly size: number;
  /** Over them, in hex. */
  readonly root: string;
};

/**
 * Recomputes chain.db from its entries and compares everything that is stored. The file is only read.
 *
 * @param policy whose log keys may have signed
 * @param seen heads that others remember, read before this is called
 * @throws MetersealError `file-unusable` if the file cannot be opened at all
 */
export async function checkChain(
  path: string,
  policy: Policy,
  engine: Engine,
  seen: readonly SeenHead[] = [],
): Promise<ChainReport> {
  let reader: SqliteChainReader | undefined;
  try {
    reader = await SqliteChainReader.open(path);
    const { findings, size, root } = await checkInvariants(reader, policy, engine, seen);
    return { clean: findings.length === 0, findings, size, root: toHex(root) };
  } catch (error) {
    // Past this damage nothing can be read, so it is the one finding.
    if (!isMetersealError(error, 'chain-damaged')) throw error;
    const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
    return { clean: false, findings: [`${error.message}${cause}`], size: 0, root: '' };
  } finally {
    await reader?.close();
  }
}
