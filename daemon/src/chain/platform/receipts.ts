import { equalBytes, isMetersealError, MetersealError, openCheckpoint } from '@meterseal/protocol';
import type { Chain } from '../commit.js';
import { behindWitness } from '../open-chain.js';
import { ownPolicy } from '../published-files.js';

/**
 * The field is witness zero: it shows the last checkpoint that it holds. One of our own signatures over a tree that this
 * chain does not have means that the store was put back or cloned, and ends the chain: nothing is signed any more.
 *
 * @param note from anybody
 * @throws MetersealError `bad-checkpoint` for what this chain's key did not sign; `behind-witness`
 */
export async function examineReceipt(chain: Chain, note: string): Promise<void> {
  const { size, root } = openOwn(chain, note);
  const { size: ours } = chain.published;
  if (size <= ours && equalBytes(await chain.tree.rootAt(size), root)) return;
  const error = behindWitness(size, ours);
  chain.fail(error);
  throw error;
}

function openOwn(chain: Chain, note: string): { size: number; root: Uint8Array } {
  try {
    return openCheckpoint(chain.engine, ownPolicy(chain.engine, chain.origin, chain.logKey), note).checkpoint;
  } catch (cause) {
    if (!isMetersealError(cause)) throw cause;
    throw new MetersealError('bad-checkpoint', "couldn't examine receipt: this chain's key did not sign it", {
      cause,
    });
  }
}
